"""`ecoserve lifecycle` as people and programs use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import app

BAD_INPUT, INFEASIBLE = 2, 3
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    runner = CliRunner(env={"ECOSERVE_CATALOG": str(path), "COLUMNS": "160"})

    def invoke(*arguments: object) -> Result:
        result = runner.invoke(app, ["lifecycle", *(str(argument) for argument in arguments)])
        assert "Traceback" not in result.output
        return result

    return invoke


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scenario = {
        "name": "small",
        "workloads": [
            {
                "name": "chat",
                "llm": "llama_3_1_8b",
                "mix": "azure_2023_conversation",
                "rate_rps": 4.0,
                "slo": {"ttft_s": 2.0, "tpot_s": 0.1},
            }
        ],
        "site": {"region": "aws_us_west_1", "intensity": "annual"},
        "hardware": {"accelerators": ["h100_sxm_80gb"]},
    }
    path = tmp_path_factory.mktemp("scenario") / "small.json"
    path.write_text(json.dumps(scenario), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def record(run: Run, small: Path) -> dict[str, Any]:
    result = run(small, "--effort", "quick", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_json_has_a_decade_of_purchases_and_every_policy(record: dict[str, Any]):
    assert record["recycle"]["horizon_years"] == 10
    assert len(record["cohorts"]["by_year"]) == 10
    assert len(record["policies"]) == 77
    assert record["cohorts"]["status"] in {"optimal", "feasible"}
    assert record["cohorts"]["kgco2e_per_year"] >= record["cohorts"]["bound_kgco2e_per_year"] - 1e-6
    assert "charged whole" in record["convention"]
    assert set(record["published"]["savings"]) == {"best_joint", "joint_3", "joint_4", "joint_5"}


def test_year_one_is_the_plan_as_bought(record: dict[str, Any]):
    first = record["cohorts"]["by_year"][0]
    assert first["accelerators_bought"] >= record["fleet"]["servers"]
    electricity = (
        record["fleet"]["accelerator_kgco2e_per_year"] + record["fleet"]["host_kgco2e_per_year"]
    )
    assert first["operational"] == pytest.approx(electricity)


def test_trends_of_ones_own_take_the_place_of_the_catalogs(run: Run, small: Path):
    options = ("--efficiency-gain", 0, "--throughput-gain", 0, "--embodied-decline", 0)
    still = (*options, "--host-gain", 0, "--grid-decline", 0, "--growth", 0)
    result = run(small, "--effort", "quick", "--horizon-years", 4, *still, "--json")
    record = json.loads(result.stdout)
    assert record["assumptions"]["grid_decline"] == 0
    best = record["best_split"]
    assert (best["accelerator_years"], best["host_years"]) == (8, 12)
    totals = [year["total"] for year in best["by_year"]]
    assert totals == pytest.approx([totals[0]] * 4)


def test_report_says_what_recycle_saves_and_by_which_convention(run: Run, small: Path):
    result = run(small, "--effort", "quick")
    assert result.exit_code == 0
    words = " ".join(result.stdout.split())
    assert "Recycle saves" in words
    assert "over 10 years" in words
    assert "Published: accelerators every 3 and hosts every 10 years" in words
    assert "Purchases in whole servers" in words
    assert "Embodied carbon: parts still at work when the horizon ends" in words
    assert result.stderr == ""


def test_longest_lives_bound_the_purchases(run: Run, small: Path):
    options = ("--accelerator-years", 5, "--host-years", 5, "--horizon-years", 6)
    record = json.loads(run(small, "--effort", "quick", *options, "--json").stdout)
    assert record["cohorts"]["longest_host_years"] == 5
    lives = [cohort["retired"] - cohort["bought"] for cohort in record["cohorts"]["cohorts"]]
    assert max(lives) <= 5


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--horizon-years", 0), "horizon_years: must be from 1 to 20 years, not 0"),
        (("--grid-decline", 2), "grid_decline: must be from -0.5 to 0.9, not 2"),
        (("--growth", "much"), "is not a finite number"),
        (("--host-years", 0), "longest_host_years: must be from 1 to 20 years"),
    ],
)
def test_bad_input_is_told(run: Run, small: Path, options: tuple[object, ...], expected: str):
    result = run(small, *options)
    assert result.exit_code == BAD_INPUT
    assert expected in result.stderr
    assert result.stdout == ""


def test_traffic_that_nobody_can_serve_is_infeasible(run: Run, small: Path, tmp_path: Path):
    scenario = json.loads(small.read_text("utf-8"))
    scenario["workloads"][0]["slo"] = {"ttft_s": 0.001, "tpot_s": 0.0001}
    path = tmp_path / "never.json"
    path.write_text(json.dumps(scenario), encoding="utf-8")
    result = run(path, "--json")
    assert result.exit_code == INFEASIBLE
    assert json.loads(result.stdout)["status"] == "infeasible"
