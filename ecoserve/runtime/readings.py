"""Reads a finished replay: users, pools, meters, and the plan's promise for the same hours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ecoserve.catalog import Catalog
from ecoserve.operational import facility_kwh
from ecoserve.plan import Plan
from ecoserve.request_log import MINUTES_PER_HOUR
from ecoserve.runtime.deployment import Deployment, deploy
from ecoserve.runtime.meters import SECONDS_PER_MINUTE, Seen
from ecoserve.runtime.promise import gaps
from ecoserve.runtime.replay import Progress, Run, Settings
from ecoserve.runtime.result import (
    MinuteSeries,
    PoolReplay,
    PowerLayer,
    Quantiles,
    Replay,
    Totals,
    WorkloadReplay,
)
from ecoserve.runtime.sketch import Sketch
from ecoserve.runtime.trace import Arrival, hour_at
from ecoserve.scenario import Scenario
from ecoserve.units import HOURS_PER_DAY, SECONDS_PER_HOUR, kg_from_g

Array = NDArray[np.float64]
J_PER_KWH = 3.6e6


def replay(
    plan: Plan,
    scenario: Scenario,
    catalog: Catalog,
    trace: Iterable[Arrival],
    settings: Settings | None = None,
    on_progress: Progress | None = None,
) -> Replay:
    """Replays traffic against a plan of this scenario.

    ``trace``: see :mod:`ecoserve.runtime.trace`. Raises ValueError for a plan that does not say
    which lengths its pools serve.
    """
    chosen = settings or Settings()
    run = Run(deploy(plan, scenario, catalog), chosen)
    run.play(trace, on_progress)
    return Readings(run, plan, scenario).replay()


class Readings:
    """The meters of a run, by minute from its first to that of its end."""

    def __init__(self, run: Run, plan: Plan, scenario: Scenario) -> None:
        self.run = run
        self.plan = plan
        self.scenario = scenario
        self.n = max(1, math.ceil(run.end_s / SECONDS_PER_MINUTE - 1e-9))
        start_h = run.settings.start_h
        longest = max(self.n, len(run.arrivals[0]))
        self.hour = np.array(
            [hour_at(start_h, m * SECONDS_PER_MINUTE) % HOURS_PER_DAY for m in range(longest)]
        )
        """Of the day, by minute."""
        self.lit = np.ones(self.n)
        """Share of each minute that belongs to the replay."""
        self.lit[-1] = run.end_s / SECONDS_PER_MINUTE - (self.n - 1) if run.end_s > 0 else 0.0

    @property
    def deployment(self) -> Deployment:
        """What ran."""
        return self.run.deployment

    def replay(self) -> Replay:
        """Everything."""
        run, layers = self.run, self.layers()
        workloads = tuple(self._workload(w, seen) for w, seen in enumerate(run.seen))
        pools = tuple(self._pool(n) for n in range(len(run.pools)))
        totals, planned = self.totals(), self.planned()
        return Replay(
            start_h=run.settings.start_h,
            simulated_s=run.end_s,
            routing=run.settings.routing,
            offline=run.settings.offline,
            workloads=workloads,
            pools=pools,
            minutes=self._minutes(layers),
            layers=layers,
            totals=totals,
            planned=planned,
            gaps=gaps(self, workloads, pools, totals, planned),
            started_late=run.dispatcher.started_late,
            spilled=run.router.spilled,
            most_in_flight=run.most_in_flight,
        )

    def kwh(self, number: int, workload: int) -> Array:
        """IT energy above idle of a workload in a pool, by minute, those behind the end too."""
        return np.array(self.run.pools[number].station.bins.joules[workload]) / J_PER_KWH

    def facility(self, kwh: Array, site: int) -> tuple[float, float]:
        """Of IT energy by minute at a site: kWh at the meter, and kgCO2e."""
        place = self.deployment.sites[site]
        at_meter = facility_kwh(kwh, place.pue)
        gco2e = np.array(place.gco2e_per_kwh)[self.hour[: len(kwh)]]
        return float(at_meter.sum()), kg_from_g(float(at_meter @ gco2e))

    def standing_kw(self, site: int) -> Array:
        """What servers draw whatever they serve, by minute."""
        always = np.array(self.deployment.sites[site].standing_kw)[self.hour[: self.n]]
        return np.asarray(always + self.turning_kw(site))

    def turning_kw(self, site: int) -> Array:
        """Of it what servers draw that wake up, or stay on for replicas that end their work."""
        hour, start_h = self.hour[: self.n], self.run.settings.start_h
        ahead = np.array(self.deployment.sites[site].waking_kw)[(hour + 1) % HOURS_PER_DAY]
        begin_s = np.arange(self.n) * SECONDS_PER_MINUTE + start_h * SECONDS_PER_HOUR
        left_s = SECONDS_PER_HOUR - begin_s % SECONDS_PER_HOUR
        waking = (self.deployment.wake_s - left_s) / SECONDS_PER_MINUTE + 1.0
        draining = _fit(self.run.draining_kw[site], self.n)
        return np.asarray(ahead * np.clip(waking, 0.0, 1.0) + draining)

    def totals(self) -> Totals:
        """What was drawn: standing to the end, work until it was done."""
        kwh = kg = 0.0
        minute_h = self.lit * SECONDS_PER_MINUTE / SECONDS_PER_HOUR
        parts = [
            (self.standing_kw(site) * minute_h, site) for site in range(len(self.deployment.sites))
        ]
        for number, pool in enumerate(self.run.pools):
            for traffic in pool.deployed.traffic:
                parts.append((self.kwh(number, traffic.workload), pool.deployed.site))
        for it_kwh, site in parts:
            more_kwh, more_kg = self.facility(it_kwh, site)
            kwh, kg = kwh + more_kwh, kg + more_kg
        return Totals(
            facility_energy_kwh=kwh, operational_kgco2e=kg, embodied_kgco2e=self._embodied()
        )

    def planned(self) -> Totals:
        """What the plan says of the same hours."""
        kwh = kg = 0.0
        hours = self.hours()
        for day in self.plan.site_days:
            at_meter = facility_kwh(np.array(day.hourly.it_power_kw) * hours, day.pue)
            kwh += float(at_meter.sum())
            kg += kg_from_g(float(at_meter @ np.array(day.hourly.gco2e_per_kwh)))
        return Totals(
            facility_energy_kwh=kwh, operational_kgco2e=kg, embodied_kgco2e=self._embodied()
        )

    def hours(self) -> Array:
        """How many hours of the replay fall on each hour of the day, shape (24,)."""
        per_minute = self.lit * SECONDS_PER_MINUTE / SECONDS_PER_HOUR
        return np.asarray(np.bincount(self.hour[: self.n], per_minute, HOURS_PER_DAY), dtype=float)

    def _embodied(self) -> float:
        return self.deployment.embodied_kgco2e_per_h * self.run.end_s / SECONDS_PER_HOUR

    def layers(self) -> tuple[PowerLayer, ...]:
        """IT power by minute: every workload on accelerators and hosts, and what stands."""
        found: dict[tuple[int, int, bool], Array] = {}
        for number, pool in enumerate(self.run.pools):
            on_host = pool.deployed.role == "host_cpu"
            for traffic in pool.deployed.traffic:
                key = traffic.workload, pool.deployed.site, on_host
                kw = _fit(self.kwh(number, traffic.workload), self.n) * MINUTES_PER_HOUR
                found[key] = found.get(key, np.zeros(self.n)) + kw
        demands, sites = self.deployment.demands, self.deployment.sites
        working = [
            PowerLayer(
                kind=demands[workload].workload.kind,
                side="host" if on_host else "accelerator",
                site=sites[site].name,
                workload=demands[workload].workload.name,
                it_power_kw=_floats(kw),
            )
            for (workload, site, on_host), kw in sorted(found.items())
        ]
        standing = [
            PowerLayer(
                kind="standing",
                side="host",
                site=place.name,
                workload="",
                it_power_kw=_floats(self.standing_kw(site)),
            )
            for site, place in enumerate(sites)
        ]
        return (*working, *standing)

    def _minutes(self, layers: tuple[PowerLayer, ...]) -> MinuteSeries:
        run, n = self.run, self.n
        by_site = {place.name: np.zeros(n) for place in self.deployment.sites}
        for layer in layers:
            by_site[layer.site] += np.array(layer.it_power_kw)
        meter, grams = np.zeros(n), np.zeros(n)
        for place in self.deployment.sites:
            at_meter = facility_kwh(by_site[place.name], place.pue)
            meter += at_meter
            grams += at_meter * np.array(place.gco2e_per_kwh)[self.hour[:n]]
        home = np.array(self.deployment.sites[0].gco2e_per_kwh)[self.hour[:n]]
        bins = [pool.station.bins for pool in run.pools]
        return MinuteSeries(
            arrivals=_ints(_summed(run.arrivals, n)),
            waiting=_ints(_fit(run.waiting, n)),
            deferred=_ints(_fit(run.deferred, n)),
            running=_floats(_summed([b.batch_s for b in bins], n) / SECONDS_PER_MINUTE),
            busy_replicas=_floats(_summed([b.busy_s for b in bins], n) / SECONDS_PER_MINUTE),
            up_replicas=_ints(_fit(run.up, n)),
            it_power_kw=_floats(sum(by_site.values(), np.zeros(n))),
            gco2e_per_kwh=_floats(np.divide(grams, meter, out=home.copy(), where=meter > 0)),
            kgco2e=_floats(kg_from_g(1.0) * grams * self.lit / MINUTES_PER_HOUR),
        )

    def _workload(self, workload: int, seen: Seen) -> WorkloadReplay:
        demand = self.deployment.demands[workload]
        slo = demand.workload.slo
        here = [
            (number, pool.deployed.site)
            for number, pool in enumerate(self.run.pools)
            if workload in pool.station.bins.joules
        ]
        drawn = [self.facility(self.kwh(number, workload), site) for number, site in here]
        desks = [desk for desk in self.run.dispatcher.desks if desk.workload == workload]
        waiting = sum(len(desk.backlog) for desk in desks)
        too_late_s = self.run.end_s - seen.deadline_s
        overdue = sum(desk.backlog.arrivals_by([too_late_s])[0] for desk in desks)

        def share(count: int) -> float | None:
            return count / seen.requests if slo and seen.requests else None

        return WorkloadReplay(
            name=demand.workload.name,
            kind=demand.workload.kind,
            requests=seen.requests,
            carried_in=seen.carried_in,
            served=seen.served,
            too_long=seen.too_long,
            deferred=waiting,
            percentile=slo.percentile if slo else None,
            ttft_attainment=share(seen.ttft_ok),
            tpot_attainment=share(seen.tpot_ok),
            both_attainment=share(seen.both_ok),
            ttft_s=_quantiles(seen.ttft),
            tpot_s=_quantiles(seen.tpot),
            deadline_misses=seen.deadline_misses + overdue,
            mean_isl_tokens=seen.input_tokens / max(seen.served, 1),
            mean_osl_tokens=seen.output_tokens / max(seen.served, 1),
            in_system=seen.in_system_s / self.run.end_s if self.run.end_s else 0.0,
            facility_energy_kwh=sum(kwh for kwh, _ in drawn),
            kgco2e=sum(kg for _, kg in drawn),
        )

    def _pool(self, number: int) -> PoolReplay:
        pool = self.run.pools[number]
        deployed, bins = pool.deployed, pool.station.bins
        plan, hours = deployed.plan, self.hours()
        up_h = float(np.array(deployed.up_by_hour) @ hours)
        # Work that ends behind the end shares the last minute with the replay's own.
        whole = self.n if self.lit[-1] == 1.0 else max(self.n - 1, 1)
        busy_s, batch_s = sum(bins.busy_s[:whole]), sum(bins.batch_s[:whole])
        up_h *= whole * SECONDS_PER_MINUTE / self.run.end_s if self.run.end_s else 0.0
        return PoolReplay(
            site=plan.site,
            workloads=plan.workloads,
            llm=plan.llm,
            accelerator=plan.accelerator,
            server=plan.server,
            role=plan.role,
            replicas=max(deployed.up_by_hour),
            utilisation=busy_s / SECONDS_PER_HOUR / up_h if up_h else 0.0,
            planned_utilisation=float(np.array(plan.busy_by_hour) @ hours) / up_h if up_h else 0.0,
            batch=batch_s / busy_s if busy_s else 0.0,
            planned_batch=plan.batch,
            preemptions=pool.station.preempted,
        )


def _quantiles(sketch: Sketch) -> Quantiles:
    p50, p90, p99 = (sketch.quantile(share) for share in (0.5, 0.9, 0.99))
    return Quantiles(mean=sketch.mean, p50=p50, p90=p90, p99=p99)


def _fit(values: list[int] | list[float] | Array, n: int) -> Array:
    """The first n, with zeros behind where there are fewer."""
    cut = np.array(values[:n], dtype=float)
    return np.pad(cut, (0, n - len(cut)))


def _summed(rows: Sequence[list[int]] | Sequence[list[float]], n: int) -> Array:
    return np.asarray(np.sum([_fit(row, n) for row in rows], axis=0))


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _ints(values: Array) -> tuple[int, ...]:
    return tuple(int(value) for value in values)
