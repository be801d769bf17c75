"""Which pool and which replica a request goes to; nobody knows how long its answer will be.

A *path* is a mixed pool, or a prefill pool and the decode pool behind it. A routing policy picks
the path, a placement the replica of a pool. Both are small and can be exchanged.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ecoserve.runtime.deployment import DeployedPool
from ecoserve.runtime.meters import Book
from ecoserve.runtime.placement import (
    LeastLoaded,
    Packing,
    Placement,
    RunningPool,
    TakingTurns,
    load_of,
)
from ecoserve.runtime.station import Request

PROMPT_SPILL_TOKENS = 8192
"""Waiting tokens of prompts from which cluster scheduling falls back on mixed pools, as the
Splitwise simulator sets it."""


@dataclass(slots=True, kw_only=True)
class Path:
    """A way for one workload; lists by cell of input length."""

    first: RunningPool
    second: RunningPool | None
    weight: list[float]
    first_share: list[float]
    """Of a replica; of prefill pools, seconds of prefill."""
    second_share: list[float]
    extra_s: float
    capacity_tokens: float
    owed: list[float]
    """Requests that it should have got by its weight and has not."""


class Routing(Protocol):
    """Picks the path of a request."""

    placements: Mapping[str, Callable[[Sequence[Any], DeployedPool], Placement]]
    """By role."""

    def path(self, paths: Sequence[Path], cell: int, request: Request, *, is_online: bool) -> Path:
        """One of the workload's paths, all of which have the memory."""


class PlanWeights:
    """The plan's share of every length; packing in pools that decode, shortest queue in prefill."""

    placements: Mapping[str, Callable[[Sequence[Any], DeployedPool], Placement]] = {
        "mixed": Packing,
        "decode": Packing,
        "prefill": LeastLoaded,
        "host_cpu": Packing,
    }

    def path(self, paths: Sequence[Path], cell: int, request: Request, *, is_online: bool) -> Path:
        """The one that is furthest behind its share."""
        best, most, total = paths[0], -1e300, 0.0
        for path in paths:
            if path.first.up and (path.second is None or path.second.up):
                weight = path.weight[cell]
                total += weight
                path.owed[cell] = owed = path.owed[cell] + weight
                if owed > most:
                    best, most = path, owed
        best.owed[cell] -= total
        return best


class PackedPaths(PlanWeights):
    """Online requests take the first path, by the plan's shares, that has room for their length.

    So whole pools stay idle, as they do in the plan's account. Offline work is split by the plan's
    weights, which decide what of it may wait.
    """

    def path(self, paths: Sequence[Path], cell: int, request: Request, *, is_online: bool) -> Path:
        """In the order of their shares; by the plan's weights where all are full."""
        for path in paths if is_online else ():
            if not path.weight[cell]:
                continue
            pool = path.second or path.first
            if path.first.up and pool.up and pool.has_room(request, path.second_share[cell]):
                return path
        return super().path(paths, cell, request, is_online=is_online)


class PlanShortestQueue(PlanWeights):
    """The plan's shares, then the shortest queue everywhere."""

    placements: Mapping[str, Callable[[Sequence[Any], DeployedPool], Placement]] = dict.fromkeys(
        ("mixed", "decode", "prefill", "host_cpu"), LeastLoaded
    )


class EvenTurns:
    """Paths and replicas one after the other, whatever the plan says: the floor."""

    placements: Mapping[str, Callable[[Sequence[Any], DeployedPool], Placement]] = dict.fromkeys(
        ("mixed", "decode", "prefill", "host_cpu"), TakingTurns
    )

    def __init__(self) -> None:
        self._turn = 0

    def path(self, paths: Sequence[Path], cell: int, request: Request, *, is_online: bool) -> Path:
        """The next one that is up."""
        ready = [p for p in paths if p.first.up and (p.second is None or p.second.up)]
        self._turn += 1
        return (ready or paths)[self._turn % len(ready or paths)]


