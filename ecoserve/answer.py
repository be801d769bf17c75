"""What a solver is asked and what it answers. Knows neither domain words nor a solver."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias


class Termination(Enum):
    """Why the solver stopped."""

    GAP_REACHED = "gap_reached"
    INFEASIBLE = "infeasible"
    NODE_LIMIT = "node_limit"
    TIME_LIMIT = "time_limit"
    CANCELLED = "cancelled"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Values by column name, the objective and the proven bound below it."""

    termination: Termination
    values: Mapping[str, float]
    objective: float
    bound: float
    own_gap: float = 0.0
    """Gap of an earlier stage that this one was capped by; 0 where there was none."""
    began_hurried: bool = False
    """Whether it began from, or was capped by, what a clock stopped."""

    @property
    def is_feasible(self) -> bool:
        """Whether there is an answer at all."""
        return bool(self.values)

    @property
    def gap(self) -> float:
        """(objective - bound) / |objective|."""
        return relative_gap(self.objective, self.bound)

    @property
    def is_hurried(self) -> bool:
        """Whether a clock had a say in it, so that another run may answer otherwise."""
        return self.began_hurried or self.termination is Termination.TIME_LIMIT

    def __getitem__(self, column: Any) -> float:
        return self.values.get(column.name, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When to stop: at this gap, after so many nodes, after so many seconds."""

    gap: float = 1e-6
    nodes: int | None = None
    time_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a search may begin: values of a likely answer and the basis of a like relaxation."""

    values: Mapping[str, float]
    basis: Any = None
    is_hurried: bool = False
    """Whether a clock had a say in the values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a search has come; whoever asks has the clock."""

    best: Solution
    """The best answer so far and the bound proven so far."""
    nodes: int
    """Relaxations solved so far."""
    is_better: bool
    """Whether ``best`` is a new answer, not only a new bound."""


def _nothing(_: Progress) -> None:
    return None


def _never() -> bool:
    return False


Report: TypeAlias = Callable[[Progress], None]
Question: TypeAlias = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who is told of progress, and who may stop a search between two relaxations.

    Neither changes an answer: a search that is not stopped ends the same with and without.
    """

    report: Report = _nothing
    is_cancelled: Question = _never

    @property
    def silent(self) -> Watch:
        """The same for a search on the way, whose figures are no figures of the answer."""
        return Watch(is_cancelled=self.is_cancelled)


def relative_gap(objective: float, bound: float) -> float:
    """How far above a proven bound an objective is, as a fraction of itself; never negative.

    >>> round(relative_gap(100.0, 99.0), 12)
    0.01
    """
    if not math.isfinite(objective) or not math.isfinite(bound):
        return math.inf
    return max(0.0, objective - bound) / max(abs(objective), 1e-12)
