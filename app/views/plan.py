"""Plan: what to buy, what that saves, and why."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import answers, figures, inputs, state
from app.solving.tasks import Task
from app.state import Answer
from app.text import plain, sentence
from app.views import all_baselines, assumptions, downloads, fleet, on_demand, solve
from app.views import answer as draw
from ecoserve.errors import BlockedSlice, EcoServeError, InfeasibleError, SolverError
from ecoserve.operational import hourly_intensity, site_pue

# Widths of controls, which wrap where the page is narrower than all of them.
MEAN_PX, PUE_PX, OBJECTIVE_PX, VERSUS_PX = 200, 115, 136, 255


@st.fragment
def page() -> None:
    """The whole page is one fragment: a change redraws it and nothing else; the last one wins.

    What there is by now is drawn at once; the line below the headline follows the rest.
    """
    inputs.header("Plan")
    controls()
    scenario, baseline = state.scenario(), state.baseline()
    known = state.session().finished.get((scenario.fingerprint(), baseline))
    task = solve.answering(scenario, baseline) if known is None else None
    try:
        answer: Answer | None = known if task is None else task.best()
    except EcoServeError as error:
        failed(error, task)
        return
    if answer is None:
        assert task is not None, "or the answer is known"
        being_planned(task)
        return
    is_whole = task is None or task.is_whole
    state.keep(answer, final=is_whole)
    other_sets = answer_top(answer, "final" if is_whole else "quick", task)
    answer_details(answer)
    all_baselines.show(scenario, answer.plan)
    if is_whole:
        assumptions.under_other_sets(other_sets, answer)


def controls() -> None:
    """The few controls whose effect is seen here; the rest stand on their own pages."""
    site, policy = state.scenario().site, state.scenario().policy
    with st.container(horizontal=True):
        inputs.intensity_choice()
        with st.container(width=MEAN_PX):
            inputs.intensity_slider(float(hourly_intensity(site, state.catalog()).mean()))
        with st.container(width=PUE_PX):
            inputs.pue_slider(site_pue(site, state.catalog()))
        with st.container(width=OBJECTIVE_PX):
            inputs.objective_choice(policy.objective)
        with st.container(width=VERSUS_PX):
            inputs.baseline_choice(state.baseline())


def being_planned(task: Task) -> None:
    """Nothing new to draw yet: the plan before the change stays where it is."""
    before = state.last_answer()
    if before is None:
        on_demand.follow(task, "Planning")
        return
    answer_top(before, "before", task)
    answer_details(before)


def last_plan() -> None:
    """The last plan that worked, where there is one."""
    last = state.last_answer()
    if last is not None:
        answer_top(last, "last", None)
        answer_details(last)


def answer_top(answer: Answer, effort: str, task: Task | None) -> DeltaGenerator:
    """Headline, four figures and picture; returns the place of the line between them."""
    plan = answer.plan
    headline = plain(draw.headline(answer, is_final=effort != "quick"))
    if effort == "last":
        st.markdown("## Last plan that worked")
        st.caption(headline)
    else:
        st.header(headline, anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(plain(f"{answers.status_words(plan)}. {answers.slo_words(plan)}."))
        downloads.show(answer)
    st.caption(plain(draw.baseline_line(answer)))
    with st.container():
        if task is not None:
            before = "Planning the change, shown is the plan before it"
            on_demand.better(task, before if effort == "before" else on_demand.BETTER)
    draw.four_figures(answer)
    between = st.empty()
    draw.show_chart(answers.picture(answer), "picture")
    return between


def answer_details(answer: Answer) -> None:
    """The tables to act on, the parts, the assumptions."""
    fleet.show(answer)
    st.markdown("### Latency targets")
    draw.show_table(draw.slo_rows(answer.plan), "No online workload.")
    st.markdown("### Replica pools")
    draw.show_table(draw.pool_rows(answer.plan), "No pool is needed.")
    draw.show_chart(figures.carbon_by_part(answer.plan), "parts")
    assumptions.show(answer)


def failed(error: EcoServeError, task: Task | None) -> None:
    """Says why there is no plan; the last good one stays below."""
    if task is not None and isinstance(error, SolverError):
        on_demand.broken_off(task, error)
    else:
        st.error(plain(sentence(state.readable(str(error)))))
    blocked_traffic(error.blocked if isinstance(error, InfeasibleError) else ())
    last_plan()


def blocked_traffic(blocked: Sequence[BlockedSlice]) -> None:
    """What cannot be served, a row per workload and kind of reason; all of it on request."""
    draw.show_table(draw.blocked_rows(blocked), "")
    if len(blocked) > 1:
        with st.expander(f"All {len(blocked):,} length buckets that cannot be served"):
            rows = [
                {"Part of the traffic": b.slice, "Why": state.readable(b.reason)} for b in blocked
            ]
            draw.show_table(rows, "", tall=8)


st.set_page_config(page_title="Plan | EcoServe planner")
page()
