"""What the headline and the line of the baseline say, on plans made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from app import answers
from app.answers import Answer
from app.text import NARROW_SPACE
from ecoserve.plan import CostPart, FleetEntry, Note, Plan, Status
from tests.builders import tiny_catalog, tiny_scenario
from tests.unit.test_figures import make_plan

CATALOG = tiny_catalog()
ONE_SITE = tiny_scenario()
TWO_SITES = tiny_scenario(other_sites=[{"name": "north", "region": "plain"}])
BASELINE = "the fleet chosen for cost, as sold"


def servers(count: int, site: str = "site", *, owned: bool = False) -> FleetEntry:
    return FleetEntry(
        site=site, server="own_4x_big", variant="full", count=count, owned=owned,
        on_by_hour=(count,) * 24,
    )  # fmt: skip


def plan(scale: float, usd_per_h: float, *fleet: FleetEntry, **changes: Any) -> Plan:
    bill = (CostPart(part="hosts", usd_per_h=usd_per_h),)
    return make_plan(scale, cost_parts=bill, fleet=fleet, **changes)


def answer(ours: Plan, other: Plan | None, scenario: Any = ONE_SITE) -> Answer:
    return Answer(
        scenario=scenario, baseline="cost", plan=ours, other=other, other_name=BASELINE,
        reason="too slow",
    )  # fmt: skip


def headline(*parts: Any, **more: Any) -> str:
    return answers.headline(answer(*parts, **more), CATALOG).replace(NARROW_SPACE, " ")


@pytest.mark.parametrize(
    ("usd_per_h", "words"),
    [
        (10.2, "as sold, at 2.0 % more USD/h."),
        (9.0, "as sold, at 10 % less USD/h."),
        (10.01, "as sold, at the same USD/h."),
        (25.0, "as sold, at 2.50 times the USD/h."),
    ],
)
def test_the_headline_carries_carbon_and_money(usd_per_h: float, words: str) -> None:
    said = headline(plan(0.8, usd_per_h, servers(2)), plan(1.0, 10.0, servers(3)))
    assert (
        said
        == f"Buy 2 servers with 4 x Big: 20.0 % less carbon than the fleet chosen for cost, {words}"
    )


def test_the_headline_names_no_price_where_no_baseline_can_serve() -> None:
    said = headline(plan(0.8, 9.0, servers(2)), None)
    assert said.endswith("cannot serve this traffic at all.")


def test_what_is_owned_is_used_and_not_bought() -> None:
    other = plan(1.0, 10.0, servers(3))
    both = headline(plan(0.8, 9.0, servers(1), servers(2, owned=True)), other)
    assert both.startswith("Buy 1 server with 4 x Big, use 2 servers with 4 x Big of your own: ")
    kept = headline(plan(0.8, 9.0, servers(2, owned=True)), other)
    assert kept.startswith("Use 2 servers with 4 x Big of your own: ")


def test_with_several_sites_the_baseline_says_where_it_stands() -> None:
    one = answer(plan(0.1, 9.0, servers(2, "north")), plan(1.0, 10.0, servers(2)), TWO_SITES)
    said = answers.headline(one, CATALOG).replace(NARROW_SPACE, " ")
    assert said.startswith("Buy 2 servers with 4 x Big at north: 90.0 % less carbon than ")
    assert f"{BASELINE} at site, " in said
    assert answers.baseline_line(one, CATALOG).startswith(
        "The fleet chosen for cost, as sold at site:"
    )


def test_the_line_of_the_baseline_holds_one_proof() -> None:
    open_note = Note("own_optimum_open", "this baseline's own optimum is proven only to 7.1%")
    gap = {"status": Status.FEASIBLE, "gap": 0.03}
    ours = plan(0.8, 9.0, servers(2))
    first = answers.baseline_line(
        answer(ours, plan(1.0, 10.0, servers(3), notes=(open_note,), **gap)), CATALOG
    )
    assert first.endswith("10.0 USD/h. This baseline's own optimum is proven only to 7.1%.")
    later = answers.baseline_line(answer(ours, plan(1.0, 10.0, servers(3), **gap)), CATALOG)
    assert later.replace(NARROW_SPACE, " ").endswith("10.0 USD/h; within 3.0 % of its best.")
