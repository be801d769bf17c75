"""When offline work runs: at once, whenever replicas are spare, or when the grid is clean.

Work that may wait stands in a *desk*, one per workload and pool, in the order of its arrival, which
is that of its deadlines. A policy says how many requests a desk may start in the hour; the desk
starts them on replicas that online work does not need. What comes near its deadline starts anyway.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ecoserve.runtime.deployment import Traffic
from ecoserve.runtime.placement import RunningPool
from ecoserve.runtime.routing import Path, Router
from ecoserve.runtime.station import Clock, Request
from ecoserve.runtime.trace import hour_at
from ecoserve.scenario import Scenario
from ecoserve.units import HOURS_PER_DAY, SECONDS_PER_HOUR

Array = NDArray[np.float64]
TICK_S = 2.0
"""How often desks look for room."""
LEAD_S = 900.0
"""Work starts at the latest so long before its deadline, beside twice the time it takes."""
TRIM_ROWS = 65_536
ALL = np.inf


def default_offline(scenario: Scenario) -> str:
    """The policy that the plan counts on."""
    return "carbon" if scenario.levers.shift else "at_once"


class Backlog:
    """Waiting requests in the order of their arrival, 16 bytes each."""

    __slots__ = ("_arrival_s", "_head", "_isl", "_osl")

    def __init__(self) -> None:
        self._arrival_s = array("d")
        self._isl = array("i")
        self._osl = array("i")
        self._head = 0

    def __len__(self) -> int:
        return len(self._arrival_s) - self._head

    def put(self, arrival_s: float, isl: int, osl: int) -> None:
        """At the end."""
        self._arrival_s.append(arrival_s)
        self._isl.append(isl)
        self._osl.append(osl)

    @property
    def oldest_s(self) -> float:
        """Arrival of the first; there is one."""
        return self._arrival_s[self._head]

    def peek(self, workload: int) -> Request:
        """The first, which stays."""
        place = self._head
        return Request(workload, self._arrival_s[place], self._isl[place], self._osl[place])

    def drop(self) -> None:
        """Takes the first away."""
        self._head += 1
        if self._head >= TRIM_ROWS:
            for column in (self._arrival_s, self._isl, self._osl):
                del column[: self._head]
            self._head = 0

    def arrivals_by(self, edges_s: Sequence[float]) -> list[int]:
        """How many arrived before each of these times."""
        arrivals = np.frombuffer(self._arrival_s, dtype=float)[self._head :]
        return [int(n) for n in np.searchsorted(arrivals, edges_s)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a policy is told of a desk at the beginning of an hour.

    Arrays start with the hour at hand and reach as far as anything may wait.
    """

    due_by_hour: Array
    """Requests here or expected, by the last hour in which they may start."""
    from_hour: Array
    """Of the same requests, the first hour in which they may start: 0 for those here."""
    room: Array
    """Requests that the pool can start in each hour beside online work and other desks."""
    gco2e_per_kwh: Array
    """As forecast."""


class Offline(Protocol):
    """Says how many requests of a desk may start in the hour at hand."""

    waits: bool
    """Whether work waits at all."""

    def plan(self, outlook: Outlook) -> Array:
        """Requests to start in each hour of the outlook; what is left starts when it must."""


class AtOnce:
    """Work starts when it comes."""

    waits = False

    def plan(self, outlook: Outlook) -> Array:
        """Everything, now."""
        return np.full(len(outlook.room), ALL)


class SpareCapacity:
    """Work starts as soon as online work leaves a replica to it."""

    waits = True

    def plan(self, outlook: Outlook) -> Array:
        """Whatever there is room for."""
        return np.full(len(outlook.room), ALL)


class CarbonAware:
    """Work starts in the cleanest hours that its deadline and the pool's room leave.

    Earliest deadlines choose first; of two hours alike the earlier one.
    """

    waits = True

    def plan(self, outlook: Outlook) -> Array:
        """Requests by hour, and in the first hour also what finds no room before its deadline."""
        left = outlook.room.copy()
        order = np.argsort(outlook.gco2e_per_kwh, kind="stable")
        started = np.zeros(len(left))
        for last, n in enumerate(outlook.due_by_hour):
            if n <= 0:
                continue
            first = int(outlook.from_hour[last])
            wanted = float(n)
            for hour in order:
                if first <= hour <= last and left[hour] > 0:
                    taken = min(wanted, left[hour])
                    left[hour] -= taken
                    started[hour] += taken
                    wanted -= taken
                    if wanted <= 0:
                        break
            started[0] += wanted if first == 0 else 0.0
        return started


