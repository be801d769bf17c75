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


TABLES = {
    "server": ("servers",),
    "accelerator": ("accelerators", "dies", "servers"),
    "host": ("hosts", "servers"),
    "cpu": ("cpus", "dies", "hosts", "servers"),
    "region": ("regions",),
    "llm": ("llms",),
    "measurements": ("measured_points",),
}


@pytest.mark.parametrize("kind", TABLES)
def test_example_files_build_as_they_are(run: Run, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "mine"
    assert run("catalog", "new-overlay", folder, "--kind", kind).exit_code == 0
    built = run("catalog", "build", "--overlay", folder, "--json")
    record = json.loads(built.stdout)
    assert {file.stem for file in folder.glob("*.csv")} == set(TABLES[kind])
    assert record["n_own_rows"] == len(TABLES[kind]) + 1  # and their source
    assert built.stderr == ""
    assert Path(record["path"]).is_file()
    again = run("catalog", "new-overlay", folder)
    assert again.exit_code == BAD_INPUT
    assert "is not empty" in again.stderr


def test_the_text_of_example_files_says_what_each_column_may_hold(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    run("catalog", "new-overlay", folder, "--kind", "cpu")
    text = (folder / "README.txt").read_text(encoding="utf-8")
    for line in (
        "cpus.csv: One socket of a host; its silicon is in dies",
        "  tdp_w: a number; W per socket; allowed: from 20 to 1000",
        "  memory_type: text; type of the DRAM modules it takes; allowed: one of ddr4, ddr5,"
        " lpddr5x",
        "  cpu_id: text; allowed: an id of cpus (ecoserve catalog list cpus)",
        "  sockets: a whole number; CPU sockets; allowed: from 1 to 8",
        "  Within a row: id is product_id/die; area_low_mm2, area_mm2 and area_high_mm2 in"
        " ascending order.",
    ):
        assert line in text.splitlines()
    assert "ecoserve catalog list TABLE" in text


def test_files_that_are_not_read_are_named_in_one_line(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    run("catalog", "new-overlay", folder)
    (folder / "prices.xlsx").write_bytes(b"PK")
    built = run("catalog", "build", "--overlay", folder)
    assert built.exit_code == 0
    [told] = built.stderr.splitlines()
    assert told.startswith("warning: not read in mine: prices.xlsx; ")


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


def test_parts_on_own_figures_are_marked_and_name_them(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    coefficient = "pcf/memory_kg_per_gb/hbm3"
    for table, text in (
        ("embodied_coefficients", f"id,value,high\n{coefficient},1.5,2\n"),
        ("dies", "id,area_mm2,area_low_mm2\nh100_sxm_80gb/gh100,813,810\n"),
        ("accelerators", "id,tdp_w\nh100_sxm_80gb,650\n"),
    ):
        (folder / f"{table}.csv").write_text(text, encoding="utf-8")
    shown = json.loads(run("embodied", "h100_sxm_80gb", "--overlay", folder, "--json").stdout)
    parts = {part["part"]: part for part in shown["parts"]}
    assert parts["memory"]["kgco2e"] == 120.0
    theirs = {name for name, part in parts.items() if part["source_id"] == "your_overlay"}
    assert theirs == {"memory", "dies", "cooling"}
    assert {name for name, part in parts.items() if part["is_own"]} == {
        *theirs, "assembly and transport",
    }  # fmt: skip
    assert all(parts[name]["quality"] == "assumed" for name in theirs)
    assert "546 kg" not in parts["memory"]["note"]
    assert f"Yours: value of {coefficient}" in parts["memory"]["note"]
    told = " ".join(run("embodied", "h100_sxm_80gb", "--overlay", folder).stdout.split())
    assert "assumed, yours" in told
    assert "Your own data, mine" in told
    ours = json.loads(run("embodied", "h100_sxm_80gb", "--json").stdout)
    assert not any(part["is_own"] for part in ours["parts"])
