"""What the replay adds up while it runs: energy and work by minute, and what users saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ecoserve.runtime.sketch import Sketch

if TYPE_CHECKING:
    from ecoserve.runtime.station import Request

SECONDS_PER_MINUTE = 60.0
PER_SECOND = 1.0 / SECONDS_PER_MINUTE


class Bins:
    """The work of a pool by minute of the replay.

    The lists reach to the minute that is under way: :meth:`open_minute` keeps them so.
    """

    __slots__ = ("batch_s", "busy_s", "joules")

    def __init__(self, workloads: tuple[int, ...]) -> None:
        self.joules: dict[int, list[float]] = {workload: [0.0] for workload in workloads}
        """At the wall above idle, by workload."""
        self.busy_s: list[float] = [0.0]
        """Replica-seconds at work."""
        self.batch_s: list[float] = [0.0]
        """Sequence-seconds in batches."""

    def open_minute(self) -> None:
        """Another minute begins."""
        for column in (*self.joules.values(), self.busy_s, self.batch_s):
            column.append(0.0)

    def add(self, workload: int, start: float, end: float, joules: float, batch: int) -> None:
        """A stretch of work, evenly over its time."""
        minute = int(start * PER_SECOND)
        if end <= (minute + 1) * SECONDS_PER_MINUTE:
            seconds = end - start
            self.joules[workload][minute] += joules
            self.busy_s[minute] += seconds
            self.batch_s[minute] += batch * seconds
            return
        self._spread({workload: joules}, start, end, batch)

    def add_mix(
        self, mix: Mapping[int, int], start: float, end: float, joules: float, batch: int
    ) -> None:
        """A stretch of work for several workloads, its energy by their requests."""
        total = sum(mix.values())
        self._spread(
            {workload: joules * n / total for workload, n in mix.items() if n}, start, end, batch
        )

    def _spread(self, joules: Mapping[int, float], start: float, end: float, batch: int) -> None:
        minute = int(start * PER_SECOND)
        per_s = 1.0 / (end - start) if end > start else 0.0
        while True:
            edge = min(end, (minute + 1) * SECONDS_PER_MINUTE)
            seconds = edge - start
            share = seconds * per_s if per_s else 1.0
            for workload, amount in joules.items():
                self.joules[workload][minute] += amount * share
            self.busy_s[minute] += seconds
            self.batch_s[minute] += batch * seconds
            if edge >= end:
                return
            start, minute = edge, minute + 1


class Seen:
    """What the users of one workload saw."""

    __slots__ = (
        "both_ok",
        "carried_in",
        "deadline_misses",
        "deadline_s",
        "in_system_s",
        "input_tokens",
        "is_online",
        "output_tokens",
        "requests",
        "served",
        "too_long",
        "tpot",
        "tpot_limit_s",
        "tpot_ok",
        "ttft",
        "ttft_limit_s",
        "ttft_ok",
    )

    def __init__(
        self, *, is_online: bool, ttft_limit_s: float, tpot_limit_s: float, deadline_s: float
    ) -> None:
        self.is_online = is_online
        self.ttft_limit_s = ttft_limit_s
        self.tpot_limit_s = tpot_limit_s
        self.deadline_s = deadline_s
        self.requests = 0
        self.carried_in = 0
        """Requests that were waiting when the replay began."""
        self.served = 0
        self.too_long = 0
        """No pool that may serve them has the memory."""
        self.ttft, self.tpot = Sketch(), Sketch()
        self.ttft_ok = 0
        self.tpot_ok = 0
        self.both_ok = 0
        self.deadline_misses = 0
        self.in_system_s = 0.0
        self.input_tokens = 0
        """Of what was served; likewise ``output_tokens``."""
        self.output_tokens = 0

    def finish(self, request: Request, now: float) -> None:
        """A request is served."""
        self.served += 1
        osl = request.osl
        self.input_tokens += request.isl
        self.output_tokens += osl
        passed = now - request.arrival_s
        self.in_system_s += passed
        ttft = request.first_s - request.arrival_s + request.extra_s
        self.ttft.add(ttft)
        in_time = ttft <= self.ttft_limit_s
        paced = True
        if osl > 1:
            tpot = (now - request.first_s) / (osl - 1)
            self.tpot.add(tpot)
            paced = tpot <= self.tpot_limit_s
        self.ttft_ok += in_time
        self.tpot_ok += paced
        self.both_ok += in_time and paced
        if passed > self.deadline_s:
            self.deadline_misses += 1


class Book:
    """The workloads' records and how many requests are under way."""

    __slots__ = ("active", "seen")

    def __init__(self, seen: list[Seen]) -> None:
        self.seen = seen
        self.active = 0

    def finish(self, request: Request, now: float, replica: Any) -> None:
        """A request leaves its replica, served."""
        self.active -= 1
        seen = self.seen[request.workload]
        if seen.is_online:
            replica.n_online -= 1
        seen.finish(request, now)
