"""Tiny cases solved by trying every fleet: the oracle for the whole way from options to plan.

For every count of servers and every cut of their accelerators into replicas the continuous rest is
a linear program, written here from the options alone, and solved by SciPy. Accelerators are packed
group by group into servers, not by the planner's packing rows; no option is dropped beforehand.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from ecoserve.catalog import Catalog
from ecoserve.demand import WorkloadDemand, workload_demands
from ecoserve.embodied import node_footprint
from ecoserve.errors import InfeasibleError
from ecoserve.latency import eligibility
from ecoserve.offers import allowed_servers
from ecoserve.operational import hourly_intensity, site_pue
from ecoserve.options import services
from ecoserve.plan import Plan
from ecoserve.planner import plan_fleet
from ecoserve.power import server_idle_w
from ecoserve.rows import Server
from ecoserve.scenario import Scenario
from ecoserve.service import Service
from ecoserve.variants import trimmed
from tests.builders import BIG, BIG_SERVER, mix, offline, online, tiny_catalog, tiny_scenario

HOURS = 24
MOST_SERVERS = 3
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Kind:
    """A server as it can be had: what a day of one weighs, and how many there may be."""

    server_id: str
    kg_per_day: float
    most: int


@dataclass
class Case:
    """A scenario reduced to what the enumeration needs."""

    scenario: Scenario
    catalog: Catalog

    def __post_init__(self) -> None:
        self.demands = workload_demands(self.scenario, self.catalog)
        self.of = {demand.workload.name: demand for demand in self.demands}
        self.services = services(self.scenario, self.catalog, self.demands)
        self.judged = eligibility(self.services, self.demands, self.scenario.policy, {})
        self.servers = allowed_servers(self.scenario, self.catalog)
        self.kg_per_kwh = (
            hourly_intensity(self.scenario.site, self.catalog)
            * site_pue(self.scenario.site, self.catalog)
            / 1000
        )
        self.kinds = list(self._kinds())
        self.program = _Program(self)

    def _kinds(self) -> Iterator[Kind]:
        """Every server with its host whole, trimmed where Reduce may, and what is owned."""
        owned = {row.server: row.count for row in self.scenario.hardware.stock}
        for server in self.servers:
            built = [server]
            if self.scenario.levers.reduce:
                built.append(trimmed(server, self.catalog.host_variant("trimmed"), self.catalog))
            for one in built:
                kg = self._idle_kg(one) + self._making_kg(one)
                yield Kind(server_id=server.id, kg_per_day=kg, most=MOST_SERVERS)
            if server.id in owned:
                kg = self._idle_kg(server)
                yield Kind(server_id=server.id, kg_per_day=kg, most=owned[server.id])

    def _idle_kg(self, server: Server) -> float:
        """Idle electricity of a day."""
        return float(server_idle_w(server, self.catalog) / 1000 * self.kg_per_kwh.sum())

    def _making_kg(self, server: Server) -> float:
        """A day's share of its making."""
        hardware = self.scenario.hardware
        made = node_footprint(server, self.scenario.policy.coefficients, self.catalog)
        per_year = made.side_kgco2e("accelerator") / hardware.accelerator_years
        per_year += made.side_kgco2e("host") / hardware.host_years
        return per_year / 365

    def kw(self, service: Service) -> np.ndarray:
        """At the wall over idle, by bucket; offline batches mix lengths, so one mean for all."""
        kw = service.dynamic_w / 1000 / self.catalog.host_power_value("psu_efficiency")
        demand = self.of[service.workload]
        if demand.is_online:
            return np.asarray(kw)
        weight = demand.rate_rps * service.load_s * service.fits
        return np.full(len(kw), float(weight @ kw / weight.sum()))

    def moves(self, service: Service) -> bool:
        """Whether its work may wait."""
        demand = self.of[service.workload]
        late = demand.workload.deadline_h > 1
        return not demand.is_online and late and self.scenario.levers.shift


