"""What the terminal shows of plans, comparisons, footprints and profiles, as rich tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from app.text import MassUnit, mass_unit, number
from ecoserve.plan import Note, Plan, Status

if TYPE_CHECKING:
    from ecoserve.baselines import Comparison
    from ecoserve.embodied import Footprint
    from ecoserve.profile import ServingProfile

Report = list[RenderableType]


def percent(ratio: float) -> str:
    """A fraction in per cent, three significant digits."""
    return f"{number(100 * ratio)} %"


def plan_report(plan: Plan, title: str) -> Report:
    """The plan: totals, fleet, pools, carbon, cost, latency and notes."""
    report: Report = [Text(title, style="bold"), *_totals(plan), Text(_certainty(plan))]
    report += [_fleet(plan), _pools(plan), _carbon(plan), _cost(plan)]
    if plan.slo:
        report.append(_slo(plan))
    report += _blocked({blocked.slice: blocked.reason for blocked in plan.blocked})
    return report + _notes(plan.notes)


def comparison_report(comparison: Comparison, title: str) -> Report:
    """Our plan beside every baseline, and what each lever is worth."""
    plans = comparison.plans
    report: Report = [Text(title, style="bold"), _side_by_side(comparison)]
    if comparison.waterfall:
        report.append(_waterfall(comparison))
    report += _blocked(comparison.blocked)
    return report + _notes(plans["ecoserve"].notes)


def footprint_report(footprint: Footprint, name: str) -> Report:
    """Embodied carbon of a server or accelerator, part by part."""
    title = f"Embodied carbon of {name}, coefficient set {footprint.coefficients}"
    rows: list[tuple[str, ...]] = [
        (
            p.part,
            p.side,
            number(p.kgco2e),
            _band(p.low_kgco2e, p.high_kgco2e),
            p.quality,
            p.source_id,
        )
        for p in footprint.parts
    ]
    total = _band(footprint.low_kgco2e, footprint.high_kgco2e)
    rows.append(("total", "", number(footprint.total_kgco2e), total, "", ""))
    heads = ("part", "side", "kgCO2e >", "low-high >", "quality", "source")
    return [Text(title, style="bold"), table("Parts", heads, rows)]


def profile_report(profile: ServingProfile, title: str) -> Report:
    """Speed and power of one replica at one operating point."""
    rows = [
        ("batch", f"{profile.batch:,}", "requests at once"),
        ("TTFT", number(profile.ttft_s), "s, without queueing"),
        ("TPOT", number(profile.tpot_s), "s"),
        ("throughput", number(profile.tokens_per_s), "output tokens/s"),
        ("requests", number(profile.requests_per_s), "1/s"),
        ("power", number(profile.power_w), "W, accelerators of the replica"),
        ("energy", number(profile.j_per_token), "J per output token"),
        ("memory", number(profile.memory_gb), "GB"),
        ("bound by", str(profile.bound_by), ""),
        ("error band", percent(profile.error_band), f"parameters {profile.provenance}"),
    ]
    return [Text(title, style="bold"), table("Profile", ("figure", "value >", "unit"), rows)]


def record_report(record: Mapping[str, Any], title: str) -> Report:
    """One row of the catalog, a line per column."""
    rows = [(key, cell(value)) for key, value in record.items()]
    return [table(title, ("column", "value"), rows)]


def rows_report(rows: Sequence[Mapping[str, Any]], title: str, columns: Sequence[str]) -> Report:
    """Rows of the catalog, the named columns only."""
    lines = [[cell(row.get(column)) for column in columns] for row in rows]
    return [table(title, columns, lines)]


def cell(value: object) -> str:
    """A catalog value as text: numbers as stored, nothing for no value."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value)
    return str(value)


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A plain table; a head that ends in ``>`` is a column of numbers."""
    grid = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False
    )
    for head in heads:
        name = head.removesuffix(" >")
        grid.add_column(name, justify="left" if name == head else "right", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(text) for text in row))
    return grid


def _totals(plan: Plan) -> Report:
    unit = mass_unit(plan.kgco2e_per_year)
    rows = [
        ("carbon", _mass(unit, plan.kgco2e_per_year), f"{unit.name} CO2e a year"),
        (
            "  operational",
            _mass(unit, plan.operational_kgco2e_per_year),
            f"{unit.name} CO2e a year",
        ),
        ("  embodied", _mass(unit, plan.embodied_kgco2e_per_year), f"{unit.name} CO2e a year"),
        ("intensity", number(plan.gco2e_per_functional_unit), "g CO2e per 1,000 output tokens"),
        ("cost", number(plan.usd_per_h), "USD/h"),
        ("IT power", number(plan.it_power_kw), f"kW mean, {number(plan.peak_it_power_kw)} kW peak"),
        ("electricity", number(plan.facility_kwh_per_year), f"kWh a year at PUE {plan.pue:g}"),
    ]
    return [table("Totals", ("figure", "value >", "unit"), rows)]


def _certainty(plan: Plan) -> str:
    least = f"{plan.objective_name}: {number(plan.objective)}"
    if plan.status is Status.OPTIMAL:
        return f"Proven optimal ({least})."
    if plan.status is Status.FEASIBLE and math.isfinite(plan.gap):
        return f"Feasible, within {percent(plan.gap)} of the best possible ({least})."
    return f"{plan.status.value.capitalize()}, not proven ({least})."


def _fleet(plan: Plan) -> Table:
    rows = [
        (e.site, e.server, e.variant, f"{e.count:,}", "owned" if e.owned else "")
        for e in plan.fleet
    ]
    return table("Fleet", ("site", "server", "variant", "count >", ""), rows)


def _pools(plan: Plan) -> Table:
    heads = ("workloads", "LLM", "server", "accelerator", "precision", "role", "replicas >")
    rows = [
        (
            ", ".join(p.workloads),
            p.llm,
            p.server,
            f"{p.tp} x {p.accelerator}",
            p.precision,
            p.role,
            f"{p.replicas:,}",
            percent(p.utilisation),
            number(p.batch),
            number(p.power_w) + ("" if p.fitted else " *"),
        )
        for p in plan.pools
    ]
    grid = table("Pools", (*heads, "busy >", "batch >", "W each >"), rows)
    if not all(pool.fitted for pool in plan.pools):
        grid.caption = "* beyond the range the power model was fitted on"
        grid.caption_justify = "left"
    return grid


def _carbon(plan: Plan) -> Table:
    unit = mass_unit(plan.kgco2e_per_year)
    by_part: dict[tuple[str, str], dict[str, float]] = {}
    for p in plan.carbon_parts:
        kinds = by_part.setdefault((p.side, p.part), {})
        kinds[p.kind] = kinds.get(p.kind, 0.0) + p.kgco2e_per_year
    rows = [
        (side, part, *(_mass(unit, kinds.get(kind, 0.0)) for kind in ("operational", "embodied")))
        for (side, part), kinds in sorted(by_part.items())
    ]
    sums = (
        _mass(unit, plan.operational_kgco2e_per_year),
        _mass(unit, plan.embodied_kgco2e_per_year),
    )
    rows.append(("total", "", *sums))
    heads = ("side", "part", "operational >", "embodied >")
    return table(f"Carbon, {unit.name} CO2e a year", heads, rows)


def _cost(plan: Plan) -> Table:
    rows = [(part.part, number(part.usd_per_h)) for part in plan.cost_parts]
    return table("Cost", ("part", "USD/h >"), [*rows, ("total", number(plan.usd_per_h))])


def _slo(plan: Plan) -> Table:
    rows = [
        (
            s.workload,
            f"p{100 * s.percentile:g}",
            f"{number(s.ttft_s)} / {number(s.ttft_limit_s)}",
            f"{number(s.tpot_s)} / {number(s.tpot_limit_s)}",
            "kept" if s.meets_slo else "MISSED",
        )
        for s in plan.slo
    ]
    return table("Latency", ("workload", "of requests", "TTFT s >", "TPOT s >", "limits"), rows)


def _side_by_side(comparison: Comparison) -> Table:
    plans = comparison.plans
    unit = mass_unit(max(plan.kgco2e_per_year for plan in plans.values()))
    rows = [
        (
            name + (" (best single)" if name == comparison.best_single else ""),
            _mass(unit, plan.kgco2e_per_year),
            _mass(unit, plan.operational_kgco2e_per_year),
            _mass(unit, plan.embodied_kgco2e_per_year),
            percent(round(comparison.savings[name], 4)) if name in comparison.savings else "",
            number(plan.usd_per_h),
            number(plan.it_power_kw),
            "proven" if plan.status is Status.OPTIMAL else f"within {percent(plan.gap)}",
            ", ".join(f"{e.count:,} x {e.server}" for e in plan.fleet),
        )
        for name, plan in plans.items()
    ]
    heads = (
        "plan",
        "total >",
        "oper. >",
        "emb. >",
        "we save >",
        "USD/h >",
        "kW >",
        "answer",
        "fleet",
    )
    return table(f"Plans, {unit.name} CO2e a year", heads, rows)


def _waterfall(comparison: Comparison) -> Table:
    most = max(abs(step.kgco2e_per_year) for step in comparison.waterfall)
    unit = mass_unit(most)
    rows = [
        (step.step, _mass(unit, step.kgco2e_per_year), "within the gap" if step.within_gap else "")
        for step in comparison.waterfall
    ]
    return table(
        "From the fleet chosen for cost, as sold, to ours, lever by lever",
        ("step", f"{unit.name} CO2e a year >", ""),
        rows,
    )


def _blocked(reasons: Mapping[str, str]) -> Report:
    if not reasons:
        return []
    return [table("Cannot be served", ("what", "why"), list(reasons.items()))]


def _notes(notes: Iterable[Note]) -> Report:
    return [Text(f"note ({note.code}): {note.message}") for note in notes]


def _mass(unit: MassUnit, kgco2e: float) -> str:
    return number(unit.value(kgco2e))


def _band(low: float, high: float) -> str:
    return f"{number(low)}-{number(high)}"
