"""What the server and its workers say to each other, and what a search has found so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ecoserve.answer import relative_gap
from ecoserve.errors import EcoServeError, SolverError

CANCELLED, TIME_LIMIT, BUSY, DIED = "cancelled", "time_limit", "busy", "died"
"""How a job may end without an answer, as a :class:`SolverError` says it."""


@dataclass(frozen=True, slots=True)
class Searched:
    """How far a search is: its best answer's objective and the bound proven so far."""

    best: float
    bound: float

    @property
    def gap(self) -> float:
        """(best - bound) / |best|; infinite where there is no answer or no bound yet."""
        return relative_gap(self.best, self.bound)


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a work is that goes through something from its beginning to its end."""

    share: float
    """Done, from 0 to 1."""
    words: str


@dataclass(frozen=True, slots=True)
class Order:
    """To a worker: do this and say what came of it."""

    job: int
    work: Callable[..., Any]
    """Of a module, since it travels by its name; its first argument is the worker's bench."""
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """To a worker: end this job soon, with the best there is."""

    job: int


@dataclass(frozen=True, slots=True)
class Ready:
    """From a worker: it has started; from now on it hears."""


@dataclass(frozen=True, slots=True)
class Told:
    """From a worker: how far it is."""

    job: int
    how_far: Searched | Stage


@dataclass(frozen=True, slots=True)
class Done:
    """From a worker: an answer, or the error that stands in its place."""

    job: int
    answer: Any = None
    error: EcoServeError | None = None


def was_cancelled(error: Exception) -> bool:
    """Whether somebody wanted this end."""
    return isinstance(error, SolverError) and error.termination == CANCELLED
