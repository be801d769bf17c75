"""`ecoserve trace import`: a request log of the user's own, end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from catalog_db.overlay import Overlay
from catalog_db.reader import ensure_catalog, load_catalog
from ecoserve import __version__

Run = Callable[..., Result]
LOG = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(
    f"2024-05-13 {h:02d}:{m:02d}:00,{100 + m},{10 + h}\n" for h in range(24) for m in (0, 30, 59)
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    store = ensure_catalog(tmp_path_factory.mktemp("catalog") / "catalog.duckdb")
    runner = CliRunner(env={"ECOSERVE_CATALOG": str(store)})

    def invoke(*arguments: object) -> Result:
        result = runner.invoke(app, [str(argument) for argument in arguments])
        assert "Traceback" not in result.output
        return result

    return invoke


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "My chat.csv"
    file.write_text(LOG + "2024-05-14 01:00:00,0,5\nnever,1,1\n", encoding="utf-8")
    return file


def test_a_log_becomes_an_overlay_with_its_means(run: Run, log: Path, tmp_path: Path):
    out = tmp_path / "own"
    result = run("trace", "import", log, "--out", out, "--utc-offset", 2)
    assert result.exit_code == 0
    assert "72 of 74 rows" in result.stdout
    assert "the input has no tokens" in result.stdout
    assert "never, 1, 1" in result.stdout
    assert "--overlay" in result.stdout
    overlay = Overlay.from_folder(out)
    catalog = load_catalog(ensure_catalog(tmp_path / "catalog.duckdb", overlay=overlay))
    mix = catalog.length_mix("log_my_chat")
    assert mix.mean_isl_tokens == pytest.approx(100 + 89 / 3)
    assert mix.mean_osl_tokens == pytest.approx(10 + 11.5)
    assert catalog.rate_profile("log_my_chat").utc_offset_h == 2
    again = run("trace", "import", log, "--out", out)
    assert (again.exit_code, "already has" in again.stderr) == (2, True)


def test_json_has_what_was_found_and_nothing_is_written(run: Run, log: Path, tmp_path: Path):
    result = run("trace", "import", log, "--name", "Chat of May", "--json")
    record = json.loads(result.stdout)
    assert record["engine_version"] == __version__
    assert {"catalog_version", "scenario_fingerprint", "notes"} < record.keys()
    assert (record["n_rows"], record["n_requests"], record["files"]) == (74, 72, [])
    assert {bad["reason"]: bad["rows"] for bad in record["bad_rows"]} == {
        "time": 1,
        "input_zero": 1,
    }
    assert record["bad_rows"][0]["examples"] == [{"row": 74, "text": "2024-05-14 01:00:00, 0, 5"}]
    assert record["mean_isl_tokens"] == pytest.approx(100 + 89 / 3)
    duration_s = 23 * 3600 + 59 * 60
    assert record["duration_s"] == duration_s
    assert record["mean_rate_rps"] == pytest.approx(72 / duration_s)
    assert len(record["hourly_ratio"]) == 24
    assert record["mix_id"] == record["profile_id"] == "log_chat_of_may"
    assert list(tmp_path.iterdir()) == [log]


def test_a_short_log_keeps_the_profile_and_says_so(run: Run, tmp_path: Path):
    file = tmp_path / "short.csv"
    file.write_text("t_s,isl,osl\n0,5,6\n60,7,8\n30,7,8\n", encoding="utf-8")
    result = run("trace", "import", file)
    assert result.exit_code == 0
    assert "too short for the shape of a day" in result.stdout
    assert "1 row is earlier than one before" in result.stderr
    record = json.loads(run("trace", "import", file, "--json").stdout)
    assert (record["hourly_ratio"], record["profile_id"]) == (None, None)
    assert record["n_out_of_order"] == 1


def test_columns_are_given_by_name(run: Run, tmp_path: Path):
    file = tmp_path / "odd.csv"
    file.write_text("when,in,out\n0,5,6\n1000,7,8\n", encoding="utf-8")
    refused = run("trace", "import", file)
    assert refused.exit_code == 2
    assert "when, in, out; use --time-column, --input-column" in refused.stderr
    options = ("--time-column", "when", "--input-column", "in", "--output-column", "out")
    taken = json.loads(run("trace", "import", file, *options, "--time-unit", "ms", "--json").stdout)
    assert (taken["duration_s"], taken["mean_isl_tokens"]) == (1, 6)


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"a;b\n1;2\n"])
def test_what_is_no_log_is_bad_input_in_one_sentence(run: Run, tmp_path: Path, content: bytes):
    file = tmp_path / "x.csv"
    file.write_bytes(content)
    result = run("trace", "import", file)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert run("trace", "import", tmp_path / "none.csv").exit_code == 2
