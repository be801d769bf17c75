"""Requests, the clock that calls replicas, and what the replicas of a pool share."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Protocol

from ecoserve.runtime.meters import Bins, Book
from ecoserve.runtime.pace import Pace, PromptPace


class Request:
    """A request on its way; lengths in tokens, times in s of the replay."""

    __slots__ = (
        "arrival_s",
        "extra_s",
        "first_s",
        "isl",
        "joined",
        "made",
        "osl",
        "ready",
        "share",
        "workload",
    )

    def __init__(
        self, workload: int, arrival_s: float, isl: int, osl: int, share: float = 0.0
    ) -> None:
        self.workload = workload
        self.arrival_s = arrival_s
        self.isl = isl
        self.osl = osl
        self.share = share
        """Of a replica, as the scheduler estimates it."""
        self.extra_s = 0.0
        """Front end and network, part of its TTFT."""
        self.made = 0
        """Tokens of the answer that are there before it joins a batch."""
        self.joined = 0
        """Step count of the replica at its first token."""
        self.first_s = -1.0
        self.ready = False
        """Whether its KV cache comes along, so that nothing is left to prefill."""


class Event(Protocol):
    """Whatever the clock calls."""

    def due(self, now: float, stamp: Any) -> None:
        """Called at its time with what it was scheduled with."""


class Clock:
    """Events by time; those of one time in the order in which they were asked for."""

    __slots__ = ("_asked", "events")

    def __init__(self) -> None:
        self.events: list[tuple[float, int, Event, Any]] = []
        self._asked = 0

    def at(self, time_s: float, event: Event, stamp: Any) -> None:
        """Calls ``event.due(time_s, stamp)`` then."""
        self._asked += 1
        heappush(self.events, (time_s, self._asked, event, stamp))

    def run_until(self, time_s: float) -> None:
        """Everything due before or at this time."""
        events = self.events
        while events and events[0][0] <= time_s:
            now, _, event, stamp = heappop(events)
            event.due(now, stamp)


class Station:
    """What the replicas of one pool share."""

    __slots__ = (
        "bins",
        "book",
        "chunk_tokens",
        "clock",
        "freed",
        "only",
        "pace",
        "preempted",
        "prompts",
    )

    def __init__(
        self,
        pace: Pace,
        prompts: dict[int, PromptPace],
        chunk_tokens: int,
        clock: Clock,
        bins: Bins,
        book: Book,
    ) -> None:
        self.pace = pace
        self.prompts = prompts
        """By workload."""
        self.chunk_tokens = chunk_tokens
        self.clock = clock
        self.bins = bins
        self.book = book
        self.only = next(iter(prompts)) if len(prompts) == 1 else -1
        """The workload, where there is one."""
        self.preempted = 0
        self.freed: Callable[[Any], None] = _nothing
        """Told of a replica that has more room than before, where the placement asked for it."""


def _nothing(replica: Any) -> None:
    """The placement keeps no list."""
