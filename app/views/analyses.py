"""Analyses for pages: many plans, each in its turn at the workers, kept for whoever asks again.

Every plan waits for its own turn, so that an analysis of fifty plans keeps nobody else waiting for
more than one of them. Plans are kept one by one: an analysis broken off goes on from there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import streamlit as st

from app import state
from app.solving.desk import Desk
from app.solving.tasks import Task
from app.views import solve
from app.views.solve import Effort
from ecoserve.scenario import Scenario

Ask = Callable[[Desk, Scenario, Effort], Any]
MAX_FOUND = 128


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


def known(name: str, scenario: Scenario) -> Found | None:
    """The most searched for of what is known already."""
    for effort in ("interactive", "quick"):
        answer = _shelf().get(_key(name, scenario, effort))
        if answer is not None:
            return Found(answer, effort)
    return None


def finding(name: str, scenario: Scenario, effort: Effort, place: str = "") -> Task | None:
    """The task that finds it, if it has begun; waits a moment for it."""
    return solve.task(f"ask:{place or name}", _key(name, scenario, effort), None)


def begin(name: str, scenario: Scenario, effort: Effort, ask: Ask, place: str = "") -> None:
    """Begins to ask; what is found is kept for all visitors.

    Of questions with the same ``place`` the last one wins.
    """
    key, shelf = _key(name, scenario, effort), _shelf()

    def found(desk: Desk) -> Found:
        answer = ask(desk, scenario, effort)
        shelf.keep(key, answer)
        return Found(answer, effort)

    solve.begin(f"ask:{place or name}", key, found)


def _key(name: str, scenario: Scenario, effort: str) -> tuple[str, ...]:
    return name, scenario.fingerprint(), state.catalog().version, effort


@st.cache_resource
def _shelf() -> _Shelf:
    return _Shelf()
