"""The terminal's paper-claims: one cell of the paper's scene on the real catalog."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from app.cli import app

Run = Callable[..., Result]
CELL = ("--effort", "quick", "--region", "paper_261", "--coefficients", "paper")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    runner = CliRunner(env={"ECOSERVE_CATALOG": str(path)})

    def invoke(*arguments: str) -> Result:
        result = runner.invoke(app, ["paper-claims", *arguments])
        assert "Traceback" not in result.output
        return result

    return invoke


def test_programs_get_published_and_own_figures_side_by_side(run: Run):
    result = run(*CELL, "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert {"engine_version", "catalog_version", "scenario_fingerprint", "notes"} <= set(record)
    assert [row["high"] for row in record["published"]] == [0.47, 2.2, 0.16]
    (cell,) = record["results"]
    assert (cell["gco2e_per_kwh"], cell["coefficients"]) == (261.0, "paper")
    assert {"performance", "energy:same", "cost"} <= set(cell["savings"])
    for key, saving in cell["savings"].items():
        assert abs(cell["ratios"][key] * (1 - saving) - 1) < 1e-9
    assert [lever["step"] for lever in cell["levers"]][:2] == ["rightsize", "phases apart"]


def test_a_scene_that_there_is_not_is_refused_before_planning(run: Run):
    result = run("--region", "aws_eu_central_1")
    assert result.exit_code == 2
    assert "paper_17, paper_261, paper_501" in result.stderr


def test_a_set_that_there_is_not_is_named(run: Run):
    result = run("--region", "paper_17", "--coefficients", "nonsense")
    assert result.exit_code == 2
    assert "nonsense" in result.stderr
