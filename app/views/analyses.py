"""Analyses for pages: many plans, each in its turn at the solver, kept for whoever asks again.

Every plan waits for its own turn, so that an analysis of fifty plans keeps nobody else waiting for
more than one of them. Plans are kept one by one: an analysis broken off goes on from there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar

import streamlit as st

from app import state
from app.views import solve
from app.views.solve import STOPPED_BY_TIME, Effort
from ecoserve.analysis.pareto import FrontPoint, pareto_bound
from ecoserve.catalog import Catalog
from ecoserve.planner import Effort as SolverEffort
from ecoserve.questions import Answer, Progress, Question, Runner, collect, one_by_one
from ecoserve.scenario import Scenario

Ask = Callable[[Scenario, Catalog, Effort, Runner, Progress], Any]
MAX_ANSWERS = 512
MAX_FOUND = 128
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """What an analysis found, and with how much search."""

    answer: Any
    effort: Effort


@dataclass(slots=True)
class _Shelf:
    """Findings of all visitors by what was asked; they are frozen, so sharing is safe."""

    kept: OrderedDict[tuple[str, ...], Any] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def get(self, key: tuple[str, ...]) -> Any:
        with self.lock:
            return self.kept.get(key)

    def keep(self, key: tuple[str, ...], found: Any) -> None:
        with self.lock:
            self.kept[key] = found
            while len(self.kept) > MAX_FOUND:
                self.kept.popitem(last=False)


class _NotKeptError(Exception):
    """Carries an answer out of a cached function without caching it."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__("stopped, not cached")


def known(name: str, scenario: Scenario) -> Found | None:
    """The most searched for of what is known already."""
    for effort in ("interactive", "quick"):
        answer = _shelf().get(_key(name, scenario, effort))
        if answer is not None:
            return Found(answer, effort)
    return None


def find(name: str, ask: Ask, scenario: Scenario, effort: Effort, on_progress: Progress) -> Found:
    """Asks and keeps. Raises what ``ask`` raises, and SolverError where the server is busy."""
    answer = ask(scenario, state.catalog(), effort, in_turns, on_progress)
    _shelf().keep(_key(name, scenario, effort), answer)
    return Found(answer, effort)


def front_bound(scenario: Scenario) -> tuple[FrontPoint, ...]:
    """The front that no fleet can pass. Raises InfeasibleError where nothing serves."""
    key = _key("front", scenario, "")
    bound: tuple[FrontPoint, ...] | None = _shelf().get(key)
    if bound is None:
        bound = in_turn(lambda: pareto_bound(scenario, state.catalog()))
        _shelf().keep(key, bound)
    return bound


def in_turn(work: Callable[[], T]) -> T:
    """One piece of work at the solver, when its turn comes."""
    with solve.turn():
        return work()


def in_turns(
    questions: Sequence[Question],
    catalog: Catalog,
    effort: SolverEffort,
    on_progress: Progress | None = None,
) -> list[Answer]:
    """The runner of pages: plan after plan, each kept and each in its turn."""
    answer = _answering(catalog.version, catalog)

    def answered(question: Question) -> Answer:
        return _answered(question, catalog, effort, lambda: answer(question, effort))

    found = ([answered(question)] for question in questions)
    return collect(found, questions, on_progress)


def _key(name: str, scenario: Scenario, effort: str) -> tuple[str, ...]:
    return name, scenario.fingerprint(), state.catalog().version, effort


@st.cache_resource
def _shelf() -> _Shelf:
    return _Shelf()


@st.cache_resource(max_entries=state.MAX_CATALOGS, show_spinner=False)
def _answering(
    catalog_version: str, _catalog: Catalog
) -> Callable[[Question, SolverEffort], Answer]:
    """What questions of all visitors to one catalog have in common, built once."""
    return one_by_one(_catalog)


def _answered(
    question: Question, catalog: Catalog, effort: SolverEffort, work: Callable[[], Answer]
) -> Answer:
    asked = repr((question.identity, effort))
    try:
        return _kept(asked, catalog.version, work)
    except _NotKeptError as stopped:
        return stopped.answer


@st.cache_data(max_entries=MAX_ANSWERS, show_spinner=False)
def _kept(asked: str, catalog_version: str, _work: Callable[[], Answer]) -> Answer:
    answer = in_turn(_work)
    if answer.plan is None:
        stopped = answer.status == "stopped"
    else:
        stopped = any(note.code == STOPPED_BY_TIME for note in answer.plan.notes)
    if stopped:
        raise _NotKeptError(answer)
    return answer
