"""Plan: what to buy, what that saves, and why."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import figures, inputs, state
from app.state import Answer
from app.text import plain, sentence
from app.views import all_baselines, assumptions, fleet, solve
from app.views import answer as draw
from ecoserve.errors import BlockedSlice, EcoServeError, InfeasibleError
from ecoserve.operational import hourly_intensity, site_pue

# Widths of controls, which wrap where the page is narrower than all of them.
MEAN_PX, PUE_PX, OBJECTIVE_PX, VERSUS_PX = 200, 115, 136, 255


@st.fragment
def page() -> None:
    """The whole page is one fragment: a change redraws it and nothing else; the last one wins."""
    inputs.header("Plan")
    controls()
    answer_here = st.empty()
    scenario, baseline = state.scenario(), state.baseline()
    known = state.session().finished.get((scenario.fingerprint(), baseline))
    try:
        if known is None:
            waiting(answer_here)
            first = solve.answer(scenario, baseline, "quick")
            state.keep(first, final=False)
            answer_top(answer_here, first, "quick")
            known = solve.answer(scenario, baseline, "interactive")
    except EcoServeError as error:
        failed(answer_here, error)
        return
    state.keep(known, final=True)
    other_sets = answer_top(answer_here, known, "final")
    answer_details(known)
    all_baselines.show(scenario, known.plan)
    assumptions.under_other_sets(other_sets, known)


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


def waiting(place: DeltaGenerator) -> None:
    """Says that others are being served first."""
    if solve.server_is_busy():
        place.info(
            "Waiting: this server is working on two other plans. Yours starts when its turn comes."
        )


def answer_top(place: DeltaGenerator, answer: Answer, effort: str) -> DeltaGenerator:
    """Headline, four figures and picture; returns the place of the line between them."""
    plan = answer.plan
    with place.container():
        headline = plain(draw.headline(answer, is_final=effort != "quick"))
        if effort == "last":
            st.markdown("#### Last plan that worked")
            st.caption(headline)
        else:
            st.subheader(headline, anchor=False)
        working = " A better answer is being worked out." if effort == "quick" else ""
        st.markdown(f"{draw.status_words(plan)}. {draw.slo_words(plan)}.{working}")
        st.caption(plain(draw.baseline_line(answer)))
        draw.four_figures(answer)
        between = st.empty()
        draw.show_chart(draw.picture(answer), f"picture-{effort}")
    return between


def answer_details(answer: Answer) -> None:
    """The tables to act on, the parts, the assumptions."""
    fleet.show(answer)
    st.markdown("##### Latency targets")
    draw.show_table(draw.slo_rows(answer.plan), "No online workload.")
    st.markdown("##### Replica pools")
    draw.show_table(draw.pool_rows(answer.plan), "No pool is needed.")
    draw.show_chart(figures.carbon_by_part(answer.plan), "parts")
    assumptions.show(answer)


def failed(place: DeltaGenerator, error: EcoServeError) -> None:
    """Says why there is no plan; the last good one stays below."""
    last = state.session().answer
    with place.container():
        st.error(plain(sentence(state.readable(str(error)))))
        blocked = error.blocked if isinstance(error, InfeasibleError) else ()
        blocked_traffic(blocked)
        if last is not None:
            answer_top(st.empty(), last, "last")
    if last is not None:
        answer_details(last)


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
