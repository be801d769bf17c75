"""Schedule: when the fleet works, and what waits for a cleaner hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import answers, inputs, state
from app import figures_schedule as figures
from app.safe_csv import safe_csv
from app.solving.desk import Desk
from app.solving.tasks import Task
from app.text import number, plain, sentence
from app.views import answer as draw
from app.views import on_demand, solve
from ecoserve.errors import EcoServeError, InfeasibleError, SolverError
from ecoserve.plan import FleetEntry, Plan, SiteDay
from ecoserve.scenario import Scenario, canonical_json
from ecoserve.schedule import OfflineDay, offline_days

ALL = "All sites"
SPLITS = {"workload": "Workload", "side": "Accelerators and hosts"}
METERS = {"it": "IT", "facility": "Facility"}
CAVEAT = (
    "A mean day as planned: bursts within an hour, and days that differ, are capacity held ready "
    "and not drawn here. What moving work saves counts the electricity of that work above idle, "
    "at the site that serves it; what the whole lever is worth stands on the Four Rs page. This "
    "is the plan's promise: it has not been replayed request by request."
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page draws: one site's day, or that of all together."""

    days: Sequence[SiteDay]
    gco2e_per_kwh: Sequence[float]
    fleet: Sequence[FleetEntry]


@st.fragment
def page() -> None:
    """The finding, the power of the day below the grid's hours, work moved, servers, a table."""
    inputs.header("Schedule")
    scenario = state.scenario()
    task = solve.task("schedule", canonical_json(scenario), lambda desk: _in_steps(desk, scenario))
    assert task is not None, "or it was begun"
    try:
        plan: Plan | None = task.best()
    except EcoServeError as error:
        _failed(error, task)
        return
    if plan is None:
        on_demand.follow(task, "Planning")
        return
    _show(plan, task)


def _in_steps(desk: Desk, scenario: Scenario) -> Plan:
    """The quick plan, shown at once; then the one of the Plan page."""
    desk.task.show(desk.our_plan(scenario, "quick"))
    return desk.our_plan(scenario, "interactive")


def _failed(error: EcoServeError, task: Task) -> None:
    if isinstance(error, SolverError):
        on_demand.broken_off(task, error)
        return
    st.error(plain(sentence(state.readable(str(error)))))
    if isinstance(error, InfeasibleError):
        draw.show_table(draw.blocked_rows(error.blocked), "")
    st.caption("There is no fleet to schedule; the Plan page says what stands in its way.")


def _show(plan: Plan, task: Task) -> None:
    works = offline_days(plan.site_days)
    st.header(plain(sentence(figures.finding(works, plan.site_days))), anchor=False)
    st.markdown(plain(f"{answers.status_words(plan)}."))
    with st.container():
        on_demand.better(task)
    site, split, meter = _choices(plan)
    shown = _of_site(plan, site)
    here = offline_days(shown.days)
    power = figures.power_by_hour(
        shown.days,
        shown.gco2e_per_kwh,
        figures.power_title(shown.days, shown.gco2e_per_kwh, at_meter=meter == "facility"),
        "side" if split == "side" else "workload",
        at_meter=meter == "facility",
    )
    draw.show_chart(power, "power")
    if here:
        draw.show_chart(figures.moved_work(here), "moved")
    if shown.fleet:
        draw.show_chart(figures.servers_by_hour(shown.fleet), "servers")
    st.markdown("### By hour")
    _table(shown, meter == "facility")
    _work_table(here)
    st.caption(CAVEAT)


def _choices(plan: Plan) -> tuple[str, str, str]:
    """Which site, stacked by what, measured where."""
    names = [day.site for day in plan.site_days]
    site = ALL
    with st.container(horizontal=True):
        if len(names) > 1:
            site = _segments("Site", {name: name for name in (ALL, *names)}, "schedule:site")
        split = _segments("Stacked by", SPLITS, "schedule:split")
        meter = _segments(
            "Power",
            METERS,
            "schedule:meter",
            "IT: at the plugs of the servers. Facility: with cooling and losses, IT times PUE.",
        )
    return site, split, meter


def _segments(label: str, names: dict[str, str], key: str, why: str | None = None) -> str:
    """One of a few ways to look at it; no part of the scenario."""
    first = next(iter(names))
    if st.session_state.get(key) not in names:
        st.session_state.pop(key, None)
    chosen = st.segmented_control(
        label, list(names), default=first, required=True, key=key, help=why,
        format_func=lambda name: plain(names[name]), persist_state="session",
    )  # fmt: skip
    return chosen or first


def _of_site(plan: Plan, site: str) -> Shown:
    days = [day for day in plan.site_days if site in (ALL, day.site)]
    fleet = [entry for entry in plan.fleet if site in (ALL, entry.site)]
    series = plan.hourly if site == ALL else days[0].hourly
    return Shown(days, series.gco2e_per_kwh, fleet)


def _table(shown: Shown, at_meter: bool) -> None:
    """A row per hour: the grid, every layer of the power, servers on and parked."""
    layers = figures.layers(shown.days, "workload", at_meter=at_meter)
    on, there = figures.on_by_hour(shown.fleet), sum(entry.count for entry in shown.fleet)
    what = "Facility" if at_meter else "IT"
    rows: list[dict[str, Any]] = [
        {
            "Hour": f"{hour:02d}:00",
            "gCO2e/kWh": shown.gco2e_per_kwh[hour],
            f"{what}, kW": float(sum(layer.kw[hour] for layer in layers)),
            **{f"{layer.name}, kW": float(layer.kw[hour]) for layer in layers},
            "Servers on": on[hour],
            "Parked": there - on[hour],
        }
        for hour in figures.HOURS
    ]
    draw.show_table([_read(row) for row in rows], "", tall=24)
    st.download_button(
        "Download as CSV",
        safe_csv(rows),
        file_name=f"ecoserve-schedule-{state.scenario().fingerprint()}.csv",
        mime="text/csv",
        on_click="ignore",
    )


def _read(row: dict[str, Any]) -> dict[str, Any]:
    """As people read it: three significant digits."""
    return {key: number(v) if isinstance(v, float) else v for key, v in row.items()}


def _work_table(works: Sequence[OfflineDay]) -> None:
    """A row per offline workload: when, how much of it is moved, what that saves."""
    deadlines = {work.name: work.deadline_h for work in state.scenario().workloads}
    rows = [figures.work_row(work, deadlines[work.workload]) for work in works]
    if rows:
        st.markdown("### Work that can wait")
    draw.show_table(rows, "", wide="Workload")


st.set_page_config(page_title="Schedule | EcoServe planner")
page()
