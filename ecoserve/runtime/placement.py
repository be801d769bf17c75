"""Which replica of a pool a request goes to: packed, to the shortest queue, or in turn."""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Sequence
from typing import Any, Protocol

from ecoserve.runtime.deployment import DeployedPool
from ecoserve.runtime.station import Request, Station

FULL = 0.99
"""Share of the most load from which a replica counts as full."""
FEW = 24
"""Up to so many replicas are looked through one by one."""


class Placement(Protocol):
    """Picks a replica of a pool."""

    def choose(self, request: Request, *, is_online: bool) -> Any:
        """The replica; None where none has room."""

    def least(self) -> Any:
        """The replica that takes it where none has room."""

    def resize(self, up: int) -> None:
        """So many replicas are up, those with the lowest numbers."""

    def freed(self, replica: Any) -> None:
        """A replica that was marked as closed has room again."""


class Packing:
    """Fills replicas, lowest number first, and leaves the others idle.

    As full as the plan has them at most: to its utilisation of the planned batch, so that headroom
    is left to those who are here already. One with ``patience`` prompts waiting, or with offline
    work, is passed over for online requests while another has room.
    """

    def __init__(self, replicas: Sequence[Any], deployed: DeployedPool) -> None:
        self.replicas = replicas
        self.patience = deployed.patience
        self.full = deployed.plan.planned_utilisation
        self.open: list[int] = []
        self.up = 0

    def resize(self, up: int) -> None:
        """So many replicas are up."""
        self.up = up
        self.open = []
        for replica in self.replicas:
            replica.closed = replica.index >= up or replica.load >= FULL * self.full
            if not replica.closed:
                self.open.append(replica.index)

    def choose(self, request: Request, *, is_online: bool) -> Any:
        """The first with room."""
        share, opened, replicas = request.share, self.open, self.replicas
        patience, full = self.patience, self.full
        second = None
        place = 0
        while place < len(opened):
            replica = replicas[opened[place]]
            load = replica.load
            if load >= FULL * full:
                replica.closed = True
                del opened[place]
                continue
            if load + share <= full or not replica.count:
                alone = not is_online or replica.count == replica.n_online
                if alone and len(replica.queue) < patience:
                    return replica
                if second is None or len(replica.queue) < len(second.queue):
                    second = replica
            place += 1
        return second

    def least(self) -> Any:
        """The least loaded; None where no replica is up."""
        return min(self.replicas[: self.up], key=load_of, default=None)

    def freed(self, replica: Any) -> None:
        """Back on the list."""
        if replica.load < FULL * self.full and replica.index < self.up:
            replica.closed = False
            insort(self.open, replica.index)


class LeastLoaded:
    """Join the shortest queue, measured by the estimated load."""

    def __init__(self, replicas: Sequence[Any], _deployed: DeployedPool | None = None) -> None:
        self.replicas = replicas
        self.up = 0
        self._heap: list[tuple[float, int]] = []

    def resize(self, up: int) -> None:
        """So many replicas are up."""
        self.up = up
        for replica in self.replicas:
            replica.closed = up > FEW and replica.index < up
        self._rebuild()

    def _rebuild(self) -> None:
        self._heap = [(replica.load, replica.index) for replica in self.replicas[: self.up]]
        heapq.heapify(self._heap)

    def choose(self, request: Request, *, is_online: bool) -> Any:
        """Always the shortest."""
        if self.up <= FEW:
            return min(self.replicas[: self.up], key=load_of, default=None)
        heap = self._heap
        if len(heap) > 8 * self.up:
            self._rebuild()
            heap = self._heap
        while True:
            load, index = heap[0]
            replica = self.replicas[index]
            if load == replica.load:
                heapq.heapreplace(heap, (load + request.share, index))
                return replica
            heapq.heapreplace(heap, (replica.load, index))

    def least(self) -> Any:
        """Nothing beyond :meth:`choose`."""
        return min(self.replicas[: self.up], key=load_of, default=None)

    def freed(self, replica: Any) -> None:
        """Has become shorter."""
        if replica.index < self.up:
            heapq.heappush(self._heap, (replica.load, replica.index))


class TakingTurns:
    """One after the other, whatever their load."""

    def __init__(self, replicas: Sequence[Any], _deployed: DeployedPool | None = None) -> None:
        self.replicas = replicas
        self.up = 0
        self._next = 0

    def resize(self, up: int) -> None:
        """So many replicas are up."""
        self.up = up

    def choose(self, request: Request, *, is_online: bool) -> Any:
        """The next."""
        if not self.up:
            return None
        self._next = (self._next + 1) % self.up
        return self.replicas[self._next]

    def least(self) -> Any:
        """The next, too."""
        return self.replicas[self._next] if self.up else None

    def freed(self, replica: Any) -> None:
        """Does not matter."""


def load_of(replica: Any) -> float:
    """As the scheduler estimates it."""
    load: float = replica.load
    return load


class RunningPool:
    """A pool of the replay."""

    __slots__ = ("deployed", "number", "placement", "replicas", "station", "up")

    def __init__(self, number: int, deployed: DeployedPool, station: Station) -> None:
        self.number = number
        self.deployed = deployed
        self.station = station
        self.replicas: list[Any] = []
        self.up = 0
        self.placement: Placement

    def staff(self, replicas: list[Any], placement: Placement) -> None:
        """Its replicas and who picks among them."""
        self.replicas = replicas
        self.placement = placement
        self.station.freed = placement.freed

    def resize(self, up: int) -> None:
        """So many replicas are up."""
        self.up = up
        self.placement.resize(up)

    def has_room(self, request: Request, share: float) -> bool:
        """Whether the placement finds a replica with room."""
        request.share = share
        return self.placement.choose(request, is_online=True) is not None

    def pick(self, request: Request, share: float, *, is_online: bool) -> Any:
        """The replica it goes to; None where no replica has room."""
        request.share = share
        return self.placement.choose(request, is_online=is_online)
