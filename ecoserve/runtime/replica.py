"""One replica: continuous batching that jumps from one change of its batch to the next.

Between an arrival, the end of a sequence, the end of a chunk of a prompt and the moment memory runs
out, the batch is what it is, and a step differs from the one before only by the tokens the batch
holds. So a *run* of k steps is one event with a closed form (:mod:`ecoserve.runtime.pace`), and an
arrival cuts a run at the end of the step it falls into.

A step carries prompts of up to ``chunk_tokens`` beside the batch and lasts what both take one after
the other, as in the planner; a prompt that is through takes part in the decode step of the same
step, whose token is its first.
"""

from __future__ import annotations

import math
from collections import deque
from heapq import heapify, heappop, heappush

from ecoserve.runtime.pace import Pace
from ecoserve.runtime.station import Event, Request, Station

EARLY = 1e-9
"""Share of a step by which rounding may end it before an arrival at its end."""


class Replica:
    """A mixed or a decode replica, or a socket of a host."""

    __slots__ = (
        "batch",
        "chunk_j",
        "chunk_s",
        "closed",
        "coefficients",
        "context",
        "count",
        "finishing",
        "first",
        "held",
        "index",
        "is_busy",
        "left",
        "load",
        "mix",
        "n_joined",
        "n_online",
        "partial",
        "queue",
        "run_steps",
        "stamp",
        "start_s",
        "station",
        "steps",
    )

    def __init__(self, station: Station, index: int) -> None:
        self.station = station
        self.index = index
        self.queue: deque[Request] = deque()
        self.count = 0
        """Requests here, waiting ones too."""
        self.load = 0.0
        """Of the planned batch, as the scheduler estimates it."""
        self.closed = False
        """Whether the placement has taken it off its list."""
        self.n_online = 0
        self.mix: dict[int, int] = {}
        """Admitted requests by workload, in pools of several."""
        self.batch = 0
        self.steps = 0
        self.context = 0
        """Tokens that the batch holds."""
        self.held = 0
        """Those and the tokens of a prompt in the middle of its prefill."""
        self.finishing: list[tuple[int, int, Request]] = []
        """The batch, by the step count at which each ends, then by who joined first."""
        self.n_joined = 0
        self.partial: Request | None = None
        self.left = 0
        """Tokens of it that are still to be prefilled."""
        self.first: list[Request] = []
        """Who gets a first token at the end of this step."""
        self.is_busy = False
        self.start_s = 0.0
        self.run_steps = 0
        self.coefficients = (0.0, 0.0, 0.0, 0.0)
        self.chunk_s = 0.0
        self.chunk_j = 0.0
        self.stamp = 0

    def offer(self, request: Request, now: float) -> None:
        """Takes a request that fits its memory."""
        self.queue.append(request)
        self.count += 1
        self.load += request.share
        if not self.is_busy:
            self._begin(now)
        elif self.run_steps > 1 and len(self.queue) == 1 and self.partial is None:
            pace = self.station.pace
            wanted = self.held + request.isl + request.made + self.batch + 1
            if self.batch < pace.max_seqs and wanted <= pace.capacity_tokens:
                self._cut(now)

    def _cut(self, now: float) -> None:
        """Ends the run with the step that is under way."""
        first, slope, _, _ = self.coefficients
        half = 0.5 * slope * self.batch
        step = first + slope * self.context - half
        # The least whole j with j (step + half j) >= the time passed.
        passed = (now - self.start_s) * (1.0 - EARLY)
        root = 2.0 * passed / (step + math.sqrt(step * step + 4.0 * half * passed))
        steps = max(1, math.ceil(root))
        if steps < self.run_steps:
            self.run_steps = steps
            self.stamp += 1
            end = self.start_s + steps * (step + half * steps)
            self.station.clock.at(max(end, now), self, self.stamp)

    def due(self, now: float, stamp: int) -> None:
        """The end of a run; nothing where it was cut before."""
        if stamp != self.stamp:
            return
        station = self.station
        batch, k = self.batch, self.run_steps
        self._measure(now, batch, k)
        if k:
            self.steps = steps = self.steps + k
            grown = k * batch
            self.context += grown
            self.held += grown
            if self.first:
                for request in self.first:
                    if request.first_s < 0.0:
                        request.first_s = now
                self.first = []
            finishing = self.finishing
            if finishing and finishing[0][0] <= steps:
                while finishing and finishing[0][0] <= steps:
                    self._finish(heappop(finishing)[2], now)
                if self.closed:
                    station.freed(self)
        self._begin(now)

    def _finish(self, request: Request, now: float) -> None:
        tokens = request.isl + request.osl
        self.context -= tokens
        self.held -= tokens
        self.batch -= 1
        self.count -= 1
        self.load = self.load - request.share if self.count else 0.0
        station = self.station
        if station.only < 0:
            self.mix[request.workload] -= 1
        station.book.finish(request, now, self)

    def _measure(self, now: float, batch: int, k: int) -> None:
        """Energy and time of the run that ends."""
        station = self.station
        pace = station.pace
        start, joules = self.start_s, self.chunk_j
        if k:
            step0_s, per_token_s, step0_j, per_token_j = self.coefficients
            held = k * self.context + 0.5 * batch * k * (k - 1)
            duration = k * step0_s + per_token_s * held
            drawn = pace.floor_w * duration + k * step0_j + per_token_j * held
            most = pace.cap_w * duration
            joules += drawn if drawn < most else most
        if station.only >= 0:
            station.bins.add(station.only, start, now, joules, batch)
        else:
            station.bins.add_mix(self.mix, start, now, joules, batch)

    def _begin(self, now: float) -> None:
        """Starts the next run, or rests."""
        station = self.station
        pace = station.pace
        capacity = pace.capacity_tokens
        self.chunk_s = self.chunk_j = 0.0
        if self.held + self.batch > capacity:
            self._preempt()
            if not self.batch:  # a long prompt took the room: on with it
                self._admit(pace)
        elif self.queue or self.partial is not None:
            self._admit(pace)
        batch = self.batch
        self.is_busy = batch > 0 or self.chunk_s > 0.0
        if not self.is_busy:
            return
        end = now + self.chunk_s
        k = 0
        if batch:
            k = 1
            context = self.context
            if self.chunk_s == 0.0 and self.partial is None:
                k = self.finishing[0][0] - self.steps
                room = int((capacity - self.held) // batch)
                if room < k:
                    k = max(room, 1)
            self.coefficients = found = pace.coefficients(batch, context)
            end += k * found[0] + found[1] * (k * context + 0.5 * batch * k * (k - 1))
        self.run_steps = k
        self.start_s = now
        self.stamp += 1
        station.clock.at(end, self, self.stamp)

    def _admit(self, pace: Pace) -> None:
        """Takes waiting requests into the batch, as far as memory and the chunk reach."""
        station, queue = self.station, self.queue
        budget, capacity = station.chunk_tokens, pace.capacity_tokens
        partial = self.partial
        while budget > 0:
            if partial is None:
                if not queue or self.batch >= pace.max_seqs:
                    break
                request = queue[0]
                tokens = request.isl + request.made
                if self.held + tokens + self.batch + 1 > capacity:
                    break
                queue.popleft()
                self.held += tokens
                if station.only < 0:
                    self.mix[request.workload] = self.mix.get(request.workload, 0) + 1
                if request.ready:
                    self._join(request, tokens)
                    continue
                self.left = tokens
            else:
                request = partial
                tokens = request.isl + request.made
            seconds, joules = station.prompts[request.workload].at(tokens)
            done = self.left if self.left <= budget else budget
            self.chunk_s += seconds * done / tokens
            self.chunk_j += joules * done / tokens
            budget -= done
            self.left -= done
            if self.left:
                partial = request
                break
            partial = None
            self._join(request, tokens)
            self.first.append(request)
        self.partial = partial

    def _join(self, request: Request, tokens: int) -> None:
        self.batch += 1
        self.context += tokens
        request.joined = self.steps - request.made
        self.n_joined += 1
        ends = self.steps + request.osl - request.made
        heappush(self.finishing, (ends, self.n_joined, request))

    def _preempt(self) -> None:
        """Puts those who joined last back in line, to be prefilled again, until a step fits."""
        finishing = self.finishing
        finishing.sort(key=lambda entry: entry[1])
        while self.batch and self.held + self.batch > self.station.pace.capacity_tokens:
            request = finishing.pop()[2]
            request.made = self.steps - request.joined
            request.ready = False
            tokens = request.isl + request.made
            self.context -= tokens
            self.held -= tokens
            self.batch -= 1
            if self.station.only < 0:
                self.mix[request.workload] -= 1
            self.queue.appendleft(request)
            self.station.preempted += 1
        heapify(finishing)


class Prompter:
    """A prefill replica: prompts one by one, then the KV cache over its share of the server's NICs.

    The first token counts when the cache has arrived, as in the planner.
    """

    __slots__ = (
        "closed",
        "count",
        "index",
        "is_busy",
        "kv_s_per_token",
        "link_free_s",
        "load",
        "n_online",
        "onward",
        "queue",
        "start_s",
        "station",
    )

    def __init__(self, station: Station, index: int, kv_s_per_token: float, onward: Event) -> None:
        self.station = station
        self.index = index
        self.kv_s_per_token = kv_s_per_token
        self.onward = onward
        self.queue: deque[Request] = deque()
        self.count = 0
        self.load = 0.0
        self.closed = False
        self.n_online = 0
        self.is_busy = False
        self.start_s = 0.0
        self.link_free_s = 0.0

    def offer(self, request: Request, now: float) -> None:
        """Takes a request."""
        self.queue.append(request)
        self.count += 1
        self.load += request.share
        if not self.is_busy:
            self._begin(now)

    def _begin(self, now: float) -> None:
        self.is_busy = bool(self.queue)
        if self.is_busy:
            request = self.queue[0]
            self.start_s = now
            seconds, joules = self.station.prompts[request.workload].at(request.isl)
            self.station.clock.at(now + seconds, self, joules)

    def due(self, now: float, stamp: float) -> None:
        """A prompt is through; ``stamp`` is its energy."""
        station = self.station
        request = self.queue.popleft()
        self.count -= 1
        self.load = self.load - request.share if self.count else 0.0
        station.bins.add(request.workload, self.start_s, now, stamp, 1)
        begins = self.link_free_s if self.link_free_s > now else now
        arrives = begins + self.kv_s_per_token * request.isl
        self.link_free_s = arrives
        request.first_s = arrives
        request.made = 1
        request.ready = True
        station.clock.at(arrives, self.onward, request)
        if self.closed:
            station.freed(self)
        self._begin(now)
