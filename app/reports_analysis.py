"""What the terminal shows of the analyses, as rich tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from app.reports import Report, percent, table
from app.text import MassUnit, mass_unit, number

if TYPE_CHECKING:
    from ecoserve.analysis.crossover import Crossovers
    from ecoserve.analysis.levers import LeverReport
    from ecoserve.analysis.limits import LimitReport
    from ecoserve.analysis.pareto import Pareto
    from ecoserve.analysis.regret import WhyNot
    from ecoserve.analysis.robustness import Robustness
    from ecoserve.analysis.sensitivity import Sensitivity, Tried
    from ecoserve.analysis.sweep import SweepRow
    from ecoserve.plan import FleetEntry

NOT_SERVED = "cannot serve"
NO_LIMIT = "No limit on power, space, servers or totals holds this fleet back."
LATENCY_LIMITS = (
    "TTFT and TPOT limits are not in these figures: they bound batches and queues before any server"
    " is counted. The reasons beside the fleet say where they do; the sensitivity says what looser"
    " ones are worth."
)


def fleet_words(fleet: Iterable[FleetEntry]) -> str:
    """A fleet in one line."""
    return ", ".join(
        f"{entry.count:,} x {entry.server}"
        + ("" if entry.variant == "full" else f" {entry.variant}")
        for entry in fleet
    )


def pareto_report(answer: Pareto, title: str) -> Report:
    """Fleets from the cheapest on, then the bound that no fleet can pass."""
    unit = mass_unit(max(point.kgco2e_per_year for point in answer.fleets))
    fleets = [
        (
            number(point.usd_per_h),
            _mass(unit, point.kgco2e_per_year),
            "carbon alone" if price is None else f"{number(price)} USD/t",
            percent(point.gap),
            fleet_words(point.plan.fleet),
        )
        for point in answer.fleets
        for price in (point.carbon_price_usd_per_t,)
    ]
    bound = [
        (number(p.usd_per_h), _mass(unit, p.kgco2e_per_year), _price(p.usd_per_t))
        for p in answer.bound
    ]
    heads = ("USD/h >", f"{unit.name} CO2e a year >", "planned at", "within >", "fleet")
    bound_heads = ("USD/h >", f"{unit.name} CO2e a year >", "next tonne less, USD >")
    return [
        Text(title, style="bold"),
        table("Fleets that no other beats in both", heads, fleets),
        table("No fleet can pass", bound_heads, bound),
    ]


def _price(usd_per_t: float) -> str:
    return number(usd_per_t) if math.isfinite(usd_per_t) else "none"


def sensitivity_report(answer: Sensitivity, title: str) -> Report:
    """The tornado as a table, the widest bar first."""
    plan = answer.plan
    unit = mass_unit(plan.kgco2e_per_year)
    rows = [
        (
            row.input,
            f"{number(row.low.value)} - {number(row.high.value)} {row.unit}",
            *(_tried(unit, tried.kgco2e_per_year) for tried in (row.low, row.high)),
            *(_tried(unit, tried.fixed_kgco2e_per_year) for tried in (row.low, row.high)),
            "; ".join(_change(end, tried) for end, tried in (("low", row.low), ("high", row.high))
                      if tried.fleet_changes),
        )
        for row in answer.rows
    ]  # fmt: skip
    heads = ("input", "from - to", "low >", "high >", "fleet kept, low >", "high >", "other fleet")
    total = f"Planned: {unit.text(plan.kgco2e_per_year)} CO2e a year, {fleet_words(plan.fleet)}"
    return [
        Text(title, style="bold"),
        Text(total),
        table(f"Sensitivity, {unit.name} CO2e a year", heads, rows),
    ]


def _tried(unit: MassUnit, kgco2e: float | None) -> str:
    return NOT_SERVED if kgco2e is None else _mass(unit, kgco2e)


def _change(end: str, tried: Tried) -> str:
    return f"{end}: {fleet_words(tried.fleet)}"


def crossover_report(answer: Crossovers, title: str) -> Report:
    """The best fleets from the cleanest grid to the dirtiest."""
    unit = mass_unit(max(s.line.kgco2e_per_year(s.to_g_per_kwh) for s in answer.segments))
    rows = [
        (
            f"{number(s.from_g_per_kwh)} - {number(s.to_g_per_kwh)}",
            _mass(unit, s.line.kgco2e_per_year(s.from_g_per_kwh)),
            _mass(unit, s.line.kgco2e_per_year(s.to_g_per_kwh)),
            _mass(unit, s.line.making_kgco2e_per_year),
            fleet_words(s.line.fleet),
        )
        for s in answer.segments
    ]
    changes = ", ".join(number(g) for g in answer.intensities_g_per_kwh)
    found = f"The fleet changes at {changes} gCO2e/kWh" if changes else "The fleet never changes"
    told = f"{found}; fleets within {percent(answer.gap)} of the best possible"
    told += "" if answer.checked else ", not every change was planned at"
    told += f". {away_from_home(answer)}".rstrip(". ")
    heads = ("gCO2e/kWh", "from >", "to >", "making >", "fleet")
    return [
        Text(title, style="bold"),
        Text(f"{told}."),
        table(f"Best fleets on a flat grid, {unit.name} CO2e a year", heads, rows),
    ]


def away_from_home(answer: Crossovers) -> str:
    """What a quick search leaves open, in words; nothing for a thorough one."""
    if answer.thorough_at_g_per_kwh is None:
        return ""
    home = f"{number(answer.thorough_at_g_per_kwh)} gCO2e/kWh, the mean of your grid"
    return f"Away from {home}, fleets were searched for quickly and better ones may exist"


def robustness_report(answer: Robustness, title: str) -> Report:
    """The regret matrix, the fleet to regret least first."""
    rows = [
        (fleet_words(row.fleet), percent(row.worst_ratio), *map(_regret, row.regret_ratio))
        for row in answer.fleets
    ]
    least = answer.least_regret
    told = (
        f"Least to regret: {fleet_words(least.fleet)}, at worst {percent(least.worst_ratio)} more "
        f"carbon than the best fleet; choices within {percent(answer.gap)} of the best possible."
    )
    heads = ("fleet", "at worst >", *(f"{view} >" for view in answer.views))
    return [Text(title, style="bold"), Text(told), table("More carbon than the best", heads, rows)]


def _regret(ratio: float) -> str:
    return "best" if ratio == 0 else percent(ratio)


def why_not_report(answer: WhyNot, title: str) -> Report:
    """Each accelerator left out and what insisting on it would cost."""
    report: Report = [Text(title, style="bold"), Text(f"Planned: {fleet_words(answer.plan.fleet)}")]
    report += [Text(regret.sentence) for regret in (*answer.without, *answer.regrets)]
    if not answer.regrets:
        report.append(Text("Every allowed accelerator is in the plan."))
    return report


def limits_report(answer: LimitReport, title: str) -> Report:
    """Prices of traffic and of the limits that bind."""
    report: Report = [Text(title, style="bold")]
    report.append(Text(f"The day of this fleet: {number(answer.objective)} {answer.unit}"))
    report += [Text(f"{price.sentence}.") for price in answer.traffic]
    report += [
        Text(f"{limit.sentence[0].upper()}{limit.sentence[1:]}.") for limit in answer.binding
    ]
    if not answer.binding:
        report.append(Text(NO_LIMIT))
    return [*report, Text(LATENCY_LIMITS)]


def levers_report(answer: LeverReport, title: str) -> Report:
    """Reuse in words, Reduce in its two halves."""
    report: Report = [Text(title, style="bold")]
    if answer.entry is None:
        report.append(Text("Reuse: no offline work that a CPU of an allowed server can run."))
    else:
        report.append(Text(f"{answer.entry.sentence}."))
    report += [Text(f"{row.sentence}.") for row in answer.reuse]
    rows = [
        (
            f"{row.count:,} x {row.server}",
            row.variant,
            f"{number(row.dram_gb)} GB, {number(row.ssd_gb)} GB",
            number(row.wall_w),
            number(row.operational_kgco2e_per_year),
            number(row.embodied_kgco2e_per_year),
            number(row.usd_per_h),
        )
        for row in answer.reduce
    ]
    heads = ("servers", "variant", "DRAM, SSD left out", "W each >", "operational >", "embodied >")
    title_of_table = "Reduce: what trimmed hosts leave out, kg CO2e a year"
    return [*report, table(title_of_table, (*heads, "USD/h >"), rows)]


def sweep_report(rows: Sequence[SweepRow], title: str) -> Report:
    """One line a scenario."""
    known = [row.kgco2e_per_year for row in rows if row.kgco2e_per_year is not None]
    unit = mass_unit(max(known, default=0.0))
    lines = [
        (
            ", ".join(f"{path}={value}" for path, value in row.edits.items()),
            "" if row.kgco2e_per_year is None else _mass(unit, row.kgco2e_per_year),
            "" if row.usd_per_h is None else number(row.usd_per_h),
            row.status if row.gap is None else f"within {percent(row.gap)}",
            row.reason or fleet_words(row.fleet),
        )
        for row in rows
    ]
    heads = ("with", f"{unit.name} CO2e a year >", "USD/h >", "answer", "fleet")
    return [Text(title, style="bold"), table("Scenarios", heads, lines)]


def _mass(unit: MassUnit, kgco2e: float) -> str:
    return number(unit.value(kgco2e))
