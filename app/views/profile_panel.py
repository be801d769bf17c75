"""What one replica would do: throughput against TPOT as its batch grows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import figures_evidence as figures
from app import state
from app.figures_evidence import ProfileCurve
from app.profiles import (
    NoCurve,
    accelerator_labels,
    nearest_tp,
    profile_curve,
    profiled_accelerators,
    smallest_tp,
)
from app.text import capacity, duration, in_words, number, percent, plain, sentence
from app.views import answer as draw
from ecoserve.catalog import Catalog
from ecoserve.offers import PRECISIONS
from ecoserve.options import TP_DEGREES
from ecoserve.profile_query import ProfileQuery
from ecoserve.scenario_parts import Workload
from ecoserve.units import s_from_ms

MOST = len(figures.SERIES)
SHOWN_FIRST = ("h100_sxm_80gb", "a100_sxm_80gb", "b200", "l40s")
"""Beside what the plan has, until the visitor chooses."""
MOST_TOKENS = 1_000_000
TTFT_S, TPOT_MS = 1.0, 50.0
"""Limits offered for an LLM that no online workload has."""
ISL_TOKENS, OSL_TOKENS = 1000.0, 250.0
"""Lengths offered for an LLM that no workload has."""
PER = ("accelerator", "replica")
NARROW_PX, WIDE_PX, WIDEST_PX = 140, 260, 460
"""Widths of controls, which wrap where the page is narrower than all of them."""


@dataclass(frozen=True, slots=True)
class _Limits:
    ttft_s: float
    tpot_s: float


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of every chosen accelerator."""

    query: ProfileQuery
    """Of the first one."""
    chosen: list[str]
    limits: _Limits
    per: str
    remarks: DeltaGenerator
    """The place beside the choice of accelerators."""


@st.fragment
def show() -> None:
    """The choices, the picture, and a row per accelerator."""
    st.markdown("## What would one replica do?")
    asked = _choices()
    if asked is None:
        st.caption("Choose an accelerator to see what a replica on it would do.")
        return
    found = _curves(asked)
    curves = {i: row for i, row in enumerate(found) if isinstance(row, ProfileCurve)}
    with asked.remarks:
        for row in found:
            _remark(row, asked)
    if curves:
        chart = figures.throughput_against_tpot(
            {i: _named(curve, asked.query.tp) for i, curve in curves.items()},
            asked.limits.tpot_s, per_accelerator=asked.per == PER[0],
        )  # fmt: skip
        draw.show_chart(chart, "profile")
        draw.show_table([_cells(curve) for curve in curves.values()], "")
    st.caption(
        "All requests of the mean lengths and none waiting: a plan also keeps the wait in front of "
        "a pool within the TTFT limit. Both limits are kept with the error band as a margin. "
        "Energy is that of the accelerators, without their host. KV precision, the most sequences "
        "at once and the prefix-cache hits are those of the scenario."
    )


def _curves(asked: _Question) -> list[ProfileCurve | NoCurve]:
    """By accelerator in the order chosen, each with as many as can serve one model together."""
    catalog = state.catalog()
    queries = [
        replace(asked.query, accelerator_id=row, tp=nearest_tp(catalog, row, asked.query.tp))
        for row in asked.chosen
    ]
    return [_curve(catalog.version, query, asked.limits) for query in queries]


def _remark(row: ProfileCurve | NoCurve, asked: _Question) -> None:
    """Why an accelerator has no curve, or one with fewer accelerators than were asked for."""
    if isinstance(row, NoCurve):
        reason = _readable(row.reason, asked.query, asked.chosen)
        st.caption(plain(sentence(f"{row.name}: no curve; {reason}")))
    elif row.tp != asked.query.tp:
        st.caption(
            plain(f"{row.name}: drawn with {row.tp}, the most that serve one model together.")
        )


def _named(curve: ProfileCurve, tp: int) -> ProfileCurve:
    """The curve as the chart names it, with its accelerators where they are not as many."""
    return curve if curve.tp == tp else replace(curve, name=f"{curve.name} ({curve.tp} each)")