class ClusterScheduling(PlanShortestQueue):
    """Prefill and decode pools by the shortest queue, mixed pools where prompts pile up.

    After the cluster scheduler of Splitwise: a request goes to the prefill pool whose shortest
    queue is shortest, and to a mixed pool once more than 8,192 tokens wait there.
    """

    def path(self, paths: Sequence[Path], cell: int, request: Request, *, is_online: bool) -> Path:
        """By the least prefill that waits."""
        apart = [p for p in paths if p.second is not None and p.first.up and p.second.up]
        mixed = [p for p in paths if p.second is None and p.first.up]
        if apart:
            best = min(apart, key=lambda p: _shortest(p.first))
            replica = best.first.placement.least()
            waiting = sum(waiting.isl for waiting in replica.queue)
            if waiting <= PROMPT_SPILL_TOKENS or not mixed:
                return best
        return min(mixed, key=lambda p: _shortest(p.first)) if mixed else paths[0]


def _shortest(pool: RunningPool) -> float:
    return load_of(pool.placement.least())


ROUTINGS: Final[Mapping[str, Callable[[], Routing]]] = {
    "plan": PlanWeights,
    "packed": PackedPaths,
    "shortest_queue": PlanShortestQueue,
    "splitwise": ClusterScheduling,
    "round_robin": EvenTurns,
}
"""By the name of the policy."""


class Router:
    """Sends requests along the paths of their workload."""

    def __init__(
        self,
        routing: Routing,
        paths: Sequence[Sequence[Path]],
        edges: Sequence[Sequence[int]],
        is_online: Sequence[bool],
        book: Book,
    ) -> None:
        self.routing = routing
        self.book = book
        self.paths = paths
        """By workload."""
        self.edges = edges
        self.is_online = is_online
        self.least_capacity = [
            min((path.capacity_tokens for path in mine), default=0.0) for mine in paths
        ]
        self.onward: dict[Request, Path] = {}
        """Requests in prefill or on the link, with where they go next."""
        self.spilled = 0
        """Requests that found no room where the plan wanted them."""

    def fitting(self, request: Request) -> Sequence[Path]:
        """The paths with the memory for it, length of the answer included."""
        paths, tokens = self.paths[request.workload], request.isl + request.osl
        if tokens < self.least_capacity[request.workload]:
            return paths
        return [path for path in paths if tokens < path.capacity_tokens]

    def cell(self, request: Request) -> int:
        """Of the input length."""
        return bisect_left(self.edges[request.workload], request.isl)

    def send(self, request: Request, paths: Sequence[Path], now: float) -> bool:
        """Offers it to a replica at once; False where none is up."""
        online = self.is_online[request.workload]
        path = self.routing.path(paths, self.cell(request), request, is_online=online)
        return self.send_on(request, path, paths, now)

    def send_on(self, request: Request, path: Path, paths: Sequence[Path], now: float) -> bool:
        """The same along this path, or another where only that has room."""
        cell = self.cell(request)
        online = self.is_online[request.workload]
        replica = path.first.pick(request, path.first_share[cell], is_online=online)
        if replica is None and len(paths) > 1:
            for other in paths:
                if not other.weight[cell] or (other.second is not None and not other.second.up):
                    continue
                replica = other.first.pick(request, other.first_share[cell], is_online=online)
                if replica is not None:
                    self.spilled += 1
                    path = other
                    break
        if replica is None:
            request.share = path.first_share[cell]
            replica = path.first.placement.least()
        if replica is None:
            return False
        request.extra_s = path.extra_s
        if path.second is not None:
            self.onward[request] = path
        elif online:
            replica.n_online += 1
        replica.offer(request, now)
        return True

    def due(self, now: float, stamp: Request) -> None:
        """A KV cache has arrived: on to a decode replica."""
        path = self.onward.pop(stamp)
        cell = self.cell(stamp)
        online = self.is_online[stamp.workload]
        pool = path.second
        assert pool is not None, "only paths of two pools send KV caches"
        replica = pool.pick(stamp, path.second_share[cell], is_online=online)
        if replica is None:
            for other in self.paths[stamp.workload]:
                if other.second is None or not other.weight[cell] or not other.second.up:
                    continue
                if stamp.isl + stamp.osl < other.capacity_tokens:
                    replica = other.second.pick(stamp, other.second_share[cell], is_online=online)
                    if replica is not None:
                        self.spilled += 1
                        break
        if replica is None:
            stamp.share = path.second_share[cell]
            replica = pool.placement.least() or pool.replicas[0]
        if online:
            replica.n_online += 1
        if stamp.made < stamp.osl:
            replica.offer(stamp, now)
        else:
            self.book.finish(stamp, now, replica)
