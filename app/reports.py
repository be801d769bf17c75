"""What the terminal shows of plans, footprints and profiles, as rich tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from app.text import MassUnit, band_width, mass_unit, number
from ecoserve.plan import Note, Plan, Status
from ecoserve.units import g_from_kg, t_from_kg

if TYPE_CHECKING:
    from ecoserve.catalog import Catalog
    from ecoserve.embodied import Footprint
    from ecoserve.footprints import FootprintCheck
    from ecoserve.profile import LoadPower, ServingProfile

Report = list[RenderableType]
COLUMN_HEADS = {"is_own": "yours"}
"""Columns that a listing heads with another word."""
BAND_ENDS = ("low_kgco2e", "high_kgco2e")
VALIDATION_LEGEND = (
    "Spread: as published, where it is. Low-high: ours with every coefficient at its end at once."
    " In sample: a value or an end of the set's coefficients comes from this footprint."
    " High n x low: how wide our band is; a wide one holds almost anything."
    " Trust: A reviewed primary data or teardown, B vendor tool or quoted by others, C indirect."
)


def percent(ratio: float) -> str:
    """A fraction in per cent, three significant digits."""
    return f"{number(100 * ratio)} %"


def plan_report(plan: Plan, title: str, whys: Sequence[str]) -> Report:
    """The plan: totals, fleet, pools, carbon, cost, latency and notes.

    ``whys``: a sentence for each entry of the fleet.
    """
    report: Report = [Text(title, style="bold"), *_totals(plan), Text(_certainty(plan))]
    report += [_fleet(plan, whys), _pools(plan), _carbon(plan), _cost(plan)]
    if plan.slo:
        report.append(_slo(plan))
    report += blocked_report({blocked.slice: blocked.reason for blocked in plan.blocked})
    return report + notes_report(plan.notes)


def footprint_report(
    footprint: Footprint,
    name: str,
    others: Sequence[Footprint],
    years: tuple[float, float],
    catalog: Catalog,
) -> Report:
    """Embodied carbon of a server or accelerator: parts, hours, other sets, sources, notes.

    ``years`` are the lifetimes of accelerators and host.
    """
    title = f"Embodied carbon of {name}, coefficient set {footprint.coefficients}"
    report: Report = [Text(title, style="bold"), _parts_made(footprint)]
    report += [Text(_hourly(footprint, years)), Text(_other_sets(others))]
    report.append(_sources(footprint, catalog))
    notes = dict.fromkeys(f"{p.part}: {p.note}" for p in footprint.parts if p.note)
    return report + [Text(note) for note in notes]


def validation_report(checks: Sequence[FootprintCheck]) -> Report:
    """Published footprints beside ours for every set, then line by line for set pcf."""
    rows: list[tuple[str, ...]] = []
    for number_of_row, check in enumerate(checks):
        again = number_of_row > 0 and checks[number_of_row - 1].footprint == check.footprint
        rows.append(("", "", "", *_check_row(check)[3:]) if again else _check_row(check))
    heads = ("published", "kgCO2e >", "spread >", "set", "ours >", "low-high >", "off by >", "")
    lines = [
        (
            check.footprint.name,
            ", ".join(line.labels),
            number(line.published_kgco2e),
            line.part,
            number(line.ours_kgco2e),
        )
        for check in checks
        for line in check.lines
    ]
    line_heads = ("product", "lines as published", "kgCO2e >", "our part", "ours >")
    report: Report = [table("Published footprints and ours", heads, rows)]
    report += [Text(VALIDATION_LEGEND), table("Line by line, set pcf", line_heads, lines)]
    notes = {f"{check.footprint.name}: {check.footprint.note}": None for check in checks}
    return report + [Text(note) for note in notes]


def _check_row(check: FootprintCheck) -> tuple[str, ...]:
    published = check.footprint
    spread = "" if published.low == published.high else _band(published.low, published.high)
    return (
        f"{published.name} ({published.kind}, {published.trust})",
        number(published.kgco2e, 4),
        spread,
        check.coefficients,
        number(check.ours_kgco2e, 4),
        _band(check.low_kgco2e, check.high_kgco2e),
        f"{100 * (check.ratio - 1):+.0f} %",
        verdict(check),
    )


def verdict(check: FootprintCheck) -> str:
    """Whether ours and the published figure agree, and how much that says.

    A wide band holds almost anything, so its width stands beside it.
    """
    if check.footprint.kind == "calculator":
        return "reproduced" if check.within_published_band else "NOT REPRODUCED"
    place = "in our band" if check.within_our_band else "outside our band"
    told = f"{place} ({band_width(check.band_ratio)})"
    return f"{told}, in sample" if check.in_sample else told


def _parts_made(footprint: Footprint) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            p.part,
            p.side,
            number(p.kgco2e),
            _band(p.low_kgco2e, p.high_kgco2e),
            p.basis,
            p.quality + (", yours" if p.is_own else ""),
            p.source_id,
        )
        for p in footprint.parts
    ]
    for side in ("accelerator", "host"):
        of_side = [p for p in footprint.parts if p.side == side]
        if of_side and len(of_side) < len(footprint.parts):
            low, high = (sum(getattr(p, end) for p in of_side) for end in BAND_ENDS)
            kgco2e = sum(p.kgco2e for p in of_side)
            rows.append(("sum", side, number(kgco2e), _band(low, high), "", "", ""))
    total = _band(footprint.low_kgco2e, footprint.high_kgco2e)
    rows.append(("total", "", number(footprint.total_kgco2e, 4), total, "", "", ""))
    heads = ("part", "side", "kgCO2e >", "low-high >", "how", "quality", "source")
    return table("Parts", heads, rows)


def _hourly(footprint: Footprint, years: tuple[float, float]) -> str:
    """What an installed hour carries."""
    whole = number(g_from_kg(footprint.total_kgco2e_per_h(*years)))
    if not footprint.side_kgco2e("host"):
        return f"Per installed hour: {whole} gCO2e over {years[0]:g} years."
    card = number(g_from_kg(footprint.side_kgco2e_per_h("accelerator", years[0])))
    host = number(g_from_kg(footprint.side_kgco2e_per_h("host", years[1])))
    return (
        f"Per installed hour: {whole} gCO2e, {card} for the accelerators over {years[0]:g} years"
        f" and {host} for the host over {years[1]:g} years."
    )


def _other_sets(others: Sequence[Footprint]) -> str:
    def text(kgco2e: float) -> str:
        return f"{number(t_from_kg(kgco2e))} t" if kgco2e >= 1000 else f"{number(kgco2e)} kg"

    totals = ", ".join(
        f"{f.coefficients} {text(f.total_kgco2e)} ({text(f.low_kgco2e)} to {text(f.high_kgco2e)})"
        for f in others
    )
    return f"Under the other sets: {totals}."


def _sources(footprint: Footprint, catalog: Catalog) -> Table:
    coefficients = [
        catalog.embodied_coefficients[coefficient_id]
        for part in footprint.parts
        for coefficient_id in part.coefficient_ids
    ]
    of_rows = (catalog.provenance("embodied_coefficients", row, "value") for row in coefficients)
    ids = (*(p.source_id for p in footprint.parts), *(origin.source_id for origin in of_rows))
    sources = [catalog.sources[source_id] for source_id in dict.fromkeys(ids)]
    rows = [(s.id, f"{s.title}, {s.publisher}", s.url) for s in sources]
    return table("Sources", ("source", "title", "address"), rows)


def profile_report(profile: ServingProfile, quarter: LoadPower, title: str) -> Report:
    """Speed and power of one replica at one operating point."""
    rows = [
        ("batch", f"{profile.batch:,}", "requests at once"),
        ("TTFT", number(profile.ttft_s), "s, without queueing"),
        ("TPOT", number(profile.tpot_s), "s"),
        ("throughput", number(profile.tokens_per_s), "output tokens/s"),
        ("requests", number(profile.requests_per_s), "1/s"),
        ("power", number(profile.power_w), "W, accelerators of the replica"),
        ("at a quarter of the load", number(quarter.packed_w), "W, routing packs, as planned"),
        ("", number(quarter.spread_w), f"W, spread thinly: {quarter.spread_batch:.3g} at once"),
        ("energy", number(profile.j_per_token), "J per output token"),
        ("of it prefill", number(profile.prefill_j_per_token), "J per output token"),
        ("of it decode", number(profile.decode_j_per_token), "J per output token"),
        ("memory", number(profile.memory_gb), "GB, weights and KV cache"),
        ("bound by", profile.bound_by, ""),
        ("error of speed", percent(profile.error_band), _speed_origin(profile)),
        ("error of power", percent(profile.power_error_band), _power_origin(profile)),
    ]
    figures = table("Profile", ("figure", "value >", "unit"), rows)
    return [Text(title, style="bold"), figures, *notes_report(profile.notes)]


def _speed_origin(profile: ServingProfile) -> str:
    return f"band; parameters {profile.provenance}, {profile.parameters}"


def _power_origin(profile: ServingProfile) -> str:
    inside = "" if profile.power_fitted else ", outside what was measured"
    return f"band; parameters {profile.power_provenance}{inside}"


def rows_report(rows: Sequence[Mapping[str, Any]], title: str, columns: Sequence[str]) -> Report:
    """Rows of the catalog, the named columns only."""
    lines = [[cell(row.get(column)) for column in columns] for row in rows]
    return [table(title, [COLUMN_HEADS.get(name, name) for name in columns], lines)]


def figures_report(figures: Sequence[Mapping[str, Any]], title: str) -> Report:
    """Every figure of a row with its unit, quality and source, then what is known of the sources.

    A figure of the user's own is marked.
    """
    lines = [
        (
            figure["column"],
            cell(figure["value"]),
            figure["unit"],
            figure["quality"] + (", yours" if figure["is_own"] else ""),
            figure["source_id"],
        )
        for figure in figures
    ]
    told = {(f["source_id"], f["note"]): f for f in figures}
    notes = [
        f"{f['source_id']}: {f['source_title']}, {f['publisher']}, {f['url']}, {f['licence']}."
        + (f" {f['note']}" if f["note"] else "")
        for f in told.values()
    ]
    heads = ("figure", "value", "unit", "quality", "source_id")
    return [table(title, heads, lines), "", *notes]


def cell(value: object) -> str:
    """A catalog value as text: numbers as stored, nothing for no value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value)
    return str(value)


