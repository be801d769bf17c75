"""A replica whose steps and prompts take round times, and a stepper to check the replay against."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ecoserve.runtime.meters import Bins, Book, Seen
from ecoserve.runtime.pace import Pace
from ecoserve.runtime.replica import Replica
from ecoserve.runtime.station import Clock, Request, Station

STEP_S, PER_SEQUENCE_S, PER_TOKEN_S, PER_PROMPT_TOKEN_S = 0.01, 0.001, 1e-6, 0.001
FLOOR_W, STEP_J, PER_TOKEN_J, PROMPT_W = 100.0, 2.0, 1e-3, 500.0
NEVER = 1e9
MINUTES = 2000
"""Of bins that are open from the beginning."""


def round_pace(
    capacity_tokens: float = 1e6, max_seqs: int = 100, per_token_s: float = PER_TOKEN_S
) -> Pace:
    """10 ms a step, 1 ms a sequence, 1 us a token held, 1 ms a token of a prompt."""
    return Pace(
        max_seqs=max_seqs,
        capacity_tokens=capacity_tokens,
        is_affine=True,
        step0_s=[STEP_S + PER_SEQUENCE_S * b for b in range(max_seqs + 1)],
        step0_j=[STEP_J] * (max_seqs + 1),
        per_token_s=per_token_s,
        per_token_j=PER_TOKEN_J,
        floor_w=FLOOR_W,
        cap_w=1e9,
        curve=lambda batch, context: (0.0, 0.0, 0.0, 0.0),
        prompt_table=lambda cached: (
            lambda tokens: (
                tokens * PER_PROMPT_TOKEN_S,
                tokens * PER_PROMPT_TOKEN_S * PROMPT_W,
            )
        ),
    )


class Rig:
    """Replicas of one station with its clock and books."""

    def __init__(self, pace: Pace, n: int = 1, chunk_tokens: int = 10_000) -> None:
        self.clock, self.bins = Clock(), Bins((0,))
        self.seen = Seen(is_online=False, ttft_limit_s=NEVER, tpot_limit_s=NEVER, deadline_s=NEVER)
        book = Book([self.seen])
        self.station = Station(
            pace, {0: pace.prompts(0.0)}, chunk_tokens, self.clock, self.bins, book
        )
        self.replicas = [Replica(self.station, i) for i in range(n)]
        for _ in range(MINUTES):
            self.bins.open_minute()

    def serve(self, rows: Sequence[tuple[float, int, int]]) -> list[tuple[float, float]]:
        """First token and end of each (arrival, input, output), all on the first replica."""
        ends: dict[int, float] = {}
        finish = self.seen.finish

        class Ends(Book):
            def finish(self, request: Request, now: float, replica: object) -> None:
                ends[id(request)] = now
                finish(request, now)

        self.station.book = Ends([])
        requests = []
        for arrival_s, isl, osl in rows:
            self.clock.run_until(arrival_s)
            requests.append(Request(0, arrival_s, isl, osl))
            self.seen.requests += 1
            self.replicas[0].offer(requests[-1], arrival_s)
        self.clock.run_until(math.inf)
        return [(request.first_s, ends[id(request)]) for request in requests]


class Stepper:
    """The same policy, every single step played out: the oracle of the jumps."""

    def __init__(
        self, rows: Sequence[tuple[float, int, int]], pace: Pace, chunk_tokens: int
    ) -> None:
        self.rows, self.pace, self.chunk_tokens = rows, pace, chunk_tokens
        self.first, self.end = [-1.0] * len(rows), [-1.0] * len(rows)
        self.made = [0] * len(rows)
        self.joined: list[int] = []
        self.waiting: list[int] = []
        self.partial, self.left = -1, 0
        self.now, self.arrived = 0.0, 0

    def tokens(self, i: int) -> int:
        return self.rows[i][1] + self.made[i]

    def held(self) -> int:
        prompt = self.tokens(self.partial) if self.partial >= 0 else 0
        return prompt + sum(self.tokens(i) for i in self.joined)

    def admit(self) -> None:
        budget = self.chunk_tokens
        while budget > 0 and (self.partial >= 0 or self.waiting):
            if self.partial < 0:
                i = self.waiting[0]
                wanted = self.held() + self.tokens(i) + len(self.joined) + 1
                if len(self.joined) >= self.pace.max_seqs or wanted > self.pace.capacity_tokens:
                    return
                self.partial, self.left = self.waiting.pop(0), self.tokens(i)
            done = min(self.left, budget)
            self.now += done * PER_PROMPT_TOKEN_S
            self.left, budget = self.left - done, budget - done
            if self.left:
                return
            self.joined.append(self.partial)
            self.partial = -1

    def preempt(self) -> bool:
        before = len(self.joined)
        while self.joined and self.held() + len(self.joined) > self.pace.capacity_tokens:
            self.waiting.insert(0, self.joined.pop())
        return len(self.joined) < before

    def step(self) -> None:
        if not self.joined:
            return
        context = sum(self.tokens(i) for i in self.joined)
        self.now += STEP_S + PER_SEQUENCE_S * len(self.joined) + self.pace.per_token_s * context
        for i in self.joined:
            self.made[i] += 1
            self.first[i] = self.now if self.first[i] < 0 else self.first[i]
            if self.made[i] == self.rows[i][2]:
                self.end[i] = self.now
        self.joined = [i for i in self.joined if self.end[i] < 0]

    def run(self) -> list[tuple[float, float]]:
        """First token and end of each request."""
        while min(self.end) < 0:
            rows = self.rows
            while self.arrived < len(rows) and rows[self.arrived][0] <= self.now + 1e-12:
                self.waiting.append(self.arrived)
                self.arrived += 1
            if not self.waiting and not self.joined and self.partial < 0:
                self.now = rows[self.arrived][0]
                continue
            if not self.preempt():
                self.admit()
            self.step()
        return list(zip(self.first, self.end, strict=True))
