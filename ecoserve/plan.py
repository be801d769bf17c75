"""The answer: a fleet, its pools, what it emits and costs, and how sure that is.

Totals are properties computed from the parts, so they cannot disagree with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Literal

from ecoserve.errors import BlockedSlice
from ecoserve.units import DAYS_PER_YEAR, FUNCTIONAL_UNIT_TOKENS, g_from_kg

Role = Literal["mixed", "prefill", "decode", "host_cpu"]
BatchBound = Literal["ttft", "tpot", "memory", "max_num_seqs", "one_prompt"]
"""A latency limit, room for KV, the engine's limit; prefill pools take prompts one by one."""


class Status(Enum):
    """What an answer is. Only ``OPTIMAL`` is a proof (within the solver's gap tolerance)."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Note:
    """A soft remark with a stable code: an assumption taken, a value outside its fitted range."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetEntry:
    """So many servers of one kind."""

    site: str
    server: str
    variant: str
    count: int
    owned: bool = False
    on_by_hour: tuple[int, ...] = ()
    """How many are on, 24 figures on the users' clock; the others are parked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedTraffic:
    """What a pool serves of one workload on one group of servers."""

    workload: str
    share: float
    """Of the workload's requests."""
    isl_tokens: tuple[float, float]
    """Prompt lengths, from the bucket with the shortest to that with the longest."""
    osl_tokens: tuple[float, float]
    """Answer lengths, likewise."""
    bucket_shares: tuple[float, ...] = ()
    """Of each length bucket's requests, in the order of the workload's mix; in no record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Replicas of one LLM in one role on one kind of server."""

    site: str
    workloads: tuple[str, ...]
    llm: str
    server: str
    variant: str
    accelerator: str
    tp: int
    precision: str
    """Of the weights."""
    kv_precision: str
    power_cap_ratio: float
    """Of TDP; 1 without a cap of the operator's."""
    stack: str
    role: Role
    replicas: int
    """In the part of the day with most of them."""
    replicas_by_hour: tuple[int, ...]
    """How many are up, 24 figures on the users' clock."""
    utilisation: float
    """Busy share of the replicas in their busiest planned hour, before burst and headroom."""
    planned_utilisation: float
    """The most that is planned, bursts included: 1 - headroom, or less where queues need it."""
    busy_by_hour: tuple[float, ...]
    """Replicas at work on the busiest days, 24 figures on the users' clock."""
    taken_by_hour: tuple[float, ...]
    """Replicas that this work takes with bursts and headroom, 24 figures likewise."""
    served: tuple[ServedTraffic, ...]
    batch: float
    """Load-weighted mean of the planned batch."""
    batch_bound_by: BatchBound
    """What keeps the batch of most of its work from being larger."""
    power_w: float
    """Load-weighted mean draw of one accelerator (or host CPU socket) while busy."""
    fitted: bool
    """Whether that draw lies within the range the power model was fitted on."""
    provenance: str
    """How the speed parameters are known: calibrated, inherited or assumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SloReport:
    """Predicted latency of a workload at its percentile, beside its limits."""

    workload: str
    percentile: float
    ttft_s: float
    tpot_s: float
    ttft_limit_s: float
    tpot_limit_s: float

    @property
    def meets_slo(self) -> bool:
        """Both limits kept."""
        return self.ttft_s <= self.ttft_limit_s and self.tpot_s <= self.tpot_limit_s


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonPart:
    """One term of the account."""

    kind: Literal["operational", "embodied"]
    side: Literal["accelerator", "host", "facility"]
    part: str
    workload: str
    kgco2e_per_year: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPart:
    """One term of the bill."""

    part: Literal["accelerators", "hosts", "colocation", "electricity", "rental"]
    usd_per_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlySeries:
    """The planned day at the site, 24 figures each, by local hour."""

    gco2e_per_kwh: tuple[float, ...]
    it_power_kw: tuple[float, ...]
    online_it_power_kw: tuple[float, ...]
    """Of that: what serving online workloads adds over idle."""
    offline_it_power_kw: tuple[float, ...]
    """Of that: what offline work adds over idle, on accelerators and host CPUs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlyLoad:
    """One layer of a site's IT power: a workload's draw above idle, or what draws in any case.

    Hours are on the users' clock, 24 figures each.
    """

    kind: Literal["online", "offline", "standing"]
    side: Literal["accelerator", "host"]
    part: str
    """As in the account: serving, offline work on CPUs, idle, on, parked."""
    workload: str = ""
    """Empty for what draws in any case."""
    it_power_kw: tuple[float, ...]
    as_it_arrives_kw: tuple[float, ...]
    """The same energy at the hours its requests arrive; differs for work that was moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteDay:
    """The planned day of one site; hours on the users' clock."""

    site: str
    pue: float
    hourly: HourlySeries
    loads: tuple[HourlyLoad, ...] = ()
    """The layers that ``hourly.it_power_kw`` is made of."""

    @property
    def facility_kwh_per_day(self) -> float:
        """Electricity of the day at the meter of the building."""
        return sum(self.hourly.it_power_kw) * self.pue


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to buy or rent, and everything the page says about it."""

    engine_version: str
    catalog_version: str
    scenario_fingerprint: str
    status: Status
    gap: float
    """(objective - bound) / objective, of the solver's objective; 0 when proven."""
    bound: float
    objective: float
    objective_name: str
    """What was minimised, with its unit."""
    fleet: tuple[FleetEntry, ...]
    pools: tuple[Pool, ...]
    carbon_parts: tuple[CarbonPart, ...]
    cost_parts: tuple[CostPart, ...]
    site_days: tuple[SiteDay, ...]
    sunk_kgco2e_per_year: float
    """A year's share of making what is owned already: shown, in no total."""
    direct_kgco2e_per_year: float | None
    """Of the electricity's carbon what power stations burn (scope 2, location-based); None where
    only the life cycle, fuel supply and plants included, is known."""
    market_kgco2e_per_year: float | None
    """The same electricity by the site's contracts (scope 2, market-based); None without any."""
    output_tokens_per_year: float
    slo: tuple[SloReport, ...]
    blocked: tuple[BlockedSlice, ...]
    notes: tuple[Note, ...]

    @property
    def kgco2e_per_year(self) -> float:
        """Operational and embodied carbon of a year."""
        return sum(part.kgco2e_per_year for part in self.carbon_parts)

    @property
    def operational_kgco2e_per_year(self) -> float:
        """Carbon of the electricity, facility overhead included."""
        return self.carbon_by("kind").get("operational", 0.0)

    @property
    def embodied_kgco2e_per_year(self) -> float:
        """A year's share of the carbon of making the fleet."""
        return self.carbon_by("kind").get("embodied", 0.0)

    @property
    def usd_per_h(self) -> float:
        """The bill per hour of a mean day."""
        return sum(part.usd_per_h for part in self.cost_parts)

    @property
    def hourly(self) -> HourlySeries:
        """The day of all sites together; the intensity is what a mean kWh of the hour carries."""
        series = [day.hourly for day in self.site_days]
        if len(series) == 1:
            return series[0]
        power = _summed([one.it_power_kw for one in series])
        meter = [[kw * day.pue for kw in day.hourly.it_power_kw] for day in self.site_days]
        grams = [
            [kw * g for kw, g in zip(kws, one.gco2e_per_kwh, strict=True)]
            for kws, one in zip(meter, series, strict=True)
        ]
        drawn = zip(_summed(grams), _summed(meter), series[0].gco2e_per_kwh, strict=True)
        return HourlySeries(
            gco2e_per_kwh=tuple(g / kw if kw > 0 else home for g, kw, home in drawn),
            it_power_kw=power,
            online_it_power_kw=_summed([one.online_it_power_kw for one in series]),
            offline_it_power_kw=_summed([one.offline_it_power_kw for one in series]),
        )

    @property
    def pue(self) -> float:
        """Facility over IT energy of all sites together."""
        it_kwh = sum(self.hourly.it_power_kw)
        if it_kwh <= 0:
            return self.site_days[0].pue
        return sum(day.facility_kwh_per_day for day in self.site_days) / it_kwh

    @property
    def it_power_kw(self) -> float:
        """Mean IT power over the day, PSU losses included, before PUE."""
        return sum(self.hourly.it_power_kw) / len(self.hourly.it_power_kw)

    @property
    def peak_it_power_kw(self) -> float:
        """IT power of the busiest hour."""
        return max(self.hourly.it_power_kw)

    @property
    def facility_kwh_per_year(self) -> float:
        """Electricity of a year at the meter of the building."""
        return sum(day.facility_kwh_per_day for day in self.site_days) * DAYS_PER_YEAR

    @property
    def gco2e_per_functional_unit(self) -> float:
        """gCO2e per 1,000 output tokens, offline ones too."""
        units = self.output_tokens_per_year / FUNCTIONAL_UNIT_TOKENS
        return g_from_kg(self.kgco2e_per_year) / units

    def carbon_by(self, *fields: str) -> dict[str, float]:
        """Carbon in kg per year summed by the named fields of :class:`CarbonPart`.

        ``carbon_by("kind", "side")`` has keys like ``"embodied host"``.
        """
        totals: dict[str, float] = {}
        for part in self.carbon_parts:
            key = " ".join(str(getattr(part, name)) for name in fields)
            totals[key] = totals.get(key, 0.0) + part.kgco2e_per_year
        return totals


