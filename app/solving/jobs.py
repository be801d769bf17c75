"""What is asked of the manager, and what an owner holds of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from app.solving.messages import BUSY, CANCELLED, DIED, TIME_LIMIT, Searched, Stage
from ecoserve.errors import EcoServeError, SolverError

if TYPE_CHECKING:
    from app.solving.manager import Manager
    from app.solving.process import Worker

Lane = Literal["first", "later", "long"]
"""``first``: somebody looks at an empty page; ``later``: something is shown already; ``long``: it
takes minutes, so it has a worker of its own, where it keeps no plan waiting."""

ENDINGS = {
    CANCELLED: "Cancelled.",
    TIME_LIMIT: "The time limit was reached before there was an answer. Allow fewer kinds of"
    " hardware, or use the terminal, which has no limit.",
    BUSY: "The server has {} plans waiting already. Try again in a minute.",
    DIED: "The planning process ended without an answer, perhaps for want of memory. Try again, or"
    " allow fewer kinds of hardware.",
}


def always(_: Any) -> bool:
    """Whatever it is."""
    return True


def never(_: Any) -> bool:
    """Whatever it is, not."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One piece of work for a worker."""

    key: Hashable
    """Equal keys have equal answers: who asks second shares the answer of the first."""
    work: Callable[..., Any]
    """A function of a module; it is given the worker's bench, then the arguments."""
    arguments: tuple[Any, ...] = ()
    lane: Lane = "later"
    limit_s: float = 60.0
    """After that it is stopped, with the best it has."""
    is_whole: Callable[[Any], bool] = always
    """Whether an answer may be kept for whoever asks again."""


@dataclass(slots=True, eq=False)
class Job:
    """A request on its way."""

    id: int
    request: Request
    tickets: list[Ticket] = field(default_factory=list)
    slot: Slot | None = None
    started_at: float = 0.0
    stop_at: float | None = None
    why: str = ""
    """Of the stop."""
    how_far: Searched | Stage | None = None


@dataclass(slots=True, eq=False)
class Slot:
    """A place for a worker; empty until there is work for it."""

    is_long: bool = False
    """Whether it is for long work alone."""
    worker: Worker | None = None
    job: Job | None = None
    ready_at: float | None = None
    """When the worker had started; until then it hears nothing."""
    is_killed: bool = False


class Ticket:
    """What one owner holds of a request: its place, how far it is, and in the end the answer."""

    def __init__(self, manager: Manager, owner: str, job: Job | None) -> None:
        self.owner = owner
        self.is_partial = False
        """Whether the answer is what there was when it was stopped."""
        self._manager, self.job = manager, job
        self._done = threading.Event()
        self._answer: Any = None
        self._error: EcoServeError | None = None

    @property
    def is_done(self) -> bool:
        """Whether :meth:`result` is there."""
        return self._done.is_set()

    @property
    def place(self) -> int:
        """How many start before it, counted from 1; 0 once it is at work."""
        return self._manager.place_of(self.job)

    @property
    def how_far(self) -> Searched | Stage | None:
        """How far the search or the work is, as far as it has told."""
        return self.job.how_far if self.job else None

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether it is done within this time."""
        return self._done.wait(timeout_s)

    def result(self) -> Any:
        """Waits for the answer; raises what was raised in its place."""
        self._done.wait()
        if self._error is not None:
            raise copy(self._error)  # others may hold the same one
        return self._answer

    def stop(self) -> None:
        """Takes the best there is, if it comes in time, unless others want more of it."""
        self._manager.stop(self)

    def drop(self) -> None:
        """Gives it up now; its result is that it was cancelled."""
        self._manager.drop(self)

    def finish(self, answer: Any, error: EcoServeError | None, *, is_partial: bool = False) -> None:
        """For the manager: the end."""
        self._answer, self._error, self.is_partial = answer, error, is_partial
        self._done.set()


def ending(why: str) -> SolverError:
    """An end without an answer, in words."""
    return SolverError(ENDINGS[why], why)
