"""The answer in words and tables: headline, figures, status, fleet, pools, latencies."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import streamlit as st

from app import figures, state
from app.figures import Chart
from app.profiles import short_name
from app.state import Answer
from app.text import (
    MINUS,
    MassUnit,
    capacity,
    duration,
    limit,
    mass_unit,
    number,
    percent,
    plain,
    power,
    sentence,
    sentence_list,
    times,
)
from ecoserve.errors import BlockedSlice
from ecoserve.plan import FleetEntry, Plan, Pool, Status
from ecoserve.terms import FULL
from ecoserve.variants import trimmed

STATUS_WORDS = {
    Status.OPTIMAL: "Proven optimal",
    Status.FEASIBLE: "not proven optimal",
    Status.STOPPED: "stopped by the time limit, not proven optimal",
    Status.INFEASIBLE: "No fleet can serve this",
}
SMALLEST_SAVING = 0.005
FAR_FROM_BEST = 0.15
"""The gap from which a first answer is not yet recommended."""
TALL_TABLE_PX = 320


def headline(answer: Answer, *, is_final: bool = True) -> str:
    """One sentence: what to buy, and what that saves against what.

    A first answer that may be far from the best recommends nothing.
    """
    fleet, saving = _fleet_words(answer), saving_phrase(answer)
    if not is_final and answer.plan.gap > FAR_FROM_BEST:
        return f"Looking for a better fleet; so far {fleet}: {saving}."
    verb = "Rent" if answer.scenario.hardware.offer == "rental" else "Buy"
    return f"{verb} {fleet}: {saving}."


def _fleet_words(answer: Answer) -> str:
    ranked = _kinds(answer.plan)
    if not ranked:
        return "nothing"
    named = [f"{count:,} with {per_server} x {name}" for (per_server, name), count in ranked[:3]]
    if len(ranked) > 3:
        named.append(f"{sum(count for _, count in ranked[3:]):,} others")
    first, *rest = named
    noun = "server" if ranked[0][1] == 1 else "servers"
    words = sentence_list([first.replace(" with", f" {noun} with", 1), *rest])
    places = sorted({entry.site for entry in answer.plan.fleet})
    return words if len(answer.scenario.sites) == 1 else f"{words} at {sentence_list(places)}"


def _kinds(plan: Plan) -> list[tuple[tuple[int, str], int]]:
    """How many servers with so many accelerators of a name, the most frequent first."""
    counts = Counter[tuple[int, str]]()
    for entry in plan.fleet:
        server = state.catalog().server(entry.server)
        accelerator = state.catalog().accelerator(server.accelerator_id)
        counts[server.n_accelerators, short_name(accelerator)] += entry.count
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def baseline_line(answer: Answer) -> str:
    """The baseline in one line: its fleet, its totals, how sure they are."""
    plan = answer.other
    if plan is None:
        why = state.readable(answer.reason)
        return sentence(f"{answer.other_name}: it cannot serve this traffic: {why}")
    carbon = view_unit(answer).text(plan.kgco2e_per_year)
    facts = f"{carbon}CO2e per year; {number(plan.usd_per_h)} USD/h; {_sureness(plan)}"
    remarks = [sentence(n.message) for n in plan.notes if n.code == "own_optimum_open"]
    line = f"{answer.other_name}: {fleet_list(plan)}; {facts}"
    return " ".join([sentence(line), *remarks])


def fleet_list(plan: Plan) -> str:
    """Servers by their accelerators, the most frequent first."""
    kinds = (f"{n:,} x {per_server} {name}" for (per_server, name), n in _kinds(plan))
    return ", ".join(kinds) or "no server"


def _sureness(plan: Plan) -> str:
    if plan.status is Status.OPTIMAL:
        return "proven the best"
    if not math.isfinite(plan.gap):
        return "no bound known"
    return f"within {percent(plan.gap, 2)} of its best"


def saving_phrase(answer: Answer) -> str:
    """The saving against the baseline in words."""
    saving, name = answer.saving, answer.other_name
    if answer.other is None or saving is None:
        return f"{name} cannot serve this traffic at all"
    if abs(saving) < SMALLEST_SAVING:
        return f"as much carbon as {name}"
    words = f"{percent(abs(saving))} {'less' if saving > 0 else 'more'} carbon than {name}"
    if saving < -1:
        factor = times(answer.plan.kgco2e_per_year, answer.other.kgco2e_per_year)
        words = f"{factor} the carbon of {name}"
    open_share = max(_gap(answer.plan), _gap(answer.other))
    return f"{words}, within the solver's gap" if abs(saving) <= open_share else words


def status_words(plan: Plan) -> str:
    """How sure the answer is."""
    words = STATUS_WORDS[plan.status]
    if plan.status not in (Status.FEASIBLE, Status.STOPPED):
        return words
    if not math.isfinite(plan.gap):
        return f"{words[:1].upper()}{words[1:]}, no bound known"
    return f"Within {percent(plan.gap, 2)} of the best possible, {words}"


def slo_words(plan: Plan) -> str:
    """Whether the latency targets hold."""
    missed = [row.workload for row in plan.slo if not row.meets_slo]
    if missed:
        return f"Latency targets missed by {plain(sentence_list(missed))}"
    return "All latency targets hold" if plan.slo else "No latency targets (offline only)"


def _gap(plan: Plan) -> float:
    return plan.gap if math.isfinite(plan.gap) else 0.0


def server_name(server_id: str) -> str:
    """A server's name in the catalog."""
    return state.catalog().server(server_id).name


