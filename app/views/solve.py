"""Plans for pages: cached by what was asked, at most two solves at once on a server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import streamlit as st

from app import state
from app.state import Answer
from ecoserve.baselines import best_single, plan_baseline
from ecoserve.errors import InfeasibleError, SolverError
from ecoserve.lifecycle import Lifecycle, study_lifecycle
from ecoserve.plan import Plan
from ecoserve.planner import plan_fleet
from ecoserve.scenario import Scenario, canonical_json, read_scenario
from ecoserve.structure import Memory
from ecoserve.trends import LifecycleAssumptions

Effort = Literal["quick", "interactive"]

MAX_SOLVES = 2
MAX_WAIT_S = 60.0
MAX_CACHED = 256
STOPPED_BY_TIME = "stopped_by_time"

_gate = threading.BoundedSemaphore(MAX_SOLVES)


class _NotKeptError(Exception):
    """Carries an answer out of a cached function without caching it."""

    def __init__(self, plan: Plan, name: str) -> None:
        self.plan = plan
        self.name = name
        super().__init__("stopped by the clock, not cached")


def answer(scenario: Scenario, baseline: str, effort: Effort) -> Answer:
    """The plan and its baseline. Raises InfeasibleError when nothing can serve the traffic."""
    text, version = canonical_json(scenario), state.catalog().version
    plan, _ = _unpack(lambda: _ours(text, effort, version))
    try:
        other, name = _unpack(lambda: _baseline(text, baseline, effort, version))
    except InfeasibleError:
        return Answer(
            scenario=scenario,
            baseline=baseline,
            plan=plan,
            other=None,
            other_name=state.BASELINES[baseline],
        )
    return Answer(scenario=scenario, baseline=baseline, plan=plan, other=other, other_name=name)


def lifecycle(scenario: Scenario, assumptions: LifecycleAssumptions) -> Lifecycle:
    """The years of the plan. Raises InfeasibleError where there is none, SolverError if busy."""
    text, version = canonical_json(scenario), state.catalog().version
    plan, _ = _unpack(lambda: _ours(text, "interactive", version))
    return _lifecycle(text, version, assumptions, plan)


def server_is_busy() -> bool:
    """Whether a solve would have to wait for another one now."""
    if _gate.acquire(blocking=False):
        _gate.release()
        return False
    return True


def _unpack(solve: Callable[[], tuple[Plan, str]]) -> tuple[Plan, str]:
    try:
        return solve()
    except _NotKeptError as stopped:
        return stopped.plan, stopped.name


@st.cache_resource
def _memory() -> Memory:
    """What recent plans of all visitors left for quick answers; safe to share between threads."""
    return Memory()


@st.cache_data(max_entries=MAX_CACHED, show_spinner=False)
def _ours(scenario_json: str, effort: Effort, catalog_version: str) -> tuple[Plan, str]:
    scenario = read_scenario(json.loads(scenario_json))
    return _gated(
        lambda: (plan_fleet(scenario, state.catalog(), effort, memory=_memory()), "this plan")
    )


@st.cache_data(max_entries=MAX_CACHED, show_spinner=False)
def _baseline(
    scenario_json: str, baseline: str, effort: Effort, catalog_version: str
) -> tuple[Plan, str]:
    scenario = read_scenario(json.loads(scenario_json))
    return _gated(lambda: _plan_baseline(scenario, baseline, effort))


def _plan_baseline(scenario: Scenario, baseline: str, effort: Effort) -> tuple[Plan, str]:
    catalog = state.catalog()
    column: Literal["as_sold", "same"] = "same" if baseline.endswith("_same") else "as_sold"
    words = "same choices" if column == "same" else "as sold"
    if baseline.startswith("cost"):
        plan = plan_baseline("cost", column, scenario, catalog, effort, _memory())
        return plan, state.BASELINES[baseline]
    name, plan = best_single(scenario, catalog, column, effort, _memory())
    accelerator = catalog.accelerator(name.removeprefix("single:")).name
    return plan, f"the best fleet of one accelerator ({accelerator}), {words}"


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


def _gated(solve: Callable[[], tuple[Plan, str]]) -> tuple[Plan, str]:
    with turn():
        plan, name = solve()
    if any(note.code == STOPPED_BY_TIME for note in plan.notes):
        raise _NotKeptError(plan, name)
    return plan, name
