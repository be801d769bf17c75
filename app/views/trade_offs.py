"""Trade-offs: what would change the answer?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import streamlit as st

from app import inputs, state
from app.text import plain
from app.views import (
    analyses,
    change_panel,
    front_panel,
    limits_panel,
    regret_panel,
    solve,
)
from app.views.analyses import Ask, Found
from app.views.solve import Effort
from app.views.trade_off_parts import EFFORT_WORDS, failed
from ecoserve.analysis.crossover import crossovers
from ecoserve.analysis.limits import limit_report
from ecoserve.analysis.pareto import pareto
from ecoserve.analysis.regret import why_not
from ecoserve.analysis.robustness import robustness
from ecoserve.analysis.sensitivity import sensitivity
from ecoserve.errors import EcoServeError
from ecoserve.scenario import Scenario

EFFORT = "trade:effort"
EFFORT_HELP = (
    "Quick: the relaxation made whole, about a second for a plan. Thorough: searched on to 1 %, or "
    "as near as the search gets, several times as long. What is drawn stays until it is asked for "
    "again."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One question, what its button says, how it is answered and drawn."""

    question: str
    button: str
    what: str
    ask: Ask
    show: Callable[[Found, Scenario], None]


def _limits(scenario: Scenario, effort: Effort) -> object:
    return analyses.in_turn(lambda: limit_report(scenario, state.catalog(), effort))


FLEETS = Section(
    question="What does less carbon cost?",
    button="Plan whole fleets along the line",
    what="Up to 8 plans at carbon prices from none to carbon alone.",
    ask=lambda s, c, effort, run, show: pareto(s, c, effort, run=run, on_progress=show),
    show=lambda found, scenario: None,
)
SECTIONS: Mapping[str, Section] = {
    "sensitivity": Section(
        question="Which figure would change it?",
        button="Move every input",
        what="About 33 plans: eight inputs at both ends, planned anew and with the fleet kept.",
        ask=lambda s, c, effort, run, show: sensitivity(s, c, effort, run=run, on_progress=show),
        show=change_panel.show_sensitivity,
    ),
    "crossovers": Section(
        question="On which grid would it be another fleet?",
        button="Try other grids",
        what="6 to 30 plans on flat grids from 1 to 1,000 gCO2e/kWh.",
        ask=lambda s, c, effort, run, show: crossovers(s, c, effort, run=run, on_progress=show),
        show=change_panel.show_crossovers,
    ),
    "why-not": Section(
        question="Why not another accelerator?",
        button="Insist on each accelerator",
        what="One plan for every allowed accelerator that is not in the fleet.",
        ask=lambda s, c, effort, run, show: why_not(s, c, effort, run=run, on_progress=show),
        show=regret_panel.show_why_not,
    ),
    "limits": Section(
        question="What holds it back?",
        button="Find what binds",
        what="One plan, and linear programs around it.",
        ask=lambda s, c, effort, run, show: _limits(s, effort),
        show=limits_panel.show_limits,
    ),
    "robustness": Section(
        question="Which fleet to regret least?",
        button="Try every view of the world",
        what="9 plans, one for each view, then every fleet found under every view.",
        ask=lambda s, c, effort, run, show: robustness(s, c, effort, run=run, on_progress=show),
        show=regret_panel.show_robustness,
    ),
}


@st.fragment
def page() -> None:
    """The front at once; the other questions below it, each answered when asked."""
    inputs.header("Trade-offs")
    title, effort = st.columns([3, 2], vertical_alignment="bottom")
    title.subheader("What would change the answer?", anchor=False)
    with effort:
        st.segmented_control(
            "Search for plans",
            list(EFFORT_WORDS),
            default="quick",
            required=True,
            key=EFFORT,
            format_func=lambda name: EFFORT_WORDS[name],
            help=EFFORT_HELP,
            persist_state="session",
        )
    if not front():
        return
    for name in SECTIONS:
        section(name)


def chosen_effort() -> Effort:
    """How hard to search, as the page's control says."""
    return "interactive" if st.session_state.get(EFFORT) == "interactive" else "quick"


@st.fragment
def front() -> bool:
    """The first question; False where nothing can serve the traffic, which is then told."""
    scenario = state.scenario()
    st.markdown(f"##### {FLEETS.question}")
    try:
        if solve.server_is_busy():
            st.info("Waiting: this server is working on two other plans.")
        with st.spinner("Working out the line that no fleet can pass"):
            bound = analyses.front_bound(scenario)
            answer = front_panel.compared(chosen_effort())
    except EcoServeError as error:
        failed(error)
        return False
    front_panel.show(bound, answer, asked("fleets", FLEETS, scenario))
    return True


@st.fragment
def section(name: str) -> None:
    """A question with its answer, or with the button that finds it."""
    this, scenario = SECTIONS[name], state.scenario()
    st.markdown(f"##### {this.question}")
    found = asked(name, this, scenario)
    if found is not None:
        this.show(found, scenario)


def asked(name: str, this: Section, scenario: Scenario) -> Found | None:
    """What is known of a question; its button where there is more to find."""
    found = analyses.known(name, scenario)
    effort = chosen_effort()
    if found is not None and found.effort in (effort, "interactive"):
        return found
    place = st.empty()
    more = "" if found is None else ", thoroughly"
    with place.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(f"{this.button}{more}", key=f"ask:{name}")
        st.caption(plain(this.what))
    if not pressed:
        return found
    bar = place.progress(0.0, "Waiting for a turn")

    def show(done: int, total: int, label: str) -> None:
        bar.progress(done / max(total, 1), plain(f"{done} of {total} plans: {label}"))

    try:
        found = analyses.find(name, this.ask, scenario, effort, show)
    except EcoServeError as error:
        place.empty()
        failed(error)
        return found
    place.empty()
    return found


st.set_page_config(page_title="Trade-offs | EcoServe planner")
page()