def four_figures(answer: Answer) -> None:
    """Carbon, saving, cost and power, each with its change since the last plan."""
    plan, before = answer.plan, state.session().previous
    unit = view_unit(answer)
    last = before.plan if before and before.scenario != answer.scenario else None
    carbon, saving, cost, it_power = st.columns(4)
    carbon.metric(
        f"{unit.name}CO2e per year",
        number(unit.value(plan.kgco2e_per_year)),
        **_change(plan.kgco2e_per_year, last.kgco2e_per_year if last else None),
        border=True,
        height="stretch",
        help=f"{plan.kgco2e_per_year:,.0f} kg; {number(plan.gco2e_per_functional_unit)} gCO2e per "
        "1,000 output tokens.",
    )
    saving.metric(
        *_saving_card(answer),
        border=True,
        height="stretch",
        help=_saving_help(answer),
    )
    cost.metric(
        "USD per hour",
        number(plan.usd_per_h),
        **_change(plan.usd_per_h, last.usd_per_h if last else None),
        border=True,
        height="stretch",
        help="; ".join(f"{part.part} {number(part.usd_per_h)}" for part in plan.cost_parts),
    )
    it_power.metric(
        "Mean IT power",
        power(plan.it_power_kw),
        **_change(plan.it_power_kw, last.it_power_kw if last else None),
        border=True,
        height="stretch",
        help=f"Mean of the day; in the busiest hour {power(plan.peak_it_power_kw)}. Times PUE "
        f"{plan.pue:g}: {number(plan.facility_kwh_per_year / 1000)} MWh a year at the meter.",
    )


def view_unit(answer: Answer) -> MassUnit:
    """Kilograms or tonnes, the same for the figures and the picture."""
    other = answer.other.kgco2e_per_year if answer.other else 0.0
    return mass_unit(max(answer.plan.kgco2e_per_year, other))


def _saving_card(answer: Answer) -> tuple[str, str]:
    """Label and figure of the saving."""
    saving = answer.saving
    if saving is None or answer.other is None:
        return "Less carbon", "no answer"
    if saving < -1:
        ratio = answer.plan.kgco2e_per_year / answer.other.kgco2e_per_year
        return "Times the carbon", number(ratio)
    return f"{'More' if saving < 0 else 'Less'} carbon", percent(abs(saving))


def _saving_help(answer: Answer) -> str:
    if answer.other is None:
        return f"Baseline: {answer.other_name}; it cannot serve this traffic."
    return f"Baseline: {answer.other_name}. {sentence(status_words(answer.other))}"


def _change(now: float, then: float | None) -> dict[str, Any]:
    """What changed since the last plan, as arguments of a metric; less is green."""
    if not then or abs(now / then - 1) < 0.0005:
        return {}
    ratio = now / then - 1
    words = f"{'+' if ratio > 0 else MINUS}{percent(abs(ratio))} since the last change"
    if ratio > 1:
        words = f"{times(now, then)} as much since the last change"
    more = ratio > 0
    return {
        "delta": words,
        "delta_arrow": "up" if more else "down",
        "delta_color": "red" if more else "green",
    }


def set_line(coefficients: str, answer: Answer, unit: MassUnit) -> str:
    """Total and saving under another set of embodied coefficients."""
    total = unit.text(answer.plan.kgco2e_per_year)
    return f"with {coefficients}: {total}CO2e per year, {saving_phrase(answer)}"


def picture(answer: Answer) -> Chart:
    """The chart under the headline."""
    if answer.other is None:
        return figures.plan_alone(answer.plan)
    return figures.plan_against_baseline(answer.plan, answer.other, answer.other_name)


