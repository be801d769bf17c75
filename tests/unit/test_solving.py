"""The solve manager with fake jobs: turns, limits, cancel, and no process left behind."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from app.solving import manager as managing
from app.solving.jobs import Request
from app.solving.manager import Manager
from app.solving.messages import BUSY, CANCELLED, DIED, TIME_LIMIT
from app.solving.queue import FairQueue
from app.solving.tasks import Task, Tasks
from ecoserve.errors import InfeasibleError, ScenarioError, SolverError, UnknownIdError
from tests import solving_jobs as jobs

LIMIT_S = 30.0


@pytest.fixture(scope="module")
def two() -> Iterator[Manager]:
    """With two workers, shared by tests that leave them idle."""
    with contextlib.closing(Manager(2, grace_s=0.5, deaf_s=0.5)) as manager:
        yield manager


@pytest.fixture(scope="module")
def one() -> Iterator[Manager]:
    """With one worker, where order can be seen."""
    with contextlib.closing(Manager(1, grace_s=0.5, deaf_s=0.5)) as manager:
        yield manager


def echo(what: object, **more) -> Request:
    return Request(key=("echo", what), work=jobs.echo, arguments=(what,), **more)


def until(path: Path, **more) -> Request:
    return Request(key=("until", path), work=jobs.wait_for, arguments=(path,), **more)


def eventually(is_so: Callable[[], bool]) -> bool:
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        if is_so():
            return True
        time.sleep(0.01)
    return False


def ending(ticket) -> str:
    with pytest.raises(SolverError) as caught:
        ticket.result()
    return caught.value.termination


def test_owners_take_turns_whatever_they_ask():
    queue = FairQueue[str]()
    for thing in ("a1", "a2", "a3", "b1", "b2", "c1"):
        queue.push(thing[0], thing)
    assert queue.in_order() == ["a1", "b1", "c1", "a2", "b2", "a3"]
    queue.remove("b1")
    assert [queue.pop() for _ in range(len(queue))] == ["a1", "b2", "c1", "a2", "a3"]
    with pytest.raises(IndexError):
        queue.pop()


def test_the_place_in_the_queue_is_seen_and_kept(one: Manager, tmp_path: Path):
    go, log = tmp_path / "go", tmp_path / "log"
    first = one.ask(until(go), "ann")
    waiting = [
        one.ask(Request(key=name, work=jobs.note, arguments=(log, name)), name[0])
        for name in ("a1", "a2", "b1")
    ]
    assert first.place == 0
    assert [ticket.place for ticket in waiting] == [1, 3, 2]
    go.touch()
    assert [ticket.result() for ticket in waiting] == ["a1", "a2", "b1"]
    assert log.read_text("utf-8").split() == ["a1", "b1", "a2"]


def test_first_answers_go_before_later_ones_and_have_a_worker_kept(two: Manager, tmp_path: Path):
    go = tmp_path / "go"
    proof, other = two.ask(until(go), "ann"), two.ask(until(tmp_path / "never"), "ann")
    assert (proof.place, other.place) == (0, 1)
    assert two.ask(echo("quick", lane="first"), "bob").result() == "quick"
    assert other.place == 1
    other.drop()
    go.touch()
    assert proof.result() == "whole"


def test_what_takes_long_has_a_worker_of_its_own(one: Manager, tmp_path: Path):
    go = tmp_path / "go"
    long = one.ask(until(go, lane="long"), "ann")
    behind = one.ask(echo("behind", lane="long"), "bob")
    assert one.ask(echo("proof"), "cora").result() == "proof"
    assert (long.place, behind.place) == (0, 1)
    go.touch()
    assert (long.result(), behind.result()) == ("whole", "behind")


def test_equal_questions_share_an_answer_and_it_is_kept(one: Manager, tmp_path: Path):
    go = tmp_path / "go"
    first, second = one.ask(until(go), "ann"), one.ask(until(go), "bob")
    first.drop()
    go.touch()
    assert ending(first) == CANCELLED
    assert second.result() == "whole"
    go.unlink()
    assert one.ask(until(go), "eve").result() == "whole"


def test_stopped_work_gives_the_best_it_has_and_is_not_kept(one: Manager, tmp_path: Path):
    go = tmp_path / "go"
    ticket = one.ask(until(go), "ann")
    assert eventually(lambda: ticket.place == 0)
    ticket.stop()
    assert ticket.result() == "partial"
    assert ticket.is_partial
    assert one.known(("until", go)) is None


def test_answers_that_are_not_whole_are_not_kept(one: Manager):
    assert one.ask(echo("half", is_whole=lambda answer: answer != "half"), "ann").result() == "half"
    assert one.known(("echo", "half")) is None
    assert one.ask(echo("all"), "ann").result() == "all"
    assert one.known(("echo", "all")) == "all"


def test_a_deaf_job_is_ended_and_the_next_finds_a_new_worker(one: Manager, tmp_path: Path):
    begun = tmp_path / "pid"
    ticket = one.ask(Request(key="deaf", work=jobs.deaf, arguments=(begun,)), "ann")
    assert eventually(lambda: begun.exists() and begun.read_text("utf-8") != "")
    pid = int(begun.read_text("utf-8"))
    ticket.stop()
    assert ending(ticket) == CANCELLED  # at once, whatever the process does
    assert eventually(lambda: not psutil.pid_exists(pid))
    assert one.ask(echo("after"), "ann").result() == "after"
    assert pid not in one.pids()


def test_hard_limit_ends_what_does_not_end(one: Manager, tmp_path: Path):
    request = Request(key="long", work=jobs.deaf, arguments=(tmp_path / "pid",), limit_s=0.1)
    assert ending(one.ask(request, "ann")) == TIME_LIMIT
    assert one.ask(echo("a new worker"), "ann").result() == "a new worker"
    soft = one.ask(until(tmp_path / "go", limit_s=0.1), "ann")
    assert soft.result() == "partial"
    assert soft.is_partial


def test_a_full_queue_says_so_in_a_sentence(one: Manager, tmp_path: Path, monkeypatch):
    monkeypatch.setitem(managing.MAX_WAITING, "later", 2)
    tickets = [one.ask(until(tmp_path / f"go{i}"), "ann") for i in range(3)]
    with pytest.raises(SolverError, match="2 plans waiting already") as caught:
        one.ask(echo("one too many"), "bob")
    assert caught.value.termination == BUSY
    for ticket in tickets:
        ticket.drop()


def test_progress_is_told(one: Manager, tmp_path: Path):
    go = tmp_path / "go"
    ticket = one.ask(Request(key="told", work=jobs.told, arguments=(go,)), "ann")
    assert eventually(lambda: ticket.how_far is not None)
    assert (ticket.how_far.best, ticket.how_far.bound, ticket.how_far.gap) == (200, 190, 0.05)
    go.touch()
    assert ticket.result() == "whole"


def test_work_of_owners_who_left_is_dropped(tmp_path: Path):
    here = {"ann"}
    with contextlib.closing(
        Manager(1, is_here=lambda owner: owner in here, grace_s=0.5, deaf_s=0.5, gone_s=0.1)
    ) as manager:
        ann = manager.ask(until(tmp_path / "go"), "ann")
        assert ending(manager.ask(until(tmp_path / "other"), "bob")) == CANCELLED
        assert not ann.is_done
        here.clear()
        assert ending(ann) == CANCELLED


def test_a_worker_remembers_from_one_job_to_the_next(one: Manager):
    first = one.ask(Request(key="times 1", work=jobs.remember), "ann").result()
    assert one.ask(Request(key="times 2", work=jobs.remember), "ann").result() == first + 1


@pytest.mark.parametrize(
    ("how", "kind", "words", "held"),
    [
        ("infeasible", InfeasibleError, "no fleet", "blocked"),
        ("solver", SolverError, "gave up", "termination"),
        ("scenario", ScenarioError, "site: no such; name: too long", "problems"),
        ("unknown", UnknownIdError, "no servers has the id 'x9'; nearest: x1", "suggestions"),
    ],
)
def test_errors_cross_whole(one: Manager, how: str, kind: type, words: str, held: str):
    with pytest.raises(kind) as there:
        one.ask(Request(key=how, work=jobs.fails, arguments=(how,)), "ann").result()
    with pytest.raises(kind) as here:
        jobs.fails(None, how)
    assert str(there.value) == str(here.value) == words
    assert getattr(there.value, held) == getattr(here.value, held)
    assert str(pickle.loads(pickle.dumps(there.value))) == words


def test_a_bug_in_a_job_and_a_death_are_told_in_a_sentence(one: Manager):
    def asked(how: str) -> Request:
        return Request(key=how, work=jobs.fails, arguments=(how,))

    assert ending(one.ask(asked("bug"), "ann")) == DIED
    assert ending(one.ask(asked("dies"), "ann")) == DIED
    assert one.ask(echo("alive"), "ann").result() == "alive"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
def test_no_worker_outlives_its_server(tmp_path: Path, how: signal.Signals | None):
    begun = tmp_path / "pid"
    script = (
        "import sys, time; from pathlib import Path\n"
        "from app.solving.jobs import Request; from app.solving.manager import Manager\n"
        "from tests import solving_jobs as jobs\n"
        "manager = Manager(2); manager.warm_up()\n"
        f"path = Path({str(begun)!r})\n"
        "manager.ask(Request(key='deaf', work=jobs.deaf, arguments=(path,)), 'ann')\n"
        "while not (path.exists() and path.read_text()): time.sleep(0.01)\n"
        "print(*manager.pids(), flush=True)\n" + ("" if how is None else "time.sleep(60)\n")
    )
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    ) as server:
        pids = [int(pid) for pid in server.stdout.readline().split()]
        assert len(pids) == 2
        if how is not None:
            server.send_signal(how)
        server.wait(LIMIT_S)
    assert eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids))


def test_another_question_takes_the_place_of_the_old_one(one: Manager, tmp_path: Path):
    tasks = Tasks(one)
    old = tasks.get("ann", "plan", 1, lambda task: task.ask(until(tmp_path / "never")))
    assert tasks.get("ann", "plan", 1) is old
    new = tasks.get("ann", "plan", 2, lambda task: task.ask(echo("new")))
    new.wait(LIMIT_S)
    old.wait(LIMIT_S)
    assert new.result() == "new"
    with pytest.raises(SolverError, match="Cancelled"):
        old.result()
    assert tasks.get("ann", "plan", 1) is None


def test_a_task_shows_what_it_has_and_keeps_it_when_stopped(one: Manager, tmp_path: Path):
    def work(task: Task) -> str:
        task.tell(0, 2, "first")
        task.show("quick")
        (ticket,) = task.ask_all([until(tmp_path / "never")])
        return ticket.result()

    tasks = Tasks(one)
    task = tasks.get("ann", "plan", "?", work)
    task.wait(LIMIT_S, for_anything=True)
    assert task.shown == "quick"
    assert task.bar.total == 2
    assert eventually(lambda: bool(task._live()) and task.place == 0)
    task.stop()
    task.wait(LIMIT_S)
    assert task.result() == "partial"
    again = tasks.get("ann", "plan", "?")
    assert again is task
    tasks.forget(task)
    assert tasks.get("ann", "plan", "?") is None
