"""Four Rs: what each lever is worth here."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import streamlit as st

from app import figures_four_rs as figures
from app import inputs, state
from app.solving.tasks import Task
from app.text import mass_unit, number, percent, plain, sentence, sentence_list
from app.views import answer as draw
from app.views import assumptions, falling, lever_panels, on_demand, paper_panel, solve
from app.views.falling import Fall
from ecoserve.errors import EcoServeError, InfeasibleError, SolverError
from ecoserve.scenario import Scenario

SEEN_DIFFERENCE = 0.001
NOTHING = 1e-6  # of the first bar; smaller steps are none


@st.fragment
def page() -> None:
    """The waterfall by the quick answers, then by the better ones; the rest on demand."""
    inputs.header("Four Rs")
    scenario = state.scenario()
    task = solve.task("fall", scenario.fingerprint(), lambda d: falling.in_steps(scenario, d))
    assert task is not None, "or it was begun"
    try:
        found: Fall | None = task.best()
    except EcoServeError as error:
        failed(error, task)
    else:
        if found is None:
            on_demand.follow(task)
        else:
            show(found, scenario, task)
            lever_panels.ablations(scenario, found)
            lever_panels.reuse(scenario)
            lever_panels.reduce(found.ours, scenario)
            lever_panels.what_ifs(scenario, found.ours)
    paper_panel.show()


def show(found: Fall, scenario: Scenario, task: Task) -> None:
    """Finding, chart and table."""
    st.header(plain(sentence(figures.waterfall_title(found.steps))), anchor=False)
    st.markdown(plain(certainty(found)))
    with st.container():
        on_demand.better(task)
    beside = falling.recycle(found.ours, scenario)
    draw.show_chart(figures.waterfall(found.steps, beside), "waterfall")
    draw.show_table(step_rows(found), "", wide="Step", tall=12)
    st.caption(plain(conventions(found)))
    assumptions.beside(scenario)


def certainty(found: Fall) -> str:
    """Which levers are worth something for sure."""
    sure = [after.step for after in found.steps[1:] if not after.within_gap]
    if not sure:
        return "No single lever is proven to be worth something: the searches left more open."
    named = [figures.LEVER_WORDS.get(step, step) for step in sure]
    verb = "is" if len(named) == 1 else "are"
    return f"{sentence_list(named)} {verb} proven to be worth something here."


def conventions(found: Fall) -> str:
    """How to read the steps; and where the search step by step found less than the Plan page."""
    words = (
        "Each step keeps the levers before it and starts from the plan before it. Worth at least "
        "and at most: by the bounds proven for both plans. Order matters: a lever that comes late "
        "finds less left. Recycle is decided over years (Lifecycle page) and not part of the sum."
    )
    last, ours = found.steps[-1].kgco2e_per_year, found.ours.kgco2e_per_year
    if ours > 0 and last < ours * (1 - SEEN_DIFFERENCE) and same_goal():
        words += (
            f" Step by step {percent(1 - last / ours)} less was found than on the Plan page, "
            "which is within that plan's gap."
        )
    return words


def same_goal() -> bool:
    """Whether the plan wants what the waterfall does: the least carbon."""
    policy = state.scenario().policy
    return policy.objective == "carbon" and policy.carbon_price_usd_per_t is None


def step_rows(found: Fall) -> list[dict[str, Any]]:
    """One row per step."""
    first, *rest = found.steps
    unit = mass_unit(first.kgco2e_per_year)
    head = f"{unit.name}CO2e a year"
    start = {
        "Step": figures.LEVER_WORDS[first.step],
        head: number(unit.value(first.kgco2e_per_year)),
        "Less": "",
        "Share": "",
        "Worth at least": "",
        "Worth at most": "",
        "USD/h": number(first.usd_per_h),
        "More USD/h": "",
        "": "",
    }
    rows = [start]
    for before, after in pairwise([first, *rest]):
        less = before.kgco2e_per_year - after.kgco2e_per_year
        if abs(less) < NOTHING * first.kgco2e_per_year:
            less = 0.0  # of the arithmetic, not of the fleet
        low, high = after.worth_range_kgco2e_per_year
        rows.append(
            {
                "Step": figures.LEVER_WORDS.get(after.step, after.step),
                head: number(unit.value(after.kgco2e_per_year)),
                "Less": number(unit.value(less)),
                "Share": percent(less / first.kgco2e_per_year if first.kgco2e_per_year else 0.0),
                "Worth at least": number(unit.value(low)),
                "Worth at most": number(unit.value(high)),
                "USD/h": number(after.usd_per_h),
                "More USD/h": figures.signed_usd(after.usd_per_h - before.usd_per_h),
                "": figures.WITHIN if after.within_gap else "",
            }
        )
    return rows


def failed(error: EcoServeError, task: Task) -> None:
    """Says why there is no waterfall."""
    if isinstance(error, SolverError):
        on_demand.broken_off(task, error)
        return
    st.error(plain(sentence(state.readable(str(error)))))
    if isinstance(error, InfeasibleError):
        draw.show_table(draw.blocked_rows(error.blocked), "")
    st.caption("Without a plan there is no lever to judge; the Plan page says what is wrong.")


st.set_page_config(page_title="Four Rs | EcoServe planner")
page()