def show_chart(chart: Chart, key: str) -> None:
    """Draws a chart with its description for those who cannot see it."""
    ink = figures.INK.get(st.context.theme.type or "")
    chart.figure.update_layout(font={"color": ink})
    st.plotly_chart(chart.figure, key=key, alt=chart.alt, config=dict(figures.CONFIG))


def show_table(rows: list[dict[str, Any]], empty: str, *, wide: str = "", tall: int = 20) -> None:
    """A table as tall as its rows, up to a point; or a sentence where there are none."""
    if not rows:
        if empty:
            st.caption(empty)
        return
    config = {wide: st.column_config.Column(width="medium")} if wide else None
    height: int | Literal["content"] = TALL_TABLE_PX if len(rows) > tall else "content"
    st.dataframe(rows, hide_index=True, height=height, column_config=config)


def fleet_rows(answer: Answer) -> list[dict[str, Any]]:
    """One row per kind of server, with what changed since the last plan."""
    before = state.session().previous
    last = before.plan.fleet if before and before.scenario != answer.scenario else None
    return [_fleet_row(entry, last) for entry in answer.plan.fleet]


def _fleet_row(entry: FleetEntry, last: tuple[FleetEntry, ...] | None) -> dict[str, Any]:
    catalog = state.catalog()
    server = catalog.server(entry.server)
    accelerator = catalog.accelerator(server.accelerator_id)
    if entry.variant != FULL:
        server = trimmed(server, catalog.host_variant(entry.variant), catalog)
    row = {
        "Site": entry.site,
        "Servers": entry.count,
        "Kind": server.name,
        "Accelerators": f"{entry.count * server.n_accelerators:,} {accelerator.name}",
        "Host variant": entry.variant,
        "DRAM per server": capacity(server.dram_gb),
        "Parked at least": entry.count - min(entry.on_by_hour),
        "Owned": "yes" if entry.owned else "no",
        "Id": entry.server,
    }
    if last is not None:
        row["Since the last change"] = _count_change(entry, last)
    return row


def _count_change(entry: FleetEntry, last: tuple[FleetEntry, ...]) -> str:
    then = sum(e.count for e in last if (e.server, e.variant) == (entry.server, entry.variant))
    if then == 0:
        return "new"
    difference = f"{entry.count - then:+,d}".replace("-", MINUS)
    return difference if entry.count != then else "same"


def blocked_rows(blocked: Sequence[BlockedSlice]) -> list[dict[str, Any]]:
    """One row per workload and kind of reason, with the first reason of the kind."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for item in blocked:
        kind = item.reason.partition(":")[0] if ":" in item.reason else ""
        reason = state.readable(item.reason)
        reasons.setdefault((item.slice.partition(",")[0], kind), []).append(reason)
    return [
        {
            "Part of the traffic": f"{workload}, {len(all_of_it):,} length bucket"
            f"{'' if len(all_of_it) == 1 else 's'}",
            "Limit": kind,
            "Why, for the first": all_of_it[0].partition(":")[2].strip() if kind else all_of_it[0],
        }
        for (workload, kind), all_of_it in reasons.items()
    ]


def pool_rows(plan: Plan) -> list[dict[str, Any]]:
    """One row per pool of replicas."""
    return [_pool_row(pool) for pool in plan.pools]


def _pool_row(pool: Pool) -> dict[str, Any]:
    catalog = state.catalog()
    watts = f"{number(pool.power_w)} W"
    return {
        "Workloads": ", ".join(pool.workloads),
        "LLM": catalog.llm(pool.llm).name,
        "Role": pool.role.replace("_", " "),
        "Runs on": server_name(pool.server),
        "Replicas": pool.replicas,
        "Accelerators each": pool.tp,
        "Precision": pool.precision,
        "Busy at peak": percent(pool.utilisation),
        "Batch": f"{pool.batch:,.0f}" if pool.batch >= 10 else f"{pool.batch:.1f}",
        "Draw while busy": watts if pool.fitted else f"{watts}, outside the fit",
        "Speed figures": pool.provenance,
    }


def slo_rows(plan: Plan) -> list[dict[str, Any]]:
    """One row per online workload: predicted latency beside its limits."""
    return [
        {
            "Workload": row.workload,
            "Share of requests": f"{100 * row.percentile:g} %",
            "TTFT predicted": duration(row.ttft_s),
            "TTFT limit": limit(row.ttft_limit_s),
            "TPOT predicted": duration(row.tpot_s),
            "TPOT limit": limit(row.tpot_limit_s),
            "Holds": "yes" if row.meets_slo else "no",
        }
        for row in plan.slo
    ]