@st.cache_data(max_entries=500, show_spinner=False)
def _curve(catalog_version: str, query: ProfileQuery, limits: _Limits) -> ProfileCurve | NoCurve:
    name = _name(query.accelerator_id)
    return profile_curve(state.catalog(), query, name, limits.ttft_s, limits.tpot_s)


def _readable(reason: str, query: ProfileQuery, chosen: list[str]) -> str:
    """A reason of the engine with names in place of ids."""
    catalog = state.catalog()
    names = {row: catalog.accelerator(row).name for row in chosen}
    return in_words(reason, {**names, query.llm_id: catalog.llm(query.llm_id).name})


def _name(accelerator_id: str) -> str:
    return accelerator_labels(state.catalog())[accelerator_id]


# ---- choices; they ask a question and are no part of the scenario


def _choices() -> _Question | None:
    catalog = state.catalog()
    first = st.container(horizontal=True)
    with first:
        with st.container(width=WIDE_PX):
            llm_id = _llm(catalog)
        with st.container(width=NARROW_PX):
            precision = _precision(llm_id)
        with st.container(width=NARROW_PX):
            stack = _stack(catalog)
    second = st.container(horizontal=True)
    with second, st.container(width=WIDEST_PX):
        chosen = _accelerators(catalog, stack)
        remarks = st.container(gap="xxsmall")
    lengths, limits = _lengths(llm_id, second), _limits(llm_id, second)
    if not chosen:
        return None
    query = ProfileQuery(
        llm_id=llm_id, accelerator_id=chosen[0], tp=1, stack=stack, precision=precision,
        isl_tokens=lengths[0], osl_tokens=lengths[1], **_settings(llm_id),
    )  # fmt: skip
    with first:
        tp = _tp(catalog, query, chosen)
        per = st.segmented_control(
            "Tokens/s per", PER, default=PER[0], key="profile:per", required=True
        )
    return _Question(replace(query, tp=tp), chosen, limits, per or PER[0], remarks)


def _llm(catalog: Catalog) -> str:
    served = [workload.llm for workload in state.scenario().workloads]
    names = sorted(catalog.llms, key=lambda row: (row not in served, catalog.llms[row].name))
    chosen: str = st.selectbox(
        "LLM", names, key="profile:llm",
        format_func=lambda row: catalog.llms[row].name if row in catalog.llms else "",
    )  # fmt: skip
    return chosen


def _workload(llm_id: str) -> Workload | None:
    """The workload whose figures are offered for this LLM: an online one where there is one."""
    own = [workload for workload in state.scenario().workloads if workload.llm == llm_id]
    return min(own, key=lambda workload: workload.slo is None, default=None)


def _precision(llm_id: str) -> str:
    workload = _workload(llm_id)
    offered = workload.precisions[0] if workload else PRECISIONS[0]
    chosen: str = st.selectbox(
        "Precision", PRECISIONS, index=PRECISIONS.index(offered), key=f"profile:precision:{llm_id}"
    )
    return chosen


def _stack(catalog: Catalog) -> str:
    offered = state.scenario().hardware.stack
    chosen: str = st.selectbox(
        "Stack", catalog.stacks, index=catalog.stacks.index(offered), key=f"profile:stack:{offered}"
    )
    return chosen


def _accelerators(catalog: Catalog, stack: str) -> list[str]:
    known, labels = profiled_accelerators(catalog, stack), accelerator_labels(catalog)
    wanted = [*_in_the_plan(), *SHOWN_FIRST]
    offered = [row for row in dict.fromkeys(wanted) if row in known]
    return st.multiselect(
        "Accelerators", known, default=(offered or known)[:MOST], max_selections=MOST,
        key=f"profile:accelerators:{stack}", filter_mode="contains",
        format_func=lambda row: labels.get(row, ""),
    )  # fmt: skip


def _in_the_plan() -> list[str]:
    """The accelerators that the plan of this scenario has, where it is known."""
    held = state.session()
    known = held.finished.get((held.scenario.fingerprint(), held.baseline))
    fleet = known.plan.fleet if known else ()
    return sorted({state.catalog().server(entry.server).accelerator_id for entry in fleet})