OFFLINES: Final[Mapping[str, type[AtOnce] | type[SpareCapacity] | type[CarbonAware]]] = {
    "at_once": AtOnce,
    "spare": SpareCapacity,
    "carbon": CarbonAware,
}
"""By the name of the policy."""


class Desk:
    """Waiting requests of one workload for one pool."""

    __slots__ = (
        "backlog",
        "credit",
        "credit_per_s",
        "deadline_s",
        "full",
        "path",
        "rate_rps",
        "workload",
    )

    def __init__(self, workload: int, path: Path, deadline_s: float, rate_rps: Array) -> None:
        self.workload = workload
        self.path = path
        self.deadline_s = deadline_s
        self.rate_rps = rate_rps
        """Expected arrivals by hour of the day, shape (24,)."""
        self.backlog = Backlog()
        self.credit = 0.0
        """Requests that may start."""
        self.credit_per_s = 0.0
        self.full = 1.0 + 2.0 * TICK_S / self.takes_s
        """Load up to which a replica gets more, so that its batch stays full between two looks."""

    @property
    def pool(self) -> RunningPool:
        """Where its work runs."""
        return self.path.first

    @property
    def _traffic(self) -> Traffic:
        return next(t for t in self.pool.deployed.traffic if t.workload == self.workload)

    @property
    def load_s(self) -> float:
        """Replica-seconds of a mean request."""
        traffic = self._traffic
        return float(traffic.flow_rps @ traffic.load_s / traffic.flow_rps.sum())

    @property
    def takes_s(self) -> float:
        """How long a mean request runs in a full batch."""
        traffic = self._traffic
        return float(traffic.flow_rps @ (traffic.load_s / traffic.share) / traffic.flow_rps.sum())


