"""The library of scenarios: what it keeps, what it finds, and what no crash and no crowd can do."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb
import pytest

from app.presets import load_presets
from catalog_db import library
from catalog_db.library import Library, LibraryBusyError, LibraryError, default_library_path
from ecoserve.errors import ScenarioError
from ecoserve.scenario import Scenario, read_scenario

KILLS = 12
PRESET = load_presets()["small-assistant"]
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["catalog_db.library", __name__])


def named(name: str) -> Scenario:
    return read_scenario({**PRESET.model_dump(mode="json"), "name": name})


def raw(path: Path, sql: str, *values: object) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql, list(values))


@pytest.fixture
def kept(tmp_path: Path) -> Library:
    return Library(tmp_path / "new folder" / "library.duckdb")


def test_a_saved_scenario_comes_back_with_what_it_was_made_with(kept: Library):
    scenario = named("Mine")
    entry = kept.save(scenario, "0.2.0", "abc")
    saved = kept.open(scenario.fingerprint())
    assert saved.scenario == scenario
    assert saved.is_exact
    assert saved.entry == entry
    assert (entry.name, entry.engine_version, entry.catalog_version) == ("Mine", "0.2.0", "abc")


def test_saved_twice_it_is_kept_once_as_it_was(kept: Library):
    first = kept.save(named("Mine"), "0.1.0", "abc")
    assert kept.save(named("Mine"), "0.2.0", "def") == first
    assert kept.find() == (first,)


def test_search_takes_every_word_in_any_case_and_the_latest_come_first(kept: Library):
    for name in ("Chat in Oslo", "Chat in Rome", "Batch in Oslo", "100 renewable"):
        kept.save(named(name), "1", "2")
    assert [e.name for e in kept.find("oslo CHAT")] == ["Chat in Oslo"]
    assert [e.name for e in kept.find("in slo")] == ["Batch in Oslo", "Chat in Oslo"]
    assert [e.name for e in kept.find("", limit=2)] == ["100 renewable", "Batch in Oslo"]
    assert [e.name for e in kept.find(named("Chat in Rome").fingerprint())] == ["Chat in Rome"]
    assert kept.find("%") == kept.find("' OR 1=1 --") == ()


def test_what_is_taken_off_is_found_no_more_but_opens_and_is_listed_again_once_saved(kept: Library):
    mine, other = named("Mine"), named("Other")
    for scenario in (mine, other):
        kept.save(scenario, "1", "2")
    kept.take_off(mine.fingerprint())
    kept.take_off(mine.fingerprint())
    kept.take_off("0" * 12)
    assert [entry.name for entry in kept.find()] == ["Other"]
    assert kept.find("mine") == kept.find(mine.fingerprint()) == ()
    assert kept.open(mine.fingerprint()).scenario == mine
    kept.save(mine, "3", "4")
    [again] = kept.find("mine")
    assert again.engine_version == "1"
    with duckdb.connect(str(kept.path), read_only=True) as connection:
        assert connection.execute("SELECT is_listed FROM marks ORDER BY marked_at").fetchall() == [
            (False,),
            (True,),
        ]


def test_a_library_without_a_file_is_empty_and_stays_unmade(kept: Library):
    assert kept.find() == ()
    with pytest.raises(LibraryError, match="no scenario"):
        kept.open(PRESET.fingerprint())
    assert not kept.path.parent.exists()


@pytest.mark.parametrize("wrong", ["", "x", "0" * 12, "0" * 13, "../../secret", "' OR 1=1 --"])
def test_an_unknown_id_is_answered_with_what_to_do(kept: Library, wrong: str):
    kept.save(PRESET, "1", "2")
    with pytest.raises(LibraryError, match="ask its sender"):
        kept.open(wrong)


def test_a_full_library_says_so_but_keeps_what_it_has(
    kept: Library, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(library, "MAX_SCENARIOS", 2)
    kept.save(named("a"), "1", "2")
    kept.save(named("b"), "1", "2")
    kept.save(named("b"), "1", "2")
    with pytest.raises(LibraryError, match="full: it has 2"):
        kept.save(named("c"), "1", "2")
    assert [e.name for e in kept.find()] == ["b", "a"]


def test_a_scenario_beyond_the_size_is_refused(kept: Library, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(library, "MAX_JSON_BYTES", 100)
    with pytest.raises(LibraryError, match="more than 100 bytes"):
        kept.save(PRESET, "1", "2")


def test_a_scenario_of_a_later_version_names_what_cannot_be_carried(kept: Library):
    kept.save(named("mine"), "1", "2")
    raw(kept.path, "UPDATE scenarios SET scenario = replace(scenario, 'burst', 'surge')")
    with pytest.raises(ScenarioError, match=r"policy\.surge: is not a known key"):
        kept.open(named("mine").fingerprint())


def test_a_scenario_that_reads_differently_now_is_marked(kept: Library):
    kept.save(named("mine"), "1", "2")
    raw(kept.path, "UPDATE scenarios SET scenario = replace(scenario, 'mine', 'ours')")
    assert not kept.open(named("mine").fingerprint()).is_exact
    with pytest.raises(LibraryError, match="another scenario under this fingerprint"):
        kept.save(named("mine"), "1", "2")


def test_files_that_are_no_library_stay_as_they_are(tmp_path: Path):
    text, other = tmp_path / "text.duckdb", tmp_path / "other.duckdb"
    text.write_bytes(b"hello" * 1000)
    raw(other, "CREATE TABLE cars (wheels INTEGER)")
    (tmp_path / "folder").mkdir()
    later = Library(tmp_path / "later.duckdb")
    later.save(PRESET, "1", "2")
    raw(later.path, "UPDATE library SET format = 99")
    for path, reason in (
        (text, "not a valid DuckDB"),
        (other, "DuckDB file of something else"),
        (tmp_path / "folder", "directory"),
        (text / "below", "a file stands where its folder"),
        (later.path, "format 99"),
    ):
        before = path.read_bytes() if path.is_file() else b""
        with pytest.raises(LibraryError, match=reason) as caught:
            Library(path).save(PRESET, "1", "2")
        assert str(tmp_path) not in str(caught.value)
        assert before == (path.read_bytes() if path.is_file() else b"")


def test_the_path_is_named_by_the_environment_or_lies_with_the_users_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("ECOSERVE_LIBRARY", str(tmp_path / "mine.duckdb"))
    assert default_library_path() == tmp_path / "mine.duckdb"
    monkeypatch.setenv("ECOSERVE_LIBRARY", " ")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_library_path().name == "library.duckdb"
    assert default_library_path().parent.name == "ecoserve"


def test_sixteen_visitors_saving_at_once_lose_nothing(kept: Library):
    names = [f"visitor {i % 24}" for i in range(48)]  # every other one twice
    start = threading.Barrier(16)

    def visit(worker: int) -> list[str]:
        start.wait()
        mine = names[worker::16]
        found = [kept.save(named(name), "1", "2").name for name in mine]
        kept.find(mine[0])
        return found

    with ThreadPoolExecutor(16) as pool:
        returned = [name for found in pool.map(visit, range(16)) for name in found]
    assert sorted(returned) == sorted(names)
    assert len(saved_names(kept)) == 24
    assert all(kept.open(named(name).fingerprint()).scenario == named(name) for name in names[:24])


def saved_names(kept: Library) -> set[str]:
    with duckdb.connect(str(kept.path), read_only=True) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM scenarios").fetchall()}


def keep_saving(path: Path, prefix: str, limit: int, told: Connection) -> None:
    """What another server process does: saves, and tells each name once that is done."""
    for i in range(limit):
        told.send(Library(path).save(named(f"{prefix} {i}"), "1", "2").name)
    told.close()


def another_process(path: Path, prefix: str, limit: int) -> tuple[PROCESSES.Process, Connection]:
    ours, theirs = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=keep_saving, args=(path, prefix, limit, theirs))
    process.start()
    theirs.close()
    return process, ours


def told_by(pipe: Connection) -> list[str]:
    names = []
    while True:
        try:
            names.append(pipe.recv())
        except EOFError:
            return names


def test_two_servers_on_one_file_share_it(kept: Library):
    others = [another_process(kept.path, prefix, 12) for prefix in ("left", "right")]
    here = [kept.save(named(f"here {i}"), "1", "2").name for i in range(6)]
    told = [name for _, pipe in others for name in told_by(pipe)]
    for process, _ in others:
        process.join()
        assert process.exitcode == 0
    assert len(told) == 24
    assert saved_names(kept) == {*told, *here}


def test_nothing_that_was_told_as_saved_is_lost_when_the_writer_is_killed(kept: Library):
    rng = random.Random(6)
    told: list[str] = []
    for round_number in range(KILLS):
        process, pipe = another_process(kept.path, f"round {round_number}", 10_000)
        told.append(pipe.recv())  # it is at work
        time.sleep(rng.uniform(0, 0.06))
        process.kill()
        process.join()
        told += told_by(pipe)
        assert {*kept.find(limit=1)}  # readable at once, by a reader that writes nothing
        kept.save(named(f"after {round_number}"), "1", "2")
    there = saved_names(kept)
    assert set(told) <= there
    assert len(there - set(told)) <= 2 * KILLS  # per kill: ours, and one that was not told in time
    assert all(kept.open(named(name).fingerprint()).scenario.name == name for name in sorted(there))


def test_who_finds_it_taken_for_too_long_is_told_so(kept: Library):
    kept.save(PRESET, "1", "2")
    ready, done = PROCESSES.Event(), PROCESSES.Event()
    holder = PROCESSES.Process(target=hold_open, args=(kept.path, ready, done))
    holder.start()
    assert ready.wait(30)
    impatient = Library(kept.path, turn_timeout_s=0.1)
    for call in (lambda: impatient.save(named("x"), "1", "2"), impatient.find):
        with pytest.raises(LibraryBusyError, match="in use by others"):
            call()
    done.set()
    holder.join()
    assert impatient.find("x") == ()


def hold_open(path: Path, ready: threading.Event, done: threading.Event) -> None:
    with duckdb.connect(str(path)):
        ready.set()
        done.wait(30)
