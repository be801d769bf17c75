"""What stands behind a plan: coefficient set, lifetimes, what is not counted, remarks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import assumption_words, state
from app.answers import set_line, view_unit
from app.methodology import methodology
from app.solving.desk import Desk
from app.state import Answer
from app.text import plain, sentence
from app.views import on_demand, solve
from app.views.solve import Effort
from ecoserve.constraints import FAMILIES
from ecoserve.errors import EcoServeError, InfeasibleError, SolverError
from ecoserve.scenario import Scenario

SetAnswer: TypeAlias = Answer | EcoServeError
SETS = "sets"


def show(answer: Answer) -> None:
    """Assumptions and remarks of this plan, and the method."""
    with st.expander("Assumptions, remarks and what is not counted", expanded=True):
        lines = [
            *assumption_words.assumption_lines(answer, state.catalog()),
            *(sentence(state.readable(note.message)) for note in answer.plan.notes),
        ]
        st.markdown("\n".join(f"- {plain(line)}" for line in lines))
    with st.expander("Method"):
        st.markdown(methodology())
        st.markdown("**The rows of the program.** One family a line, for each of its indices.")
        st.table(
            [{"Rows": row.name, "For each": row.indices, "Say": row.sentence} for row in FAMILIES]
        )


def beside(scenario: Scenario, title: str = "Assumptions and what is not counted") -> None:
    """What a figure of this scenario rests on, on pages that show no whole plan."""
    with st.expander(plain(title)):
        lines = assumption_words.scenario_lines(scenario, state.catalog())
        st.markdown("\n".join(f"- {plain(line)}" for line in lines))


def under_other_sets(place: DeltaGenerator, answer: Answer) -> None:
    """What the headline becomes with the other embodied coefficients.

    By quick answers first, then by ones searched for as thoroughly as the headline's.
    """
    used = answer.scenario.policy.coefficients
    others = [name for name in state.catalog().coefficient_sets if name != used]
    if not others:
        return
    task = solve.task(SETS, _sets_key(answer), lambda desk: _in_steps(others, answer, desk))
    assert task is not None, "or it was begun"
    with place.container():
        try:
            found = task.best()
        except SolverError as error:
            on_demand.broken_off(task, error)
            return
        if found is None:
            on_demand.follow(task, "Planning with other embodied coefficients")
            return
        lines = "; ".join(_set_lines(found, answer, is_whole=task.is_whole))
        st.caption(plain(f"Embodied coefficients {used}. Planned anew {lines}."))
        on_demand.better(task, "Searching further with other embodied coefficients")


def known_under_other_sets(answer: Answer) -> Callable[[], tuple[str, ...]]:
    """Gives the same as far as it is known when it is called, one line per set."""
    found = solve.later(SETS, _sets_key(answer))

    def lines() -> tuple[str, ...]:
        task = found()
        try:
            known = None if task is None else task.best()
        except SolverError:
            known = None  # broken off before there was anything to tell
        if task is None or known is None:
            return ()
        return tuple(_set_lines(known, answer, is_whole=task.is_whole))

    return lines


def _in_steps(names: Sequence[str], answer: Answer, desk: Desk) -> dict[str, SetAnswer]:
    desk.task.show(_under(names, answer, desk, "quick"))
    return _under(names, answer, desk, "interactive")


def _under(
    names: Sequence[str], answer: Answer, desk: Desk, effort: Effort
) -> dict[str, SetAnswer]:
    """The answer under each set, or why there is none."""
    found: dict[str, SetAnswer] = {}
    for name in names:
        scenario = state.changed(answer.scenario, {"policy.coefficients": name})
        try:
            found[name] = solve.answer(desk, scenario, answer.baseline, effort)
        except InfeasibleError as error:
            found[name] = error
    return found


def _sets_key(answer: Answer) -> tuple[str, str]:
    return answer.scenario.fingerprint(), answer.baseline


def _set_lines(found: Mapping[str, SetAnswer], answer: Answer, *, is_whole: bool) -> list[str]:
    """One line per set; the last says so where quick answers stand for better ones."""
    lines = [_set_line(name, other, answer) for name, other in found.items()]
    return lines if is_whole else [*lines[:-1], f"{lines[-1]} (so far by quick answers)"]


def _set_line(name: str, other: SetAnswer, answer: Answer) -> str:
    if isinstance(other, EcoServeError):
        return f"with {name}: {str(other).rstrip('.')}"
    return set_line(name, other, view_unit(answer))