UNBROKEN = ("id", "key", "figure")
"""Columns whose text is there to be copied."""


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A plain table; a head that ends in ``>`` is a column of numbers."""
    grid = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False
    )
    for head in heads:
        name = head.removesuffix(" >")
        grid.add_column(
            name,
            justify="left" if name == head else "right",
            overflow="fold",
            no_wrap=name in UNBROKEN,
        )
    for row in rows:
        grid.add_row(*(Text(text) for text in row))
    return grid


def _totals(plan: Plan) -> Report:
    unit, busiest = mass_unit(plan.kgco2e_per_year), number(plan.peak_it_power_kw)
    rows = [
        ("carbon", mass(unit, plan.kgco2e_per_year), f"{unit.name} CO2e a year"),
        (
            "  operational",
            mass(unit, plan.operational_kgco2e_per_year),
            f"{unit.name} CO2e a year",
        ),
        ("  embodied", mass(unit, plan.embodied_kgco2e_per_year), f"{unit.name} CO2e a year"),
        ("intensity", number(plan.gco2e_per_functional_unit), "g CO2e per 1,000 output tokens"),
        ("cost", number(plan.usd_per_h), "USD/h"),
        (
            "IT power",
            number(plan.it_power_kw),
            f"kW mean, {busiest} in a mean day's busiest hour",
        ),
        ("electricity", number(plan.facility_kwh_per_year), f"kWh a year at PUE {plan.pue:g}"),
    ]
    if plan.market_kgco2e_per_year is not None:
        by_contract = mass(unit, plan.market_kgco2e_per_year)
        rows.insert(2, ("  by contracts", by_contract, f"{unit.name} CO2e a year, market-based"))
    return [table("Totals", ("figure", "value >", "unit"), rows)]


def _certainty(plan: Plan) -> str:
    least = f"{plan.objective_name}: {number(plan.objective)}"
    if plan.status is Status.OPTIMAL:
        return f"Proven optimal ({least})."
    if plan.status is Status.FEASIBLE and math.isfinite(plan.gap):
        return f"Feasible, within {percent(plan.gap)} of the best possible ({least})."
    return f"{plan.status.value.capitalize()}, not proven ({least})."


def _fleet(plan: Plan, whys: Sequence[str]) -> Table:
    rows = [
        (e.site, e.server, e.variant, f"{e.count:,}", "owned" if e.owned else "", why)
        for e, why in zip(plan.fleet, whys, strict=True)
    ]
    return table("Fleet", ("site", "server", "variant", "count >", "", "why"), rows)


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
        (side, part, *(mass(unit, kinds.get(kind, 0.0)) for kind in ("operational", "embodied")))
        for (side, part), kinds in sorted(by_part.items())
    ]
    sums = (
        mass(unit, plan.operational_kgco2e_per_year),
        mass(unit, plan.embodied_kgco2e_per_year),
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


def blocked_report(reasons: Mapping[str, str]) -> Report:
    """What cannot be served and why; nothing where all can."""
    if not reasons:
        return []
    return [table("Cannot be served", ("what", "why"), list(reasons.items()))]


def notes_report(notes: Iterable[Note]) -> Report:
    """One line per note."""
    return [Text(f"note ({note.code}): {note.message}") for note in notes]


def mass(unit: MassUnit, kgco2e: float) -> str:
    """Kilograms in the view's unit."""
    return number(unit.value(kgco2e))


def _band(low: float, high: float) -> str:
    return f"{number(low)}-{number(high)}"