class Dispatcher:
    """Starts waiting work every two seconds, by what the policy allows in the hour."""

    def __init__(
        self,
        desks: Sequence[Desk],
        policy: Offline,
        router: Router,
        clock: Clock,
        start_h: float,
        forecast: Sequence[Array],
    ) -> None:
        self.desks = desks
        self.policy = policy
        self.router = router
        self.clock = clock
        self.start_h = start_h
        self.forecast = forecast
        """gCO2e/kWh by site and by hour since the replay's first one."""
        self.is_open = True
        self.started_late = 0
        """Requests that started after their deadline."""
        self._desks = {(desk.workload, desk.pool.number): desk for desk in desks}
        self.lead_s = [LEAD_S + 2.0 * desk.takes_s for desk in desks]

    @property
    def waiting(self) -> int:
        """Requests at all desks."""
        return sum(len(desk.backlog) for desk in self.desks)

    def due(self, now: float, stamp: None) -> None:
        """Looks for room."""
        if not self.is_open:
            return
        for number, desk in enumerate(self.desks):
            if desk.backlog:
                self._start(desk, now, self.lead_s[number])
            desk.credit = min(desk.credit + TICK_S * desk.credit_per_s, len(desk.backlog) + 1.0)
        self.clock.at(now + TICK_S, self, None)

    def _start(self, desk: Desk, now: float, lead_s: float) -> None:
        backlog, floor = desk.backlog, self._floor(desk.pool, now)
        place = desk.pool.up - 1
        while backlog:
            is_urgent = backlog.oldest_s + desk.deadline_s - lead_s <= now
            if desk.credit < 1.0 and not is_urgent:
                return
            request = backlog.peek(desk.workload)
            cell = self.router.cell(request)
            request.share = desk.path.first_share[cell]
            place, replica = _room(desk.pool, place, floor, request.share, desk.full)
            if replica is None and not is_urgent:
                return
            if replica is None:
                if not self.router.send(request, self.router.fitting(request), now):
                    return
            else:
                request.extra_s = desk.path.extra_s
                replica.offer(request, now)
            backlog.drop()
            self.router.book.active += 1
            desk.credit -= 1.0
            self.started_late += request.arrival_s + desk.deadline_s < now

    def arrive(self, request: Request, paths: Sequence[Path], now: float) -> bool:
        """Takes offline work that comes; True where it started at once."""
        cell = self.router.cell(request)
        path = self.router.routing.path(paths, cell, request, is_online=False)
        desk = self._desks.get((request.workload, path.first.number))
        if path.second is not None or desk is None:
            return self.router.send_on(request, path, paths, now)
        if self.policy.waits or not path.first.up:
            desk.backlog.put(request.arrival_s, request.isl, request.osl)
            return False
        request.share = path.first_share[cell]
        top = path.first.up - 1
        _, replica = _room(path.first, top, self._floor(path.first, now), request.share, desk.full)
        if replica is None:
            return self.router.send_on(request, path, paths, now)
        request.extra_s = path.extra_s
        replica.offer(request, now)
        return True

    def _floor(self, pool: RunningPool, now: float) -> int:
        """Replicas that are kept for online work."""
        hour = hour_at(self.start_h, now) % HOURS_PER_DAY
        return int(pool.deployed.online_by_hour[hour])

    def new_hour(self, now: float) -> None:
        """Asks the policy what each desk may start in the hour that begins."""
        hour = hour_at(self.start_h, now)
        left: dict[int, Array] = {}
        for desk in self.desks:
            horizon = round(desk.deadline_s / SECONDS_PER_HOUR) + HOURS_PER_DAY
            pool = desk.pool
            free = left.get(pool.number)
            if free is None or len(free) < horizon:
                free = _free_s(pool, hour, horizon)
            outlook = self._outlook(desk, now, hour, free[:horizon] / desk.load_s)
            started = self.policy.plan(outlook)
            used = np.minimum(np.where(np.isfinite(started), started, 0.0), outlook.room)
            left[pool.number] = free - np.pad(used * desk.load_s, (0, len(free) - horizon))
            ends_s = (hour + 1 - self.start_h) * SECONDS_PER_HOUR
            desk.credit_per_s = float(started[0]) / max(ends_s - now, TICK_S)
            desk.credit = 0.0

    def _outlook(self, desk: Desk, now: float, hour: int, room: Array) -> Outlook:
        horizon = len(room)
        hours = (np.arange(horizon) + hour) % HOURS_PER_DAY
        elapsed = max(self.start_h + now / SECONDS_PER_HOUR - hour, 0.0)
        room = room.copy()
        room[0] *= 1.0 - elapsed
        waits_h = round(desk.deadline_s / SECONDS_PER_HOUR)
        # What is here: the last hour it may start in is the one before that of its deadline.
        edges = [
            (hour + k + 1 - self.start_h) * SECONDS_PER_HOUR - desk.deadline_s
            for k in range(1, waits_h + 1)
        ]
        here = np.diff(desk.backlog.arrivals_by(edges), prepend=0)
        due, first = np.zeros(horizon), np.zeros(horizon)
        due[:waits_h] = here
        coming = desk.rate_rps[hours] * SECONDS_PER_HOUR
        coming[0] *= 1.0 - elapsed
        # What comes in r hours may start from then on; of this hour's it is all the same to us.
        due[waits_h - 1 :] += coming[: horizon - waits_h + 1]
        first[waits_h - 1 :] = np.arange(horizon - waits_h + 1)
        gco2e = self.forecast[desk.pool.deployed.site]
        begin = hour - hour_at(self.start_h, 0.0)
        return Outlook(
            due_by_hour=due,
            from_hour=first,
            room=room,
            gco2e_per_kwh=gco2e[(begin + np.arange(horizon)) % len(gco2e)],
        )


def _free_s(pool: RunningPool, hour: int, horizon: int) -> Array:
    """Replica-seconds that online work leaves in each hour, headroom kept."""
    hours = (np.arange(horizon) + hour) % HOURS_PER_DAY
    up = np.array(pool.deployed.up_by_hour, dtype=float)[hours]
    online = np.array(pool.deployed.online_by_hour)[hours]
    usable = np.maximum(up - online, 0.0) * pool.deployed.plan.planned_utilisation
    return np.asarray(usable * SECONDS_PER_HOUR)


def _room(pool: RunningPool, place: int, floor: int, share: float, full: float) -> tuple[int, Any]:
    """From replica ``place`` down to ``floor`` the first that is not ``full`` of offline work."""
    replicas = pool.replicas
    while place >= floor:
        replica = replicas[place]
        if not replica.n_online and (replica.load + share <= full or not replica.count):
            return place, replica
        place -= 1
    return place, None