class _Program:
    """Rows ``a z <= b + c (replicas, servers)`` of everything continuous."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.columns: dict[Any, int] = {}
        for service in case.services:
            for bucket in np.flatnonzero(service.fits):
                self._add(("z", service.id, int(bucket)))
            if case.moves(service):
                for pair in self._open(case.of[service.workload]):
                    self._add(("run", service.id, *pair))
        self.cost = np.zeros(len(self.columns))
        self.rows: list[tuple[str, np.ndarray, dict[Any, float], float]] = []
        self._price()
        self._serve()
        self._run()
        self._room()
        self._promises()
        self._transfer()

    def _add(self, name: Any) -> None:
        self.columns[name] = len(self.columns)

    @staticmethod
    def _open(demand: WorkloadDemand) -> Iterator[tuple[int, int]]:
        """(arrival, run) hours; with a whole day's deadline only the hour of the run matters."""
        deadline = demand.workload.deadline_h
        arrivals = [0] if deadline >= HOURS else range(HOURS)
        for a in arrivals:
            yield from ((a, (a + delay) % HOURS) for delay in range(deadline))

    def _row(
        self, sense: str, terms: Mapping[Any, float], rhs: float, counts: dict[Any, float]
    ) -> None:
        row = np.zeros(len(self.columns))
        for name, value in terms.items():
            row[self.columns[name]] += value
        self.rows.append((sense, row, counts, rhs))

    def _z(self, service: Service, weight: Sequence[float] | np.ndarray) -> dict[Any, float]:
        return {("z", service.id, int(b)): float(weight[b]) for b in np.flatnonzero(service.fits)}

    def _price(self) -> None:
        case = self.case
        for service in case.services:
            demand, kw = case.of[service.workload], case.kw(service)
            if case.moves(service):
                for a, h in self._open(demand):
                    column = self.columns["run", service.id, a, h]
                    self.cost[column] = kw[0] * case.kg_per_kwh[h]
            else:
                day = float(demand.hourly_ratio @ case.kg_per_kwh)
                for name, busy in self._z(service, demand.rate_rps * service.load_s).items():
                    self.cost[self.columns[name]] = busy * kw[name[2]] * day

    def _serve(self) -> None:
        for demand in self.case.demands:
            mine = [s for s in self.case.services if s.workload == demand.workload.name]
            for b in range(len(demand.rate_rps)):
                begun = {("z", s.id, b): 1.0 for s in mine if s.role != "decode" and s.fits[b]}
                self._row("=", begun, 1.0, {})
                parted = {("z", s.id, b): 1.0 for s in mine if s.role == "prefill" and s.fits[b]}
                parted |= {("z", s.id, b): -1.0 for s in mine if s.role == "decode" and s.fits[b]}
                self._row("=", parted, 0.0, {})

    def _run(self) -> None:
        """All replica-hours of a day are run, in hours open to the hour of their arrival."""
        for service in filter(self.case.moves, self.case.services):
            demand = self.case.of[service.workload]
            load = self._z(service, demand.rate_rps * service.load_s)
            pairs = list(self._open(demand))
            whole_day = demand.workload.deadline_h >= HOURS
            for a in {a for a, _ in pairs}:
                arrived = HOURS if whole_day else float(demand.hourly_ratio[a])
                terms = {name: -arrived * value for name, value in load.items()}
                terms |= {("run", service.id, a, h): 1.0 for at, h in pairs if at == a}
                self._row("=", terms, 0.0, {})

    def _busy(self, group: Sequence[Service], hour: int) -> dict[Any, float]:
        case, terms = self.case, {}
        for service in group:
            demand = case.of[service.workload]
            if case.moves(service):
                terms |= {
                    ("run", service.id, a, h): 1.0 for a, h in self._open(demand) if h == hour
                }
            else:
                burst = case.scenario.policy.burst if demand.is_online else 1.0
                now = demand.rate_rps * service.load_s * demand.hourly_ratio[hour] * burst
                terms |= self._z(service, now)
        return terms

    def _room(self) -> None:
        """Replicas and spare sockets suffice in every hour."""
        spare = self.case.catalog.host_power_value("cpu_spare_ratio")
        for pool, group in pools(self.case.services).items():
            on_cpu = group[0].role == "host_cpu"
            for hour in range(HOURS):
                if on_cpu:
                    server = self.case.catalog.server(group[0].device.server_id)
                    host = self.case.catalog.host(server.host_id)
                    sockets = host.sockets * server.vcpus / host.vcpus
                    counts = {server.id: spare * sockets}
                else:
                    counts = {pool: self.case.judged.utilisation[pool]}
                self._row("<", self._busy(group, hour), 0.0, counts)

    def _promises(self) -> None:
        """The percentile's share starts in time and keeps its pace."""
        for demand in self.case.demands:
            slo = demand.workload.slo
            mine = [s for s in self.case.services if s.workload == demand.workload.name]
            if slo is None:
                continue
            starts: dict[Any, float] = {}
            paces: dict[Any, float] = {}
            for s in mine:
                if s.role in ("mixed", "prefill"):
                    starts |= self._z(s, -demand.fraction * self.case.judged.on_time[s.id])
                if s.role in ("mixed", "decode"):
                    paces |= self._z(s, -demand.fraction * s.keeps_tpot)
            self._row("<", starts, -slo.percentile, {})
            self._row("<", paces, -slo.percentile, {})

    def _transfer(self) -> None:
        """KV moved at the peak fits four fifths of the NICs behind the replicas."""
        for pool, group in pools(self.case.services).items():
            if group[0].role not in ("prefill", "decode"):
                continue
            terms: dict[Any, float] = {}
            for s in group:
                demand = self.case.of[s.workload]
                peak = demand.hourly_ratio.max() * self.case.scenario.policy.burst
                terms |= self._z(s, demand.rate_rps * peak * s.kv_bytes / 1e9)
            (server,) = [
                s for s in self.case.servers if s.accelerator_id == group[0].device.accelerator_id
            ]
            nics = server.n_nics * server.nic_gbps / 8
            link = 0.8 * nics * group[0].device.tp / server.n_accelerators
            self._row("<", terms, 0.0, {pool: link})

    def least_kg(self, counts: Mapping[Any, int]) -> float:
        """The best day with these replicas by pool and servers by id; inf where none works."""
        rows: dict[str, list[np.ndarray]] = {"=": [], "<": []}
        rhs: dict[str, list[float]] = {"=": [], "<": []}
        for sense, row, held, constant in self.rows:
            rows[sense].append(row)
            rhs[sense].append(constant + sum(counts.get(k, 0) * v for k, v in held.items()))
        upper = [1.0 if name[0] == "z" else None for name in self.columns]
        found = linprog(
            self.cost, np.array(rows["<"]), rhs["<"], np.array(rows["="]), rhs["="],
            bounds=[(0.0, most) for most in upper],
        )  # fmt: skip
        return float(found.fun) if found.status == 0 else math.inf


