"""The user's own rows in the terminal: from an example folder to a plan's catalog."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.cli_options import OVERLAY_VARIABLE
from app.terminal import BAD_INPUT

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    runner = CliRunner(env={"ECOSERVE_CATALOG": str(tmp_path / "catalog.duckdb")})

    def invoke(*arguments: object, **environment: str) -> Result:
        result = runner.invoke(app, [str(argument) for argument in arguments], env=environment)
        assert "Traceback" not in result.output
        return result

    return invoke


@pytest.mark.parametrize("kind", ["server", "accelerator", "llm"])
def test_example_files_build_as_they_are(run: Run, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "mine"
    assert run("catalog", "new-overlay", folder, "--kind", kind).exit_code == 0
    built = run("catalog", "build", "--overlay", folder, "--json")
    record = json.loads(built.stdout)
    n_tables = {"server": 1, "accelerator": 3, "llm": 1}[kind]
    assert record["n_own_rows"] == n_tables + 1  # and their source
    assert Path(record["path"]).is_file()
    again = run("catalog", "new-overlay", folder)
    assert again.exit_code == BAD_INPUT
    assert "is not empty" in again.stderr


def test_own_rows_are_marked_in_listings(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "accelerators.csv").write_text("id,tdp_w\nl4,71\n", encoding="utf-8")
    where = ("--where", "vendor=NVIDIA", "--where", "tdp_w<=72", "--sort", "tdp_w", "--descending")
    listing = run("catalog", "list", "accelerators", *where, "--overlay", folder)
    heads, l4 = (next(x for x in listing.stdout.splitlines() if w in x) for w in (" id", " l4"))
    assert "yours" in heads
    assert "71" in l4
    assert l4.rstrip().endswith("yes")
    by_variable = run(
        "catalog", "show", "accelerators", "l4", "--json", **{OVERLAY_VARIABLE: str(folder)}
    )
    figures = {item["column"]: item for item in json.loads(by_variable.stdout)["figures"]}
    assert (figures["tdp_w"]["value"], figures["tdp_w"]["is_own"]) == (71.0, True)
    assert figures["idle_w"]["is_own"] is False
    assert "assumed, yours" in run("catalog", "show", "accelerators", "l4",
                                   "--overlay", folder).stdout  # fmt: skip
    without = run("catalog", "list", "accelerators", *where)
    assert "yours" not in without.stdout
    assert (
        json.loads(by_variable.stdout)["catalog_version"]
        != (json.loads(run("catalog", "list", "--json").stdout)["catalog_version"])
    )


def test_a_failed_build_names_every_problem(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    lines = "\n".join(f"aws_eu_west_1,{line}" for line in range(10, 90))
    (folder / "regions.csv").write_text(f"id,pue\n{lines}\n", encoding="utf-8")
    built = run("catalog", "build", "--overlay", folder)
    assert built.exit_code == BAD_INPUT
    told = built.stderr.splitlines()
    assert told[0].startswith("error: mine/regions.csv:3: column id: expected a key that no")
    assert 50 <= len(told) <= 70
    assert "more like these" in told[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("servers", "--where", "host"), "is no test; write for example vendor=NVIDIA"),
        (("servers", "--where", "hostid=x"), "servers has no column 'hostid'; nearest: host_id"),
        (("servers", "--where", "vcpus>=many"), "vcpus is a number, not 'many'"),
        (("servers", "--sort", "price"), "servers has no column 'price'"),
        (("--overlay", "absent"), "no folder absent"),
    ],
)
def test_mistakes_are_sentences(run: Run, arguments: tuple[str, ...], message: str) -> None:
    result = run("catalog", "list", *arguments)
    assert result.exit_code == BAD_INPUT
    assert message in result.stderr


def test_empty_cells_can_be_looked_for(run: Run) -> None:
    listed = run("catalog", "list", "accelerators", "--where", "fp8_tflops=", "--json")
    rows = json.loads(listed.stdout)["rows"]
    assert {row["fp8_tflops"] for row in rows} == {None}
