"""The replay: traffic in, what users saw and what the meters read out.

Events in the order of time: arrivals, ends of runs, KV caches that arrive, ticks of the desks where
offline work waits, minutes and hours. The same traffic, seed and policies give the same result.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecoserve.demand import WorkloadDemand
from ecoserve.runtime.deployment import DeployedPool, Deployment
from ecoserve.runtime.meters import SECONDS_PER_MINUTE, Bins, Book, Seen
from ecoserve.runtime.offline import OFFLINES, Desk, Dispatcher
from ecoserve.runtime.placement import RunningPool
from ecoserve.runtime.replica import Prompter, Replica
from ecoserve.runtime.routing import ROUTINGS, Path, Router
from ecoserve.runtime.station import Clock, Request, Station
from ecoserve.runtime.trace import Arrival, hour_at, whole
from ecoserve.units import HOURS_PER_DAY, SECONDS_PER_HOUR

Array = NDArray[np.float64]
Progress = Callable[[int, float], None]
"""Gets requests so far and the replay's time in s, every minute of it."""
NEVER_S = 1e12
SETTLING_S = 2 * 86_400.0
"""How long behind the end requests may take to be served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to replay."""

    start_h: float = 0.0
    """Hour of the day at the first second, on the users' clock."""
    duration_s: float | None = None
    """None: to the last arrival."""
    routing: str = "packed"
    """One of :data:`~ecoserve.runtime.routing.ROUTINGS`."""
    offline: str = "carbon"
    """One of :data:`~ecoserve.runtime.offline.OFFLINES`."""
    forecast_error: float = 0.0
    """Standard deviation of an hour's forecast intensity, relative."""
    seed: int = 0
    carry_in: bool = True
    """Whether offline work waits from the hours before, as the plan has it."""
    drain: bool = False
    """Whether offline work that waits at the end is run too, in the hours behind it."""


