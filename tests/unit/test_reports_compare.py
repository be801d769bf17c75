"""A comparison for people and for programs."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from app.records import comparison_record
from app.reports_compare import GROUPS, comparison_report, group_of
from app.versus import plan_words
from ecoserve.ablations import WaterfallStep
from ecoserve.comparison import Comparison, Wishes, compare_plans
from ecoserve.what_ifs import WhatIf
from tests.builders import given_fleet, tiny_catalog, tiny_scenario

FLEETS = [given_fleet("mine", own_4x_big=1), given_fleet("few", own_2x_small=1)]
SCENARIO, CATALOG = tiny_scenario(given=FLEETS), tiny_catalog()


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    wishes = Wishes(baselines=("cost", "given"), ablations=True, what_ifs=False)
    found = compare_plans(SCENARIO, CATALOG, "quick", wishes=wishes)
    ours = found.plans["ecoserve"]
    steps = [
        WaterfallStep(
            step=step,
            kgco2e_per_year=kg,
            usd_per_h=1.0,
            within_gap=within,
            worth_range_kgco2e_per_year=(0.0, 500.0),
        )
        for step, kg, within in (
            ("cost as sold", 8000.0, False),
            ("rightsize", 8000.0 - 1e-9, True),
            ("reuse", 7600.0, True),
        )
    ]
    worlds = (
        WhatIf(key="fp8", what="fp8 were accepted", plan=scaled(ours, 0.5), reason=""),
        WhatIf(key="region:moon", what="on the moon", plan=None, reason="no air there"),
    )
    return replace(found, waterfall=tuple(steps), what_ifs=worlds)


def scaled(plan, factor):
    parts = (
        replace(part, kgco2e_per_year=factor * part.kgco2e_per_year) for part in plan.carbon_parts
    )
    return replace(plan, carbon_parts=tuple(parts))


def shown(comparison: Comparison) -> str:
    console = Console(width=200, file=io.StringIO())
    for part in comparison_report(
        comparison, "tiny", lambda key: plan_words(key, SCENARIO, CATALOG, column=False)
    ):
        console.print(part)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("ecoserve", "this plan"),
        ("performance", "the fleet chosen for latency, as sold"),
        ("cost:same", "the fleet chosen for cost, same choices"),
        ("single:big", "only Big, as sold"),
        ("given:mine:same", "your fleet mine, same choices"),
        ("only:phases_apart", "only phases apart"),
        ("without:park", "all levers but park"),
        ("waterfall: park", "waterfall park"),
    ],
)
def test_people_read_words_where_programs_have_keys(key: str, words: str):
    assert plan_words(key, SCENARIO, CATALOG) == words


@pytest.mark.parametrize(
    ("key", "group"),
    [
        ("ecoserve", 0),
        ("splitwise:two", 1),
        ("single:l4", 1),
        ("splitwise:two:same", 2),
        ("given:mine:same", 3),
        ("only:reuse", 4),
        ("without:park", 5),
    ],
)
def test_every_plan_stands_in_its_group(key: str, group: int):
    assert group_of(key) == GROUPS[group]


def test_people_see_every_group_step_and_world(comparison: Comparison):
    text = shown(comparison)
    for group in GROUPS:
        assert group in text
    for key in comparison.plans:
        assert key in text
    cost = next(line for line in text.splitlines() if " cost " in line)
    assert cost.split("  ")[0].strip() == "chosen for cost"
    rightsize = next(line for line in text.splitlines() if line.strip().startswith("rightsize"))
    assert rightsize.split()[:3] == ["rightsize", "8,000", "0"]
    reuse = next(line for line in text.splitlines() if line.strip().startswith("reuse"))
    assert reuse.split() == ["reuse", "7,600", "−400", "1.00", "within", "the", "gap"]
    assert "−50.0 %" in next(line for line in text.splitlines() if "fp8 were accepted" in line)
    assert "no air there" in text
    assert "too small for this traffic: 1 x own_2x_small" in text


def test_a_fleet_names_what_is_trimmed_and_what_is_owned(comparison: Comparison):
    ours = comparison.plans["ecoserve"]
    lean = replace(ours.fleet[0], server="own_4x_big", variant="trimmed", count=1200)
    fleet = (lean, replace(lean, variant="full", count=2, owned=True))
    plans = {**comparison.plans, "ecoserve": replace(ours, fleet=fleet)}
    text = shown(replace(comparison, plans=plans))
    assert "1,200 x own_4x_big trimmed, 2 x own_4x_big owned" in text


def test_programs_get_the_same_under_stable_keys(comparison: Comparison):
    record = comparison_record(comparison, SCENARIO, CATALOG, seconds=1.5)
    assert record["plans"]["ecoserve"]["fleet"][0]["why"].startswith("Serves all of chat")
    assert record["waterfall"][2] == {
        "step": "reuse", "kgco2e_per_year": 7600.0, "usd_per_h": 1.0, "within_gap": True,
        "worth_kgco2e_per_year_range": (0.0, 500.0),
    }  # fmt: skip
    fp8, moon = record["what_ifs"]
    assert fp8["change"] == pytest.approx(-0.5)
    assert fp8["plan"]["kgco2e_per_year"]["total"] == pytest.approx(
        0.5 * record["plans"]["ecoserve"]["kgco2e_per_year"]["total"]
    )
    assert moon == {
        "key": "region:moon", "what_if": "on the moon", "change": None, "plan": None,
        "reason": "no air there",
    }  # fmt: skip
    assert {row["slice"] for row in record["blocked"]} == {"given:few", "given:few:same"}
