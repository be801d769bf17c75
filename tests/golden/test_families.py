"""Every family of rows, its sentence, its index sets and its first rows in a case with them all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ecoserve.constraints import FAMILIES
from ecoserve.formulation import FleetProblem
from ecoserve.structure import build_structure
from tests.builders import BIG_SERVER, offline, online, tiny_catalog, tiny_scenario

GOLDEN = Path(__file__).parent / "families.txt"
ROWS_SHOWN = 2


def problem_with_everything() -> FleetProblem:
    scenario = tiny_scenario(
        online(mix="two", profile="peaked"),
        offline(deadline_h=24),
        offline("soon", deadline_h=2),
        site={"max_it_power_kw": 100.0, "max_rack_units": 84.0},
        other_sites=[{"name": "far", "region": "sunny", "round_trip_s": 0.1}],
        hardware={
            "limits": [{"server": "own_4x_big", "max_count": 9, "min_count": 1}],
            "stock": [{"server": "own_2x_small", "count": 2, "age_years": 1.0}],
        },
        levers={"reduce": True, "park": True},
    )
    thin_wire = replace(BIG_SERVER, nic_gbps=1.0)  # so that KV transfer can be what limits
    return build_structure(scenario, tiny_catalog(thin_wire), {}).problem


def test_every_family_of_rows_is_as_it_was(update_golden: bool):
    problem = problem_with_everything()
    lines = []
    for family in FAMILIES:
        rows = problem.rendered(family.name.split(", "))
        assert rows, f"{family.name} has no row"
        assert family.sentence.endswith(".")
        lines += [f"{family.name}({family.indices}): {family.sentence}  [{len(rows)} rows]"]
        lines += [f"    {row}" for row in rows[:ROWS_SHOWN]]
    text = "\n".join(lines) + "\n"
    if update_golden:
        GOLDEN.write_text(text, encoding="utf-8")
    assert text.splitlines() == GOLDEN.read_text(encoding="utf-8").splitlines()


def test_every_row_belongs_to_a_family():
    known = {name for family in FAMILIES for name in family.name.split(", ")}
    rows = problem_with_everything().lp.constraints()
    assert {row.name.partition("(")[0] for row in rows} == known
