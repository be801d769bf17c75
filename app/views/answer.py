"""The answer in words and tables: headline, figures, status, fleet, pools, latencies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import streamlit as st

from app import answers, figures, state
from app.figures import Chart
from app.profiles import short_name
from app.state import Answer
from app.text import (
    MINUS,
    capacity,
    duration,
    limit,
    number,
    percent,
    power,
    sentence,
    times,
)
from ecoserve.errors import BlockedSlice
from ecoserve.plan import FleetEntry, Plan, Pool
from ecoserve.terms import FULL
from ecoserve.variants import trimmed

TALL_TABLE_PX = 320


def headline(answer: Answer, *, is_final: bool = True) -> str:
    """One sentence: what to buy, and what that saves against what."""
    return answers.headline(answer, state.catalog(), is_final=is_final)


def baseline_line(answer: Answer) -> str:
    """The baseline in one line: its fleet, its totals, how sure they are."""
    return answers.baseline_line(answer, state.catalog())


def fleet_list(plan: Plan) -> str:
    """Servers by their accelerators, the most frequent first."""
    return answers.fleet_list(plan, state.catalog())


def server_name(server_id: str) -> str:
    """A server's name in the catalog."""
    return state.catalog().server(server_id).name


def four_figures(answer: Answer) -> None:
    """Carbon, saving, cost and power, each with its change since the last plan."""
    plan, before = answer.plan, state.session().previous
    unit = answers.view_unit(answer)
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
    return f"Baseline: {answer.other_name}. {sentence(answers.status_words(answer.other))}"


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
    """One row per kind of server, with what changed since the last plan.

    What is the same for all (one site, nothing parked, nothing owned) has no column.
    """
    before = state.session().previous
    last = before.plan.fleet if before and before.scenario != answer.scenario else None
    fleet = answer.plan.fleet
    shown = {
        "Site": len(answer.scenario.sites) > 1,
        "Parked": any(_parked(entry) for entry in fleet),
        "Owned": any(entry.owned for entry in fleet),
    }
    rows = [_fleet_row(entry, last) for entry in fleet]
    return [{head: row[head] for head in row if shown.get(head, True)} for row in rows]


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
        "Accelerators": f"{entry.count * server.n_accelerators:,} {short_name(accelerator)}",
        "Hosts": f"{entry.variant}, {capacity(server.dram_gb)} DRAM",
        "Parked": _parked(entry),
        "Owned": "yes" if entry.owned else "no",
    }
    if last is not None:
        row["Since the last change"] = _count_change(entry, last)
    return row


def _parked(entry: FleetEntry) -> str:
    """How many are off, from the busiest hour to the quietest."""
    least, most = (entry.count - end(entry.on_by_hour) for end in (max, min))
    return "" if not most else f"{most:,}" if least == most else f"{least:,} to {most:,}"


def _count_change(entry: FleetEntry, last: tuple[FleetEntry, ...]) -> str:
    then = sum(e.count for e in last if (e.server, e.variant) == (entry.server, entry.variant))
    if then == 0:
        return "new"
    difference = f"{entry.count - then:+,d}".replace("-", MINUS)
    return difference if entry.count != then else "same"


def blocked_rows(blocked: Sequence[BlockedSlice]) -> list[dict[str, Any]]:
    """One row per workload and kind of reason; none where there is one, which the error tells."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for item in blocked:
        kind = item.reason.partition(":")[0] if ":" in item.reason else ""
        reason = state.readable(item.reason)
        reasons.setdefault((item.slice.partition(",")[0], kind), []).append(reason)
    if len(reasons) == 1:
        return []
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
