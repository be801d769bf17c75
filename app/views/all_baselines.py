"""Every baseline in both columns beside the plan, as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from app import state
from app.exports import comparison_csv
from app.given import with_given_bytes
from app.solving.desk import Desk
from app.solving.questions import Found
from app.text import mass_unit, number, percent, plain, sentence
from app.versus import COLUMN_WORDS, baseline_words, split_key
from app.views import answer as draw
from app.views import on_demand
from ecoserve.errors import Problem, ScenarioError
from ecoserve.plan import Plan, Status
from ecoserve.scenario import Scenario

UPLOAD = "own-fleets"


def show(scenario: Scenario, plan: Plan) -> None:
    """The table, once it is asked for; a change of scenario asks anew."""
    st.markdown("### All baselines")
    own_fleets(scenario)
    why = "Plans what else people would buy: each as sold, and with every lever this plan has."
    if not on_demand.wanted("baselines", "Plan all baselines", why):
        return
    names = state.baselines()
    key = scenario.fingerprint()
    found = on_demand.planned("baselines", key, lambda desk: planned(scenario, names, desk))
    if found is None:
        return
    draw.show_table(rows(found, plan, scenario), "", wide="Baseline")
    st.caption(plain(findings(found, plan, scenario)))
    st.download_button(
        "Baselines as CSV",
        partial(comparison_csv, plan, {k: o.plan or o.reason for k, o in found.items()}, scenario),
        file_name=f"ecoserve-{key}-baselines.csv",
        mime="text/csv",
        on_click="ignore",
    )


def own_fleets(scenario: Scenario) -> None:
    """Where a visitor hands in fleets of their own, or takes them out again."""
    with st.popover("Your own fleets"):
        st.caption("A CSV file with the columns name, server, count; one row per kind of server.")
        st.file_uploader(
            "Fleets", type="csv", key=UPLOAD, on_change=_take_fleets, label_visibility="collapsed"
        )
        for fleet in scenario.given:
            servers = ", ".join(f"{row.count:,} x {row.server}" for row in fleet.servers)
            st.markdown(plain(f"{fleet.name}: {servers}"))
        if scenario.given:
            st.button("Take them out", on_click=state.edit, args=({"given": []},))


def _take_fleets() -> None:
    file = st.session_state[UPLOAD]
    if file is None:
        return
    try:
        state.replace(
            with_given_bytes(state.scenario(), file.getvalue(), file.name, state.catalog())
        )
    except ScenarioError as error:
        lines = (Problem("", f"{problem.field}: {problem.message}") for problem in error.problems)
        state.refuse(tuple(lines))


def planned(scenario: Scenario, names: Mapping[str, str], desk: Desk) -> dict[str, Found]:
    """Every baseline by key; each waits its turn like any other plan."""
    found = {}
    for done, (key, words) in enumerate(names.items()):
        desk.task.tell(done, len(names), words)
        found[key] = desk.baseline_plan(scenario, key, "interactive")
    return found


def rows(found: Mapping[str, Found], plan: Plan, scenario: Scenario) -> list[dict[str, Any]]:
    """Ours first, then a row per baseline and column; who cannot serve says why."""
    plans = [plan, *(other.plan for other in found.values() if other.plan is not None)]
    unit = mass_unit(max(p.kgco2e_per_year for p in plans))
    carbon = f"{unit.name}CO2e a year"

    def row(name: str, column: str, other: Plan) -> dict[str, Any]:
        return {
            "Baseline": name,
            "Column": column,
            carbon: number(unit.value(other.kgco2e_per_year)),
            "We save": "" if other is plan else percent(saving(plan, other)),
            "USD/h": number(other.usd_per_h),
            "Fleet": draw.fleet_list(other),
            "Answer": sureness(other),
        }

    table = [row("This plan", "", plan)]
    for key, other in found.items():
        name, column = split_key(key)
        words = other.name.rpartition(", ")[0] or baseline_words(name, scenario, state.catalog())
        name_words = f"{words[:1].upper()}{words[1:]}"
        if other.plan is not None:
            table.append(row(name_words, COLUMN_WORDS[column], other.plan))
            continue
        empty = dict.fromkeys(table[0], "")
        why = f"cannot serve: {state.readable(other.reason)}"
        named = {"Baseline": name_words, "Column": COLUMN_WORDS[column]}
        table.append(empty | named | {"Fleet": why, "Answer": "no fleet"})
    return table


def saving(plan: Plan, other: Plan) -> float:
    """Share of the other's carbon that this plan does without."""
    return 1.0 - plan.kgco2e_per_year / other.kgco2e_per_year if other.kgco2e_per_year else 0.0


def sureness(plan: Plan) -> str:
    """How far the answer may be from the best of its kind."""
    if plan.status is Status.OPTIMAL:
        return "proven"
    return f"within {percent(plan.gap, 2)}" if math.isfinite(plan.gap) else "no bound"


def findings(found: Mapping[str, Found], plan: Plan, scenario: Scenario) -> str:
    """The range of savings in each column."""
    words = []
    for column, name in COLUMN_WORDS.items():
        plans = [o.plan for key, o in found.items() if split_key(key)[1] == column]
        ratios = [saving(plan, other) for other in plans if other is not None]
        if ratios:
            span = f"{percent(min(ratios))} to {percent(max(ratios))}"
            words.append(f"{span} less carbon than the baselines {name}")
    return sentence("; ".join(words) or "no baseline can serve this traffic")