def pools(found: Sequence[Service]) -> dict[str, list[Service]]:
    grouped: dict[str, list[Service]] = {}
    for service in found:
        grouped.setdefault(service.pool_id, []).append(service)
    return grouped


def packs(groups: Sequence[int], servers: int, size: int) -> bool:
    """Whether groups of these sizes fit, largest first, into so many servers of ``size``."""
    free = [size] * servers
    for group in sorted(groups, reverse=True):
        home = next((i for i, room in enumerate(free) if room >= group), None)
        if home is None:
            return False
        free[home] -= group
    return True


def cuts(tps: Sequence[int], servers: int, size: int) -> list[tuple[int, ...]]:
    """Every way to cut the servers into replicas of these sizes to which none can be added."""
    cards = servers * size
    fitting = [
        cut
        for cut in itertools.product(*(range(cards // tp + 1) for tp in tps))
        if packs([tp for tp, n in zip(tps, cut, strict=True) for _ in range(n)], servers, size)
    ]
    whole = set(fitting)
    return [
        cut
        for cut in fitting
        if not any((*cut[:i], cut[i] + 1, *cut[i + 1 :]) in whole for i in range(len(cut)))
    ]


def enough_replicas(case: Case, counts: Mapping[Any, int]) -> bool:
    for demand in filter(lambda d: d.is_online, case.demands):
        for phase in ("prefill", "decode"):
            able = {
                s.pool_id
                for s in case.services
                if s.workload == demand.workload.name and s.role in ("mixed", phase)
            }
            if sum(counts[pool] for pool in able) < case.scenario.policy.min_replicas:
                return False
    return True


def best_kg(case: Case) -> float:
    """The optimum over all fleets of at most three servers of each kind."""
    on_cards = {p: g[0].device for p, g in pools(case.services).items() if g[0].role != "host_cpu"}
    best = math.inf
    priced = [
        (sum(n * k.kg_per_day for n, k in zip(fleet, case.kinds, strict=True)), fleet)
        for fleet in itertools.product(*(range(kind.most + 1) for kind in case.kinds))
    ]
    for fixed, fleet in sorted(priced):
        if fixed >= best:
            break
        bought = dict.fromkeys((server.id for server in case.servers), 0)
        for n, kind in zip(fleet, case.kinds, strict=True):
            bought[kind.server_id] += n
        if max(bought.values()) > MOST_SERVERS:
            continue
        choices = []
        for server in case.servers:
            mine = [p for p, d in on_cards.items() if d.accelerator_id == server.accelerator_id]
            found = cuts([on_cards[p].tp for p in mine], bought[server.id], server.n_accelerators)
            choices.append([dict(zip(mine, cut, strict=True)) for cut in found])
        for chosen in itertools.product(*choices):
            counts: dict[Any, int] = dict(bought)
            for cut in chosen:
                counts |= cut
            if enough_replicas(case, counts):
                best = min(best, fixed + case.program.least_kg(counts))
    return best


TINY_SERVER = replace(BIG_SERVER, n_accelerators=2)
TWO_CARDS = (TINY_SERVER, replace(BIG, max_tp=1))
LIMITS = [
    {"server": "own_4x_big", "max_count": MOST_SERVERS},
    {"server": "own_2x_small", "max_count": MOST_SERVERS},
]


def agree(scenario: Scenario, catalog: Catalog) -> Plan | None:
    """The plan, after checking it against every fleet there is; None where none serves."""
    case = Case(scenario, catalog)
    assert case.judged.blocked == ()
    best = best_kg(case)
    if math.isinf(best):
        with pytest.raises(InfeasibleError, match="no fleet keeps every limit"):
            plan_fleet(scenario, catalog, "report")
        return None
    plan = plan_fleet(scenario, catalog, "report")
    assert all(row.meets_slo for row in plan.slo)  # else the queues were held and solved again
    assert plan.objective >= best * (1 - TOLERANCE)
    assert plan.objective <= best * (1 + TOLERANCE) + plan.gap * plan.objective
    assert plan.bound <= best * (1 + TOLERANCE)
    return plan


def random_rows(seed: int) -> tuple[np.random.Generator, Any]:
    rng = np.random.default_rng(seed)
    lengths = zip(rng.integers(200, 4000, 2), rng.integers(50, 500, 2), strict=True)
    first = float(rng.uniform(0.3, 0.9))
    buckets = [
        (f, float(i), float(o)) for f, (i, o) in zip((first, 1 - first), lengths, strict=True)
    ]
    return rng, mix("random", *buckets)


def scenario_of(
    rng: np.random.Generator, *workloads: Any, stock: Sequence[Any] = (), **levers: Any
) -> Scenario:
    intensity = [float(value) for value in rng.uniform(20, 600, HOURS)]
    return tiny_scenario(
        *workloads,
        site={"intensity": "custom", "custom_gco2e_per_kwh": intensity},
        hardware={"limits": LIMITS, "stock": list(stock)},
        levers={"phases_apart": False, "reuse": False} | levers,
    )


def chat(rng: np.random.Generator, **changes: Any) -> dict[str, Any]:
    row = {"mix": "random", "profile": "peaked", "rate_rps": float(rng.uniform(5, 60))}
    return online(**(row | {"slo": {"ttft_s": 3.0, "tpot_s": 0.06}} | changes))


@pytest.mark.parametrize("seed", range(8))
def test_one_online_workload_on_two_kinds_of_server(seed: int):
    # Groups of one and two Big, one Small: three options
    rng, lengths = random_rows(seed)
    catalog = tiny_catalog(TINY_SERVER, replace(BIG, max_tp=2), lengths)
    agree(scenario_of(rng, chat(rng)), catalog)


@pytest.mark.parametrize("seed", range(6))
def test_online_and_offline_work_that_may_wait(seed: int):
    rng, lengths = random_rows(10 + seed)
    batch = offline(rate_rps=float(rng.uniform(5, 40)))
    agree(scenario_of(rng, chat(rng), batch), tiny_catalog(*TWO_CARDS, lengths))


@pytest.mark.parametrize("seed", range(4))
def test_offline_work_with_a_short_deadline(seed: int):
    rng, lengths = random_rows(20 + seed)
    batch = offline(rate_rps=float(rng.uniform(5, 60)), deadline_h=6, profile="peaked")
    agree(scenario_of(rng, batch), tiny_catalog(*TWO_CARDS, lengths))


@pytest.mark.parametrize("seed", range(6))
def test_offline_work_that_runs_as_it_arrives(seed: int):
    rng, lengths = random_rows(30 + seed)
    batch = offline(rate_rps=float(rng.uniform(5, 40)), profile="peaked", mix="random")
    agree(scenario_of(rng, chat(rng), batch, shift=False), tiny_catalog(*TWO_CARDS, lengths))


@pytest.mark.parametrize("seed", range(5))
def test_trimmed_hosts_beside_stock(seed: int):
    # Owned servers are whole and cost no making; new ones may be trimmed.
    rng, lengths = random_rows(70 + seed)
    stock = [{"server": "own_4x_big", "count": 1}, {"server": "own_2x_small", "count": 1}]
    plan = agree(
        scenario_of(rng, chat(rng), stock=stock, reduce=True), tiny_catalog(*TWO_CARDS, lengths)
    )
    assert plan is None or all(e.owned or e.variant == "trimmed" for e in plan.fleet)


@pytest.mark.parametrize("seed", range(6))
def test_phases_together_or_apart(seed: int):
    rng, lengths = random_rows(40 + seed)
    catalog = tiny_catalog(*TWO_CARDS, lengths, without=["own_2x_small"])
    scenario = scenario_of(rng, chat(rng), phases_apart=True)
    limits = {"limits": LIMITS[:1]}
    data = scenario.model_dump(mode="json")
    agree(Scenario.model_validate(data | {"hardware": data["hardware"] | limits}), catalog)


def cpu_tokens(plan: Plan | None) -> bool:
    assert plan is not None
    return any(pool.role == "host_cpu" for pool in plan.pools)


@pytest.mark.parametrize("seed", range(3))
def test_reuse_is_chosen_where_cpu_watts_are_nil(seed: int):
    # A busy CPU draws no more than an idle one: its tokens cost nothing, an accelerator's do.
    rng, lengths = random_rows(50 + seed)
    catalog = tiny_catalog(*TWO_CARDS, lengths, host_power={"cpu_busy_ratio": 0.3})
    plan = agree(scenario_of(rng, chat(rng), offline(rate_rps=2.0), reuse=True), catalog)
    assert cpu_tokens(plan)


@pytest.mark.parametrize("seed", range(3))
def test_reuse_is_not_chosen_where_it_cannot_pay(seed: int):
    # A request takes a socket 284 ms at 30 or 60 W, 9 or 17 J; Small 6 J, Big too, and the two
    # replicas that a little chat needs have room left.
    rng, lengths = random_rows(60 + seed)
    catalog = tiny_catalog(*TWO_CARDS, lengths)
    traffic = chat(rng, rate_rps=float(rng.uniform(0.2, 1)))
    plan = agree(scenario_of(rng, traffic, offline(rate_rps=0.5), reuse=True), catalog)
    assert not cpu_tokens(plan)