class Run:
    """One replay under way; :mod:`ecoserve.runtime.account` reads it."""

    def __init__(self, deployment: Deployment, settings: Settings) -> None:
        self.deployment = deployment
        self.settings = settings
        self.clock = Clock()
        demands = deployment.demands
        self.seen = [
            Seen(
                is_online=demand.is_online,
                ttft_limit_s=slo.ttft_s if slo else NEVER_S,
                tpot_limit_s=slo.tpot_s if slo else NEVER_S,
                deadline_s=NEVER_S if slo else demand.workload.deadline_h * SECONDS_PER_HOUR,
            )
            for demand in demands
            for slo in (demand.workload.slo,)
        ]
        self.book = Book(self.seen)
        self.pools = [self._running(n, pool) for n, pool in enumerate(deployment.pools)]
        self.router = Router(
            ROUTINGS[settings.routing](),
            [self._paths(w) for w in range(len(demands))],
            deployment.edges,
            [demand.is_online for demand in demands],
            self.book,
        )
        for pool in self.pools:
            self._staff(pool)
        self.policy = OFFLINES[settings.offline]()
        self.dispatcher = Dispatcher(
            self._desks(), self.policy, self.router, self.clock, settings.start_h, self._forecast()
        )
        self.arrivals = [[0] for _ in demands]
        """By workload and minute."""
        self.waiting: list[int] = []
        self.deferred: list[int] = []
        self.up: list[int] = []
        self.draining_kw: list[list[float]] = [[] for _ in deployment.sites]
        """By site and minute: servers kept on by replicas that end their work."""
        self.most_in_flight = 0
        self.end_s = 0.0
        """Of the time accounted for."""
        self.on_progress: Progress | None = None
        self._n = 0

    def play(self, trace: Iterable[Arrival], on_progress: Progress | None = None) -> None:
        """Replays it to the end."""
        self.on_progress = on_progress
        settings, clock = self.settings, self.clock
        self._resize(0.0)
        if settings.carry_in and self.policy.waits:
            self._carry_in()
        clock.at(SECONDS_PER_MINUTE, self, "minute")
        first_hour_s = (math.floor(settings.start_h) + 1.0 - settings.start_h) * SECONDS_PER_HOUR
        clock.at(first_hour_s, self, "hour")
        if self.dispatcher.desks:
            self.dispatcher.new_hour(0.0)
            clock.at(0.0, self.dispatcher, None)
        asked = settings.duration_s
        last = self._arrivals(trace, NEVER_S if asked is None else asked)
        self.end_s = last if asked is None else asked
        self._settle()

    def _arrivals(self, trace: Iterable[Arrival], until_s: float) -> float:
        """Sends every request on its way; the time of the last one."""
        run_until, router, book = self.clock.run_until, self.router, self.book
        now = 0.0
        for arrival_s, workload, isl, osl in trace:
            if arrival_s >= until_s:
                break
            now = arrival_s
            run_until(now)
            self._n += 1
            seen = self.seen[workload]
            seen.requests += 1
            self.arrivals[workload][-1] += 1
            request = Request(workload, now, isl, osl)
            paths = router.fitting(request)
            if not paths:
                seen.too_long += 1
            elif seen.is_online:
                book.active += router.send(request, paths, now)
            else:
                book.active += self.dispatcher.arrive(request, paths, now)
        return now

    def _settle(self) -> None:
        """Lets what is under way come to its end; what waits for cleaner hours waits on."""
        self.clock.run_until(self.end_s)
        dispatcher = self.dispatcher
        dispatcher.is_open = self.settings.drain
        until = self.end_s
        while until < self.end_s + SETTLING_S:
            if not self.book.active and not (dispatcher.is_open and dispatcher.waiting):
                return
            until += SECONDS_PER_MINUTE
            self.clock.run_until(until)

    def due(self, now: float, stamp: str) -> None:
        """A minute or an hour is over."""
        if stamp == "hour":
            self._resize(now)
            self.dispatcher.new_hour(now)
            self.clock.at(now + SECONDS_PER_HOUR, self, "hour")
            return
        for pool in self.pools:
            pool.station.bins.open_minute()
        for counts in self.arrivals:
            counts.append(0)
        self.waiting.append(sum(len(r.queue) for pool in self.pools for r in pool.replicas))
        self.deferred.append(self.dispatcher.waiting)
        self.up.append(sum(pool.up for pool in self.pools))
        self.most_in_flight = max(self.most_in_flight, self.book.active)
        self._drain_power()
        if self.on_progress is not None:
            self.on_progress(self._n, now)
        self.clock.at(now + SECONDS_PER_MINUTE, self, "minute")

    def _drain_power(self) -> None:
        for series in self.draining_kw:
            series.append(0.0)
        for pool in self.pools:
            late = sum(1 for r in pool.replicas[pool.up :] if r.count)
            if late:
                self.draining_kw[pool.deployed.site][-1] += late * pool.deployed.standby_kw

    def _resize(self, now: float) -> None:
        place = hour_at(self.settings.start_h, now) % HOURS_PER_DAY
        for pool in self.pools:
            pool.resize(pool.deployed.up_by_hour[place])

    def _running(self, number: int, deployed: DeployedPool) -> RunningPool:
        workloads = tuple(traffic.workload for traffic in deployed.traffic)
        prompts = {t.workload: deployed.pace.prompts(t.cached_ratio) for t in deployed.traffic}
        station = Station(
            deployed.pace, prompts, deployed.chunk_tokens, self.clock, Bins(workloads), self.book
        )
        return RunningPool(number, deployed, station)

    def _staff(self, pool: RunningPool) -> None:
        deployed, station = pool.deployed, pool.station
        n = max(deployed.up_by_hour)
        replicas: list[Prompter] | list[Replica]
        if deployed.role == "prefill":
            link = deployed.kv_s_per_token
            replicas = [Prompter(station, i, link, self.router) for i in range(n)]
        else:
            replicas = [Replica(station, i) for i in range(n)]
        placement = self.router.routing.placements[deployed.role](replicas, deployed)
        pool.staff(list(replicas), placement)

    def _paths(self, workload: int) -> list[Path]:
        """Mixed and host pools, and every prefill pool with every decode pool of its site."""
        mine = [
            (pool, traffic)
            for pool in self.pools
            for traffic in pool.deployed.traffic
            if traffic.workload == workload
        ]
        found = []
        for pool, traffic in mine:
            share = traffic.load_s if pool.deployed.role == "prefill" else traffic.share
            if pool.deployed.role in ("mixed", "host_cpu"):
                found.append(_path(pool, None, traffic.weight, share, share, traffic.extra_s))
            if pool.deployed.role != "prefill":
                continue
            behind = [
                (other, t)
                for other, t in mine
                if other.deployed.role == "decode" and other.deployed.site == pool.deployed.site
            ]
            total = np.sum([t.weight for _, t in behind], axis=0)
            for other, t in behind:
                part = np.divide(t.weight, total, out=np.zeros_like(total), where=total > 0)
                weight = traffic.weight * part
                found.append(_path(pool, other, weight, share, t.share, traffic.extra_s))
        found.sort(key=lambda path: -sum(path.weight))
        return found

    def _desks(self) -> list[Desk]:
        """For offline work in pools that do both phases: between two phases nothing waits."""
        desks = []
        for workload, demand in enumerate(self.deployment.demands):
            if demand.is_online:
                continue
            for path in self.router.paths[workload]:
                if path.second is None and any(path.weight):
                    rate = _served_rps(self.deployment, workload, path) * demand.hourly_ratio
                    desks.append(Desk(workload, path, self.seen[workload].deadline_s, rate))
        return desks

    def _forecast(self) -> list[Array]:
        """Intensity by site and hour since the first; two days, so that errors differ by day."""
        rng = np.random.default_rng(np.random.SeedSequence([self.settings.seed, 1]))
        hours = (np.arange(2 * HOURS_PER_DAY) + hour_at(self.settings.start_h, 0.0)) % HOURS_PER_DAY
        found = []
        for site in self.deployment.sites:
            noise = 1.0 + self.settings.forecast_error * rng.standard_normal(len(hours))
            found.append(np.array(site.gco2e_per_kwh)[hours] * np.maximum(noise, 0.0))
        return found

    def _carry_in(self) -> None:
        """Puts what waits at the first hour, as planned, on the desks: the latest arrivals."""
        rng = np.random.default_rng(np.random.SeedSequence([self.settings.seed, 2]))
        hour = hour_at(self.settings.start_h, 0.0) % HOURS_PER_DAY
        for workload, demand in enumerate(self.deployment.demands):
            desks = [desk for desk in self.dispatcher.desks if desk.workload == workload]
            total = float(self.deployment.standing_backlog[workload][hour])
            rates = [float(desk.rate_rps.mean()) for desk in desks]
            for desk, rate in zip(desks, rates, strict=True):
                n = round(total * rate / sum(rates))
                reach_s = min(n / rate, desk.deadline_s - SECONDS_PER_HOUR)
                lengths = _lengths(desk.path, demand, self.deployment.edges[workload], n, rng)
                for k, (isl, osl) in enumerate(lengths):
                    desk.backlog.put(-reach_s * (1.0 - k / n), isl, osl)
                self.seen[workload].carried_in += n


