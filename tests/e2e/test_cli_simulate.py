"""`ecoserve simulate`: drawn traffic and a log of the user's own, end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.presets import load_presets
from catalog_db.reader import ensure_catalog

Run = Callable[..., Result]
SOURCE = ("small-assistant", "--effort", "quick")
ROWS = [f"{4 * i},{100 + i % 50},{50 + i % 20}" for i in range(100)]
HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens"
KEYS = {
    "workloads", "facility_energy_kwh", "kgco2e", "deadline_misses", "planned", "seconds",
    "simulated_seconds", "engine_version", "catalog_version", "scenario_fingerprint", "notes",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    store = ensure_catalog(tmp_path_factory.mktemp("catalog") / "catalog.duckdb")
    runner = CliRunner(env={"ECOSERVE_CATALOG": str(store)})

    def invoke(*arguments: object) -> Result:
        result = runner.invoke(app, ["simulate", *(str(argument) for argument in arguments)])
        assert "Traceback" not in result.output
        return result

    return invoke


def log_file(folder: Path, *rows: str) -> Path:
    file = folder / "log.csv"
    file.write_text("\n".join((HEAD, *rows)) + "\n", encoding="utf-8")
    return file


def test_json_has_the_keys_that_programs_rely_on(run: Run):
    result = run(*SOURCE, "--hours", "0.1", "--seed", "3", "--json")
    assert result.exit_code == 0
    record = json.loads(result.stdout)
    assert record.keys() >= KEYS
    (chat,) = record["workloads"]
    assert chat["served"] == chat["requests"] > 0
    assert chat["attainment"] >= chat["percentile"]
    assert chat["ttft_s"].keys() >= {"p50", "p90", "p99"} <= chat["tpot_s"].keys()
    assert record["planned"].keys() >= {"facility_energy_kwh", "kgco2e"}
    assert record["simulated_seconds"] == pytest.approx(360.0)
    again = json.loads(run(*SOURCE, "--hours", "0.1", "--seed", "3", "--json").stdout)
    del record["seconds"], again["seconds"]
    assert record == again


def test_a_log_is_replayed_and_its_bad_rows_are_counted(run: Run, tmp_path: Path):
    broken = ("5,-3,10", "nan,10,10", "6,0,10", "7,10,0", "8,99999999999,1", "1,100,50")
    result = run(*SOURCE, "--trace", log_file(tmp_path, *ROWS, *broken))
    assert result.exit_code == 0
    assert "101 of 106 rows are requests" in result.stdout
    assert "the input length is below zero" in result.stdout
    assert "longer than" in result.stdout
    assert "the plan holds" in result.stdout


def test_columns_of_any_name_can_be_named(run: Run, tmp_path: Path):
    file = tmp_path / "own.csv"
    file.write_text("when,asked,answered\n" + "\n".join(ROWS) + "\n", encoding="utf-8")
    result = run(*SOURCE, "--trace", file)
    assert (result.exit_code, "--input-column" in result.stderr) == (2, True)
    named = ("--time-column", "when", "--input-column", "asked", "--output-column", "answered")
    result = run(*SOURCE, "--trace", file, *named, "--json")
    assert json.loads(result.stdout)["workloads"][0]["served"] == 100


def test_the_longest_request_is_counted_and_not_served(run: Run, tmp_path: Path):
    log = log_file(tmp_path, *ROWS, "500,9000000,10")
    record = json.loads(run(*SOURCE, "--trace", log, "--json").stdout)
    (chat,) = record["workloads"]
    assert (chat["requests"], chat["served"], chat["too_long"]) == (101, 100, 1)


def test_a_log_can_be_brought_to_the_planned_peak(run: Run, tmp_path: Path):
    log = log_file(tmp_path, *ROWS)
    record = json.loads(run(*SOURCE, "--trace", log, "--scale", "peak", "--json").stdout)
    (chat,) = record["workloads"]
    assert chat["requests"] / record["simulated_seconds"] == pytest.approx(3.2, rel=0.3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--trace", "nowhere.csv"), "cannot be read"),
        (("--speed", "2"), "add --trace FILE"),
        (("--hours", "0"), "not above zero"),
        (("--forecast-error", "7"), "from 0 to 1"),
        (("--routing", "magic"), "is not one of"),
    ],
)
def test_mistakes_are_told_in_a_sentence(run: Run, arguments: tuple[str, ...], words: str):
    result = run(*SOURCE, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_log_for_a_workload_that_is_not_there(run: Run, tmp_path: Path):
    result = run(*SOURCE, "--trace", log_file(tmp_path, *ROWS), "--workload", "x")
    assert (result.exit_code, "there are: assistant" in result.stderr) == (2, True)


def test_what_cannot_be_planned_cannot_be_replayed(run: Run, tmp_path: Path):
    data = load_presets()["small-assistant"].model_dump(mode="json")
    data["workloads"][0]["slo"]["ttft_s"] = 0.01
    file = tmp_path / "hasty.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    result = run(file, "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["status"] == "infeasible"


def test_fixing_says_what_it_took(run: Run):
    record = json.loads(run(*SOURCE, "--hours", "0.05", "--fix", "--json").stdout)
    assert record["fix"]["rounds"][0]["meets_slos"]
    assert record["fix"]["cost_kgco2e_per_year"] == 0.0
