"""The remarks a plan carries: assumptions taken, values outside their measured range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ecoserve.catalog import Catalog
from ecoserve.offers import allowed_servers, plannable
from ecoserve.operational import hourly_intensity
from ecoserve.performance import MOE_ERROR_BAND
from ecoserve.plan import FleetEntry, Note, Pool, SloReport
from ecoserve.rows import Server
from ecoserve.scenario import Scenario
from ecoserve.scenario_parts import DEFAULT_HOURS
from ecoserve.standing import basis
from ecoserve.terms import FULL

LARGEST_DIFFERENCE = 0.05
"""Between the mean of the hours and the annual figure, before it is worth a word."""


def plan_notes(
    *,
    scenario: Scenario,
    catalog: Catalog,
    fleet: Sequence[FleetEntry],
    pools: Sequence[Pool],
    reports: Sequence[SloReport],
    late: Mapping[str, float],
    held: bool,
    stopped_by_time: bool,
    own_gap: float,
    own_slack: float,
) -> tuple[Note, ...]:
    """All notes of a plan, the gravest first."""
    return (
        *_missed(reports),
        *_stopped(stopped_by_time),
        *_own_optimum(own_gap, own_slack),
        *_late(late),
        *_held(held),
        *_parameters(pools, catalog),
        *_experts(pools, catalog),
        *_power(pools),
        *_turns(scenario, pools),
        *_year(),
        *_hours(scenario, catalog),
        *_prices(scenario, catalog),
        *_left_out(scenario, catalog),
        *_own_hardware(scenario, catalog, pools),
        *_precision(pools),
        *_cached(scenario),
        *_capped(pools),
        *_trimmed(fleet, catalog),
        *_parked(fleet),
        *_stock(scenario, fleet),
        *_elsewhere(scenario, pools),
    )


def _missed(reports: Sequence[SloReport]) -> Iterator[Note]:
    for row in reports:
        if not row.meets_slo:
            yield Note(
                "slo_missed",
                f"{row.workload}: predicted TTFT {row.ttft_s:.2f} s of {row.ttft_limit_s:.2f} s, "
                f"TPOT {row.tpot_s * 1000:.0f} ms of {row.tpot_limit_s * 1000:.0f} ms in the "
                f"busiest window; raise the headroom",
            )


def _stopped(by_time: bool) -> Iterator[Note]:
    if by_time:
        yield Note(
            "stopped_by_time", "the search was stopped by the clock; a rerun may find better"
        )


def _own_optimum(gap: float, slack: float) -> Iterator[Note]:
    if gap > slack:
        yield Note(
            "own_optimum_open",
            f"this baseline's own optimum is proven only to {gap:.1%}; a fleet better for it by up "
            f"to that much may exist",
        )


def _turns(scenario: Scenario, pools: Sequence[Pool]) -> Iterator[Note]:
    offline = {w.name for w in scenario.workloads if w.kind == "offline"}
    shared = any(offline & set(pool.workloads) and set(pool.workloads) - offline for pool in pools)
    if shared:
        yield Note(
            "replicas_take_turns",
            "in pools that online and offline workloads share, a replica serves one of the two at "
            "a time: mixed in one batch, offline work would slow the online tokens",
        )


def _year() -> Iterator[Note]:
    yield Note(
        "year_of_such_days",
        "a year is 365 days like the planned one; quieter weekends and seasons are not in it",
    )


def _late(late: Mapping[str, float]) -> Iterator[Note]:
    for workload, share in late.items():
        if share > 0.0005:
            yield Note(
                "late_requests",
                f"{workload}: {share:.1%} of the requests, those too long for the chosen hardware, "
                f"miss the limits even without waiting; the percentile allows it",
            )


def _held(held: bool) -> Iterator[Note]:
    if held:
        yield Note(
            "held_pool_sizes",
            "queues were judged at the pool sizes of an earlier round; the bound holds for those",
        )


def _parameters(pools: Sequence[Pool], catalog: Catalog) -> Iterator[Note]:
    for provenance in ("inherited", "assumed"):
        places = sorted({_speed_of(p, catalog) for p in pools if p.provenance == provenance})
        if places:
            yield Note(
                f"speed_{provenance}",
                f"speed parameters {provenance}, not measured, on {'; '.join(places)}",
            )
    cards = [catalog.accelerator(card) for card in sorted({p.accelerator for p in pools} - {""})]
    rows = [(card, catalog.power_on(card)) for card in cards]
    weak = [f"{c.id} ({basis(row, c)})" for c, row in rows if row.provenance != "calibrated"]
    if weak:
        yield Note("power_inherited", f"power parameters not measured on {'; '.join(weak)}")


def _speed_of(pool: Pool, catalog: Catalog) -> str:
    """Where a pool runs and what the parameters of its speed rest on."""
    if not pool.accelerator:
        return _place(pool)
    accelerator = catalog.accelerator(pool.accelerator)
    row = catalog.serving_on(accelerator, pool.stack, pool.precision)
    return f"{_place(pool)} ({basis(row, accelerator)})"


def _experts(pools: Sequence[Pool], catalog: Catalog) -> Iterator[Note]:
    names = sorted({pool.llm for pool in pools if catalog.llm(pool.llm).n_experts})
    if names:
        yield Note(
            "speed_of_experts",
            f"{', '.join(names)}: the speed of mixtures of experts is known only to "
            f"{MOE_ERROR_BAND:.0%}, and planned with that margin",
        )


def _place(pool: Pool) -> str:
    return f"{pool.accelerator or pool.server} at {pool.precision}"


def _power(pools: Sequence[Pool]) -> Iterator[Note]:
    outside = sorted({_place(pool) for pool in pools if not pool.fitted})
    if outside:
        yield Note(
            "power_outside_fit",
            f"no measurement behind the power (this accelerator or precision, pure prefill, a "
            f"mixture of experts, a power cap, or outside the fitted utilisation) on "
            f"{', '.join(outside)}",
        )


def _hours(scenario: Scenario, catalog: Catalog) -> Iterator[Note]:
    """Hours and yearly mean of a region come from different years and sources."""
    site, region = scenario.site, catalog.region(scenario.site.region)
    if site.intensity != "hourly" or (site.season, site.intensity_kind) != DEFAULT_HOURS:
        return
    mean = float(hourly_intensity(site, catalog).mean())
    if abs(mean / region.gco2e_per_kwh - 1.0) > LARGEST_DIFFERENCE:
        zone = catalog.grid_zone(region.grid_zone_id or "")
        yield Note(
            "hours_differ_from_year",
            f"planned by the hours of {zone.year}, {mean:.0f} gCO2e/kWh on average, while the "
            f"region's figure for {region.year} is {region.gco2e_per_kwh:.0f}: with intensity "
            f"'annual' the operational carbon is {region.gco2e_per_kwh / mean - 1.0:+.0%}",
        )


def _electricity(scenario: Scenario, catalog: Catalog) -> str:
    region = catalog.region(scenario.site.region)
    if scenario.site.electricity_usd_per_kwh is not None:
        return "the price you gave"
    if region.electricity_usd_per_kwh is None:
        return "a typical wholesale price, none being known for the region"
    if ("regions", region.id) in catalog.overlay_rows:
        return "the price of your region's row"
    return "the region's wholesale mean"


def _prices(scenario: Scenario, catalog: Catalog) -> Iterator[Note]:
    if scenario.hardware.offer == "purchase":
        yield Note(
            "prices_assumed",
            "purchase prices are assumed street prices, straight-line over the lifetimes, plus "
            f"colocation by rated power and electricity at {_electricity(scenario, catalog)}",
        )
    else:
        yield Note(
            "rented_is_scope_3",
            "servers are rented: electricity and embodied carbon are the tenant's scope 3, "
            "whatever their scope is to the provider",
        )


def _left_out(scenario: Scenario, catalog: Catalog) -> Iterator[Note]:
    """Accelerators that were allowed, are on offer, and cannot be planned with."""
    stack = scenario.hardware.stack
    on_offer = sorted({server.accelerator_id for server in allowed_servers(scenario, catalog)})
    cards = [catalog.accelerator(accelerator_id) for accelerator_id in on_offer]
    unknown = [card.id for card in cards if not plannable(card, stack, catalog)]
    if unknown:
        yield Note(
            "accelerators_left_out",
            f"not considered, because the catalog has no speed or power parameters for them with "
            f"{stack}: {', '.join(unknown)}",
        )


def _own_hardware(scenario: Scenario, catalog: Catalog, pools: Sequence[Pool]) -> Iterator[Note]:
    """What became of the servers that the user brought, or brought the accelerators of."""
    mine = [server for server in catalog.servers.values() if _is_own(server, catalog)]
    allowed = {server.id for server in allowed_servers(scenario, catalog)}
    used = {pool.server for pool in pools}
    groups = {
        "bought or rented": [s.id for s in mine if s.id in used],
        "offered, and not chosen: another fleet is better for this objective": [
            s.id for s in mine if s.id in allowed - used
        ],
        "not offered: the scenario allows not the accelerator, the convention or the provider": [
            s.id for s in mine if s.id not in allowed
        ],
    }
    for what, ids in groups.items():
        if ids:
            yield Note("own_hardware", f"of your own rows, {', '.join(sorted(ids))}: {what}")


def _is_own(server: Server, catalog: Catalog) -> bool:
    rows = (("servers", server.id), ("accelerators", server.accelerator_id))
    return any(row in catalog.overlay_rows for row in rows)


def _precision(pools: Sequence[Pool]) -> Iterator[Note]:
    reduced = [pool for pool in pools if pool.precision != "bf16"]
    if reduced:
        names = ", ".join(sorted({w for pool in reduced for w in pool.workloads}))
        formats = ", ".join(sorted({pool.precision for pool in reduced}))
        yield Note(
            "reduced_precision", f"{names}: {formats} weights in use, as these workloads accept"
        )
    formats = ", ".join(sorted({p.kv_precision for p in pools if p.kv_precision != "bf16"}))
    if formats:
        yield Note(
            "reduced_kv_precision",
            f"the KV cache is held in {formats} where the hardware has it; what that does to "
            f"quality is not judged",
        )


def _cached(scenario: Scenario) -> Iterator[Note]:
    cached = [w for w in scenario.workloads if w.prefix_cache_hit > 0]
    if cached:
        shares = ", ".join(f"{w.name} {w.prefix_cache_hit:.0%}" for w in cached)
        yield Note(
            "prefix_cache_assumed",
            f"share of the prompt found in the prefix cache, as stated, not predicted: {shares}; "
            f"it takes no memory from the running requests",
        )


def _capped(pools: Sequence[Pool]) -> Iterator[Note]:
    places = sorted(
        {f"{p.accelerator} at {p.power_cap_ratio:.0%}" for p in pools if p.power_cap_ratio < 1.0}
    )
    if places:
        yield Note(
            "power_cap_assumed",
            f"power capped, of TDP: {', '.join(places)}; how a cap slows work is assumed, not "
            f"measured",
        )


def _trimmed(fleet: Sequence[FleetEntry], catalog: Catalog) -> Iterator[Note]:
    for name in sorted({entry.variant for entry in fleet} - {FULL}):
        variant = catalog.host_variant(name)
        yield Note(
            "trimmed_hosts",
            f"hosts {variant.name.lower()}: {variant.dram_base_gb:.3g} GB of DRAM and "
            f"{variant.dram_gb_per_accelerator_gb:g} GB per GB of accelerator memory, "
            f"{variant.quality}; ask whoever sells the servers",
        )


def _parked(fleet: Sequence[FleetEntry]) -> Iterator[Note]:
    parked = [entry for entry in fleet if min(entry.on_by_hour) < entry.count]
    if parked:
        most = sum(entry.count - min(entry.on_by_hour) for entry in parked)
        yield Note(
            "parked_servers",
            f"up to {most} server{' is' if most == 1 else 's are'} off for part of the day; the "
            f"minutes that waking takes are not in the plan, start ahead of the rise",
        )


def _stock(scenario: Scenario, fleet: Sequence[FleetEntry]) -> Iterator[Note]:
    stock = scenario.hardware.stock
    years = scenario.hardware.accelerator_years
    retired = sum(row.count for row in stock if row.age_years >= years)
    if retired:
        yield Note("stock_retired", f"{retired} owned servers are past {years:g} years and retired")
    unused = sum(row.count for row in stock) - retired - sum(e.count for e in fleet if e.owned)
    if unused > 0:
        yield Note(
            "stock_unused",
            f"{unused} owned servers stay switched off: what they would draw weighs more than what "
            f"is bought instead",
        )


def _elsewhere(scenario: Scenario, pools: Sequence[Pool]) -> Iterator[Note]:
    away = sorted({pool.site for pool in pools} - {scenario.site.name})
    if away:
        yield Note(
            "served_elsewhere",
            f"served at {', '.join(away)}: the round trip counts into TTFT, the network's own "
            f"energy and price are not in the plan",
        )
