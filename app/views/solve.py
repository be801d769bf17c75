"""Plans for pages: cached by what was asked, at most two solves at once on a server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from app import state
from app.state import Answer
from app.versus import BEST_SINGLE, COLUMN_WORDS, baseline_words, split_key
from ecoserve.baselines import best_single, plan_baseline
from ecoserve.errors import InfeasibleError, SolverError
from ecoserve.lifecycle import Lifecycle, study_lifecycle
from ecoserve.plan import Plan
from ecoserve.planner import plan_fleet
from ecoserve.questions import Question
from ecoserve.questions import answer as answer_question
from ecoserve.restriction import Restriction
from ecoserve.scenario import Scenario, canonical_json, read_scenario
from ecoserve.structure import Memory
from ecoserve.trends import LifecycleAssumptions

Effort = Literal["quick", "interactive"]

MAX_SOLVES = 2
MAX_WAIT_S = 60.0
MAX_CACHED = 256
STOPPED_BY_TIME = "stopped_by_time"

_gate = threading.BoundedSemaphore(MAX_SOLVES)


@dataclass(frozen=True, slots=True)
class Found:
    """A plan of somebody's, or why there is none."""

    plan: Plan | None
    name: str = ""
    reason: str = ""


class _NotKeptError(Exception):
    """Carries an answer out of a cached function without caching it."""

    def __init__(self, found: Found) -> None:
        self.found = found
        super().__init__("stopped by the clock, not cached")


def answer(scenario: Scenario, baseline: str, effort: Effort) -> Answer:
    """The plan and its baseline. Raises InfeasibleError when nothing can serve the traffic."""
    plan = our_plan(scenario, effort)
    other = baseline_plan(scenario, baseline, effort)
    return Answer(
        scenario=scenario,
        baseline=baseline,
        plan=plan,
        other=other.plan,
        other_name=other.name,
        reason=other.reason,
    )


def our_plan(scenario: Scenario, effort: Effort) -> Plan:
    """The plan. Raises InfeasibleError when nothing can serve the traffic."""
    text, version = canonical_json(scenario), state.catalog().version
    found = _unpack(lambda: _ours(text, effort, version))
    assert found.plan is not None, "or it would have raised"
    return found.plan


def baseline_plan(scenario: Scenario, baseline: str, effort: Effort) -> Found:
    """A baseline by its key, or why it cannot serve the traffic."""
    text, version = canonical_json(scenario), state.catalog().version
    return _unpack(lambda: _baseline(text, baseline, effort, version))


def asked(question: Question, effort: Effort, start: Plan | None = None) -> Found:
    """The answer to a question that stands beside the plan's, from the ``start`` of another."""
    text, version = canonical_json(question.scenario), state.catalog().version
    begin = "" if start is None else start.scenario_fingerprint
    pattern, tie = question.restriction, question.least_carbon
    return _unpack(lambda: _asked(text, pattern, tie, effort, version, begin, start))


def lifecycle(scenario: Scenario, assumptions: LifecycleAssumptions) -> Lifecycle:
    """The years of the plan. Raises InfeasibleError where there is none, SolverError if busy."""
    text, version = canonical_json(scenario), state.catalog().version
    return _lifecycle(text, version, assumptions, our_plan(scenario, "interactive"))


def server_is_busy() -> bool:
    """Whether a solve would have to wait for another one now."""
    if _gate.acquire(blocking=False):
        _gate.release()
        return False
    return True


def _unpack(solve: Callable[[], Found]) -> Found:
    try:
        return solve()
    except _NotKeptError as stopped:
        return stopped.found


@st.cache_resource
def memory() -> Memory:
    """What recent plans of all visitors left for quick answers; safe to share between threads."""
    return Memory()


@st.cache_data(max_entries=MAX_CACHED, show_spinner=False)
def _ours(scenario_json: str, effort: Effort, catalog_version: str) -> Found:
    scenario = read_scenario(json.loads(scenario_json))
    return _gated(
        lambda: Found(plan_fleet(scenario, state.catalog(), effort, memory=memory()), "this plan")
    )


@st.cache_data(max_entries=MAX_CACHED, show_spinner=False)
def _baseline(scenario_json: str, baseline: str, effort: Effort, catalog_version: str) -> Found:
    scenario = read_scenario(json.loads(scenario_json))
    return _gated(lambda: _plan_baseline(scenario, baseline, effort))


def _plan_baseline(scenario: Scenario, baseline: str, effort: Effort) -> Found:
    catalog = state.catalog()
    name, column = split_key(baseline)
    words = f"{baseline_words(name, scenario, catalog)}, {COLUMN_WORDS[column]}"
    try:
        if name != BEST_SINGLE:
            plan = plan_baseline(name, column, scenario, catalog, effort, memory())
            return Found(plan, words)
        name, plan = best_single(scenario, catalog, column, effort, memory())
    except InfeasibleError as error:
        return Found(None, words, str(error))
    return Found(plan, f"{baseline_words(name, scenario, catalog)}, {COLUMN_WORDS[column]}")


@st.cache_data(max_entries=MAX_CACHED, show_spinner=False)
def _asked(
    scenario_json: str,
    restriction: Restriction,
    least_carbon: bool,
    effort: Effort,
    catalog_version: str,
    begin: str,
    _start: Plan | None,
) -> Found:
    """``begin`` tells starts apart: their own scenarios, each with a start of its own."""
    scenario = read_scenario(json.loads(scenario_json))
    question = Question(scenario=scenario, restriction=restriction, least_carbon=least_carbon)

    def solved() -> Found:
        try:
            return Found(answer_question(question, state.catalog(), effort, memory(), _start))
        except InfeasibleError as error:
            return Found(None, "", str(error))

    return _gated(solved)


@st.cache_data(max_entries=MAX_CACHED, show_spinner=False)
def _lifecycle(
    scenario_json: str, catalog_version: str, assumptions: LifecycleAssumptions, _plan: Plan
) -> Lifecycle:
    scenario = read_scenario(json.loads(scenario_json))
    with turn():
        return study_lifecycle(_plan, scenario, state.catalog(), assumptions)


@contextmanager
def turn() -> Iterator[None]:
    """Waits until fewer than ``MAX_SOLVES`` are at work. Raises SolverError where that is long."""
    if not _gate.acquire(timeout=MAX_WAIT_S):
        raise SolverError("The server is busy with other plans. Try again in a minute.", "busy")
    try:
        yield
    finally:
        _gate.release()


def _gated(solve: Callable[[], Found]) -> Found:
    with turn():
        found = solve()
    if found.plan is not None and any(n.code == STOPPED_BY_TIME for n in found.plan.notes):
        raise _NotKeptError(found)
    return found