def _mean_lengths(llm_id: str) -> tuple[float, float]:
    workload = _workload(llm_id)
    if workload is None:
        return ISL_TOKENS, OSL_TOKENS
    mix = state.catalog().length_mix(workload.mix)
    return mix.mean_isl_tokens, mix.mean_osl_tokens


def _settings(llm_id: str) -> dict[str, Any]:
    """What the scenario says of the stack, and of the prompts of this LLM."""
    hardware, workload = state.scenario().hardware, _workload(llm_id)
    return {
        "kv_precision": hardware.kv_precision,
        "max_num_seqs": hardware.max_num_seqs,
        "prefix_cache_hit": workload.prefix_cache_hit if workload else 0.0,
    }


def _lengths(llm_id: str, place: DeltaGenerator) -> tuple[float, float]:
    offered = _mean_lengths(llm_id)
    with place:
        return (
            _tokens("Mean input, tokens", f"profile:isl:{llm_id}", offered[0]),
            _tokens("Mean output, tokens", f"profile:osl:{llm_id}", offered[1]),
        )


def _tokens(label: str, key: str, offered: float) -> float:
    start = max(1, round(offered))
    return float(st.number_input(label, 1, MOST_TOKENS, start, 50, key=key, width=NARROW_PX))


def _limits(llm_id: str, place: DeltaGenerator) -> _Limits:
    workload = _workload(llm_id)
    slo = workload.slo if workload else None
    with place:
        ttft_s = st.number_input(
            "TTFT limit, s", 0.01, 1000.0, slo.ttft_s if slo else TTFT_S, 0.1,
            key=f"profile:ttft:{llm_id}", format="%g", width=NARROW_PX,
        )  # fmt: skip
        tpot_ms = st.number_input(
            "TPOT limit, ms", 1.0, 10_000.0, 1000 * slo.tpot_s if slo else TPOT_MS, 5.0,
            key=f"profile:tpot:{llm_id}", format="%g", width=NARROW_PX,
        )  # fmt: skip
    return _Limits(ttft_s, s_from_ms(tpot_ms))


def _tp(catalog: Catalog, query: ProfileQuery, chosen: list[str]) -> int:
    """Accelerators of a replica; at first as many as all the chosen ones need for this LLM."""
    least = [smallest_tp(catalog, replace(query, accelerator_id=row)) for row in chosen]
    offered = max((tp for tp in least if tp), default=1)
    picked = st.segmented_control(
        "Accelerators each", TP_DEGREES, default=offered, required=True,
        key=f"profile:tp:{query.llm_id}:{query.precision}",
    )  # fmt: skip
    return picked or offered


def _cells(curve: ProfileCurve) -> dict[str, Any]:
    point, last = curve.chosen, curve.points[-1]
    flag = "" if curve.is_calibrated else "~ "
    power = figures.power_words(curve, point or last)
    power_flag = "" if power == "calibrated" else "~ "
    cells: dict[str, Any] = {
        "Replica": f"{curve.tp} x {curve.name}",
        "Speed figures": f"{flag}{curve.provenance}, {percent(curve.error_band, 2)} band",
        "Largest batch within the limits": "none",
        "TPOT": "", "TTFT, no wait": "", "Tokens/s": "", "Power": "", "J per output token": "",
        "Memory in use": "", "Bound by": "",
    }  # fmt: skip
    if point is not None:
        cells |= {
            "Largest batch within the limits": f"{point.batch}",
            "TPOT": duration(point.tpot_s),
            "TTFT, no wait": duration(point.ttft_s),
            "Tokens/s": number(point.tokens_per_s),
            "Power": f"{power_flag}{number(point.power_w)} W",
            "J per output token": f"{power_flag}{number(point.j_per_token)}",
            "Memory in use": capacity(point.memory_gb),
            "Bound by": point.bound_by,
        }
    return cells | {
        "Batch ends at": f"{last.batch}, by {curve.ends_by}",
        "Power figures": f"{power_flag}{power}",
    }
