"""The parts of the Four Rs page below the waterfall: levers alone and missing, Reuse, Reduce."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any

import streamlit as st

from app import figures_four_rs as figures
from app import state
from app.profiles import short_name
from app.solving.desk import Desk
from app.text import capacity, mass_unit, number, percent, plain, sentence
from app.views import answer as draw
from app.views import falling, on_demand
from app.views.falling import Fall
from ecoserve.analysis.reduce import reduce_split
from ecoserve.analysis.reuse import ReuseBreakEven, ReuseEntry, reuse_break_even, reuse_entry
from ecoserve.errors import EcoServeError
from ecoserve.operational import hourly_intensity
from ecoserve.plan import Plan
from ecoserve.scenario import Scenario
from ecoserve.what_ifs import WhatIf


@st.fragment
def ablations(scenario: Scenario, found: Fall) -> None:
    """Each lever alone, and all but each."""
    st.markdown("### Each lever alone, and all but each")
    why = "Plans the fleet with one lever only, and with all but one: about ten more plans."
    if not on_demand.wanted("ablations", "Plan the ablations", why):
        return
    key = scenario.fingerprint(), found.cost.fleet, tuple(found.plans)
    worths = _planned("ablations", key, lambda d: falling.lever_worths(scenario, found, d))
    if worths is None:
        return
    draw.show_chart(figures.lever_worths(worths), "ablations")
    st.caption(
        "Alone: against the least carbon as sold; Rightsize alone against the cheapest fleet as "
        "sold. Without Rightsize: only the accelerator on which the cheapest fleet spends most."
    )


@st.fragment
def reuse(scenario: Scenario) -> None:
    """What a CPU socket does, beside the best accelerator, and below which intensity it pays."""
    st.markdown("### Reuse: host CPUs beside accelerators")
    rows = reuse_break_even(scenario, state.catalog())
    if not rows:
        st.caption(
            "There is no offline work that the CPUs of an allowed server could run, so Reuse has "
            "nothing to offer here."
        )
        return
    st.markdown(plain(reuse_finding(rows, scenario)))
    draw.show_table([reuse_row(row) for row in rows], "", tall=10)
    why = "Plans the fleet on ever cleaner grids until host CPUs come into the plan."
    if not on_demand.wanted("reuse", "Find where Reuse enters", why):
        return
    entry = _planned("reuse", scenario.fingerprint(), lambda desk: _entry(scenario, desk))
    if entry is None:
        return
    st.markdown(plain(sentence(entry.sentence)))


def _entry(scenario: Scenario, desk: Desk) -> ReuseEntry:
    def tell(done: int, total: int, label: str) -> None:
        """Nobody knows yet how many there will be."""

    return reuse_entry(scenario, desk.catalog, "quick", run=desk.in_turns, on_progress=tell)


def _planned(what: str, key: Hashable, work: Callable[[Desk], Any]) -> Any | None:
    """As :func:`on_demand.planned`; where there is no such plan, that is told here."""
    try:
        return on_demand.planned(what, key, work)
    except EcoServeError as error:
        st.error(plain(sentence(state.readable(str(error)))))
        return None


def reuse_finding(rows: tuple[ReuseBreakEven, ...], scenario: Scenario) -> str:
    """The best break-even beside the grid of this site; it promises nothing."""
    best = rows[0]
    here = float(hourly_intensity(scenario.site, state.catalog()).mean())
    energy = (
        f"a CPU takes {number(best.j_per_token)} J a token where "
        f"{_accelerator(best)} takes {number(best.accelerator_j_per_token)}"
    )
    if math.isinf(best.break_even_g_per_kwh):
        return f"It could pay on any grid where it saves whole servers: {energy}."
    verdict = "above" if here > best.break_even_g_per_kwh else "below"
    return (
        f"It can pay below {number(best.break_even_g_per_kwh)} gCO2e/kWh at most, and this site, "
        f"at {number(here)} on average, is {verdict} that: {energy}."
    )


def reuse_row(row: ReuseBreakEven) -> dict[str, Any]:
    """Throughput, energy and break-even of one kind of server."""
    limit = row.break_even_g_per_kwh
    return {
        "Server": draw.server_name(row.server),
        "Workload": row.workload,
        "Sockets": number(row.sockets),
        "Tokens/s a socket": number(row.tokens_per_s),
        "J/token, CPU": number(row.j_per_token),
        "J/token, accelerator": number(row.accelerator_j_per_token),
        "Accelerator": _accelerator(row),
        "Pays below, gCO2e/kWh": "any grid" if math.isinf(limit) else number(limit),
        "Requests that fit": percent(row.served_share),
    }


def _accelerator(row: ReuseBreakEven) -> str:
    if not row.accelerator:
        return "none"
    return short_name(state.catalog().accelerator(row.accelerator))


def reduce(plan: Plan, scenario: Scenario) -> None:
    """What trimmed hosts leave out, in watts and in making."""
    st.markdown("### Reduce: electricity and making")
    catalog = state.catalog()
    splits = [s for s in reduce_split(plan, scenario, catalog) if s.kgco2e_per_year > 0]
    if not splits:
        st.caption(
            "No bought server of this plan has DRAM or SSD that a variant would leave out: rented "
            "servers are sold as they are, and soldered memory stays."
        )
        return
    names = {split.server: draw.server_name(split.server) for split in splits}
    draw.show_chart(figures.reduce_halves(splits, names), "reduce")
    unit = mass_unit(max(split.kgco2e_per_year for split in splits))
    draw.show_table(
        [
            {
                "Servers": split.count,
                "Kind": names[split.server],
                "Variant": split.variant,
                "DRAM left out, each": capacity(split.dram_gb),
                "SSD left out, each": capacity(split.ssd_gb),
                "W less, each": number(split.wall_w),
                f"Electricity, {unit.name}CO2e a year": number(
                    unit.value(split.operational_kgco2e_per_year)
                ),
                f"Making, {unit.name}CO2e a year": number(
                    unit.value(split.embodied_kgco2e_per_year)
                ),
                "USD/h less": number(split.usd_per_h),
            }
            for split in splits
        ],
        "",
    )


@st.fragment
def what_ifs(scenario: Scenario, plan: Plan) -> None:
    """The plan in worlds with one thing changed."""
    st.markdown("### What if")
    why = "Plans with fp8 weights accepted or refused, and with this site on other grids."
    if not on_demand.wanted("what-ifs", "Plan the what-ifs", why):
        return
    key = scenario.fingerprint()
    worlds = _planned("what-ifs", key, lambda desk: falling.what_ifs(scenario, desk))
    if worlds is None:
        return
    ours = plan.kgco2e_per_year
    changes = {
        world.what: world.plan.kgco2e_per_year / ours - 1.0 if world.plan and ours else None
        for world in worlds
    }
    draw.show_chart(figures.what_ifs(changes), "what-ifs")
    draw.show_table([what_if_row(world, plan) for world in worlds], "")


def what_if_row(world: WhatIf, plan: Plan) -> dict[str, Any]:
    """One changed world."""
    unit = mass_unit(plan.kgco2e_per_year)
    row = {"What if": world.what, f"{unit.name}CO2e a year": "", "USD/h": "", "Fleet": ""}
    if world.plan is None:
        return row | {"Fleet": f"cannot be served: {state.readable(world.reason)}"}
    total = number(unit.value(world.plan.kgco2e_per_year))
    figures_of = {f"{unit.name}CO2e a year": total, "USD/h": number(world.plan.usd_per_h)}
    return row | figures_of | {"Fleet": draw.fleet_list(world.plan)}