def _path(
    first: RunningPool,
    second: RunningPool | None,
    weight: Array,
    first_share: Array,
    second_share: Array,
    extra_s: float,
) -> Path:
    decodes = (second or first).deployed.pace
    return Path(
        first=first,
        second=second,
        weight=weight.tolist(),
        first_share=first_share.tolist(),
        second_share=second_share.tolist(),
        extra_s=extra_s,
        capacity_tokens=decodes.capacity_tokens,
        owed=[0.0] * len(weight),
    )


def _bucket_weights(demand: WorkloadDemand, edges: Sequence[int], path: Path) -> Array:
    """Share of each bucket that takes the path."""
    cells = [bisect_left(edges, isl) for isl in demand.isl_tokens]
    return np.array([path.weight[cell] for cell in cells])


def _served_rps(deployment: Deployment, workload: int, path: Path) -> float:
    demand = deployment.demands[workload]
    return float(demand.rate_rps @ _bucket_weights(demand, deployment.edges[workload], path))


def _lengths(
    path: Path, demand: WorkloadDemand, edges: Sequence[int], n: int, rng: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """Lengths of requests that take the path."""
    chance = demand.fraction * _bucket_weights(demand, edges, path)
    bucket = rng.choice(len(chance), n, p=chance / chance.sum())
    yield from zip(
        whole(demand.isl_tokens[bucket], rng), whole(demand.osl_tokens[bucket], rng), strict=True
    )