def _summed(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(sum(column) for column in zip(*rows, strict=True))


def plan_record(plan: Plan, seconds: float) -> dict[str, Any]:
    """The plan as plain data: the JSON object of ``ecoserve plan --json``."""
    return {
        **_identity(plan),
        "status": plan.status.value,
        "gap": plan.gap,
        "bound": plan.bound,
        "objective": plan.objective,
        "objective_name": plan.objective_name,
        "seconds": seconds,
        "kgco2e_per_year": {
            "total": plan.kgco2e_per_year,
            "operational": plan.operational_kgco2e_per_year,
            "embodied": plan.embodied_kgco2e_per_year,
            "by_part": plan.carbon_by("kind", "side", "part"),
            "by_workload": plan.carbon_by("workload"),
        },
        "scopes_kgco2e_per_year": _scopes(plan),
        "sunk_kgco2e_per_year": plan.sunk_kgco2e_per_year,
        "sites": [_site_record(day) for day in plan.site_days],
        "gco2e_per_functional_unit": plan.gco2e_per_functional_unit,
        "usd_per_h": plan.usd_per_h,
        "usd_per_h_by_part": {part.part: part.usd_per_h for part in plan.cost_parts},
        "it_power_kw": plan.it_power_kw,
        "peak_it_power_kw": plan.peak_it_power_kw,
        "facility_kwh_per_year": plan.facility_kwh_per_year,
        "fleet": [_record(entry) for entry in plan.fleet],
        "pools": [_pool_record(pool) for pool in plan.pools],
        "slo": [{**_record(row), "meets_slo": row.meets_slo} for row in plan.slo],
        "blocked": [{"slice": b.slice, "reason": b.reason} for b in plan.blocked],
    }


def _scopes(plan: Plan) -> dict[str, float | None]:
    """The year by the scopes of the GHG Protocol, of whoever owns the servers.

    Scope 2 is what power stations burn; fuel supply and plants are scope 3, category 3. Where only
    the two together are known, neither is stated alone.
    """
    together, direct = plan.operational_kgco2e_per_year, plan.direct_kgco2e_per_year
    return {
        "electricity_life_cycle": together,
        "scope_2_location_based": direct,
        "scope_2_market_based": plan.market_kgco2e_per_year,
        "scope_3_fuel_and_plants": None if direct is None else together - direct,
        "scope_3_embodied": plan.embodied_kgco2e_per_year,
    }


def _site_record(day: SiteDay) -> dict[str, Any]:
    kwh = day.facility_kwh_per_day * DAYS_PER_YEAR
    return {"site": day.site, "pue": day.pue, "facility_kwh_per_year": kwh}


def _identity(plan: Plan) -> dict[str, Any]:
    return {
        "engine_version": plan.engine_version,
        "catalog_version": plan.catalog_version,
        "scenario_fingerprint": plan.scenario_fingerprint,
        "notes": [{"code": note.code, "message": note.message} for note in plan.notes],
    }


def _pool_record(pool: Pool) -> Mapping[str, Any]:
    """Without the shares by bucket, hundreds of figures that only the replay needs."""
    record = dict(_record(pool))
    served = [{k: v for k, v in row.items() if k != "bucket_shares"} for row in record["served"]]
    return record | {"served": served}


def _record(row: Any) -> Mapping[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(row).items()}
