"""One workload, every field; and adding, duplicating and removing them."""

from __future__ import annotations

from typing import Any, get_args

import streamlit as st

from app import inputs, state
from app.text import plain
from ecoserve.scenario import MAX_WORKLOADS
from ecoserve.scenario_parts import HIGHEST_PREFIX_CACHE_HIT, Precision, Workload

PICK = "in:workload"
DEFAULT_SLO = {"ttft_s": 1.0, "tpot_s": 0.08, "percentile": 0.9}
LEAST_PERCENTILE, HIGHEST_PERCENTILE = 50.0, 99.9
PRECISIONS = get_args(Precision)


def pick(workloads: tuple[Workload, ...]) -> int:
    """Which workload is open, with the buttons that change how many there are."""
    count = len(workloads)
    if st.session_state.get(PICK, 0) not in range(count):
        st.session_state[PICK] = 0
    with st.container(horizontal=True, vertical_alignment="bottom"):
        index: int = st.selectbox(
            "Workload",
            range(count),
            key=PICK,
            format_func=lambda i: workloads[i].name if i < count else "",
            width="stretch",
        )
        full = count >= MAX_WORKLOADS
        st.button("Add", on_click=add, disabled=full)
        st.button("Duplicate", on_click=duplicate, args=(index,), disabled=full)
        st.button("Remove", on_click=remove, args=(index,), disabled=count == 1)
    return index


def fields(index: int, workload: Workload) -> None:
    """Every field of one workload."""
    path, catalog = f"workloads.{index}", state.catalog()
    left, right = st.columns(2)
    with left:
        inputs.text("Name", f"{path}.name", workload.name)
        _row_choice("LLM", f"{path}.llm", catalog.llm(workload.llm).id, catalog.llms)
        _row_choice("Lengths", f"{path}.mix", workload.mix, catalog.length_mixes)
        _row_choice("Shape of the day", f"{path}.profile", workload.profile, catalog.rate_profiles)
    with right:
        inputs.segments(
            "Kind",
            f"{path}.kind",
            workload.kind,
            {"online": "Online", "offline": "Offline"},
            lambda kind: _kind_changes(path, workload, kind),
            help="Online work has latency targets; offline work has a deadline.",
        )
        if workload.kind == "online":
            _online_fields(path, workload)
        else:
            _offline_fields(path, workload)
        _precisions(path, workload)
        _sites(path, workload)
        inputs.percent_slider(
            "Prompt tokens found in the prefix cache", f"{path}.prefix_cache_hit",
            workload.prefix_cache_hit, bounds=(0, 100 * HIGHEST_PREFIX_CACHE_HIT),
            help="Repeated system prompts and long chats; such tokens need no prefill.",
        )  # fmt: skip


def _row_choice(label: str, path: str, value: str, table: Any) -> None:
    names = {row_id: row.name for row_id, row in table.items()}
    inputs.choice(label, path, value, sorted(names), inputs.to_path(path), names=names)


def _online_fields(path: str, workload: Workload) -> None:
    slo = workload.slo
    if slo is None:
        return
    _rate(path, workload.rate_rps)
    inputs.number(
        "TTFT limit, s",
        f"{path}.slo.ttft_s",
        slo.ttft_s,
        bounds=(0.001, 600),
        step=0.1,
    )
    inputs.number(
        "TPOT limit, s",
        f"{path}.slo.tpot_s",
        slo.tpot_s,
        bounds=(0.001, 60),
        step=0.01,
    )
    key = inputs.bound(f"{path}.slo.percentile", round(100 * slo.percentile, 4))
    st.number_input(
        "Share of requests that must meet them, %",
        min_value=LEAST_PERCENTILE,
        max_value=HIGHEST_PERCENTILE,
        step=0.5,
        format="%g",
        key=key,
        help="90 and 99 are usual. Each of the two limits is met by this share.",
        on_change=inputs.take,
        args=(key, lambda per_cent: {f"{path}.slo.percentile": round(per_cent / 100, 6)}),
    )


def _offline_fields(path: str, workload: Workload) -> None:
    by_share = workload.token_share is not None
    inputs.segments(
        "Volume given as",
        f"{path}.volume",
        "share" if by_share else "rate",
        {"share": "Share of all tokens", "rate": "Rate"},
        lambda volume: _volume_changes(path, workload, volume),
    )
    if workload.token_share is not None:
        inputs.percent_slider(
            "Share of all tokens, in and out", f"{path}.token_share", workload.token_share,
            bounds=(0, 90),
        )  # fmt: skip
    else:
        _rate(path, workload.rate_rps)
    inputs.whole("Deadline, h", f"{path}.deadline_h", workload.deadline_h, bounds=(1, 24))


def _rate(path: str, rate_rps: float | None) -> None:
    inputs.number(
        "Mean rate over the day, requests/s", f"{path}.rate_rps", rate_rps, bounds=(0, 1e6),
        step=1,
    )  # fmt: skip


def _precisions(path: str, workload: Workload) -> None:
    key = inputs.bound(f"{path}.precisions", list(workload.precisions))
    st.pills(
        "Accepted precisions of weights",
        PRECISIONS,
        selection_mode="multi",
        key=key,
        help="Your consent about quality; every baseline gets the same.",
        on_change=inputs.take,
        args=(key, inputs.to_path(f"{path}.precisions")),
    )


def _sites(path: str, workload: Workload) -> None:
    """Where it may be served, asked only where there is a choice."""
    names = [site.name for site in state.scenario().sites]
    if len(names) == 1:
        return
    chosen = list(workload.sites) if workload.sites is not None else names
    key = inputs.bound(f"{path}.sites", chosen)
    st.pills(
        "Sites that may serve it",
        names,
        selection_mode="multi",
        key=key,
        format_func=plain,
        help="None chosen means all of them.",
        on_change=inputs.take,
        args=(key, lambda sites: {f"{path}.sites": _site_choice(sites, names)}),
    )


def _site_choice(chosen: list[str], names: list[str]) -> list[str] | None:
    """The sites in the scenario's order; None for all, and where none is chosen."""
    kept = [name for name in names if name in chosen]
    return kept if kept and len(kept) < len(names) else None


def _kind_changes(path: str, workload: Workload, kind: str | None) -> inputs.Changes:
    if kind is None or kind == workload.kind:
        return {}
    rate_rps = workload.rate_rps if workload.rate_rps is not None else 1.0
    slo = DEFAULT_SLO if kind == "online" else None
    changed = {"kind": kind, "slo": slo, "rate_rps": rate_rps, "token_share": None}
    return {f"{path}.{name}": value for name, value in changed.items()}


def _volume_changes(path: str, workload: Workload, volume: str | None) -> inputs.Changes:
    if volume == "share" and workload.token_share is None:
        return {f"{path}.token_share": 0.1, f"{path}.rate_rps": None}
    if volume == "rate" and workload.rate_rps is None:
        return {f"{path}.token_share": None, f"{path}.rate_rps": 1.0}
    return {}


def _records() -> list[dict[str, Any]]:
    return [w.model_dump(mode="json") for w in state.scenario().workloads]


def _free_name(stem: str) -> str:
    taken = {w.name for w in state.scenario().workloads}
    numbered = (f"{stem[:56]} {i}" for i in range(2, MAX_WORKLOADS + 3))
    return next(name for name in numbered if name not in taken)


def add() -> None:
    """Adds an online workload at one request per second, like the first one otherwise."""
    first = state.scenario().workloads[0].model_dump(mode="json")
    own = {"name": _free_name("workload"), "kind": "online", "rate_rps": 1.0, "token_share": None}
    _open_last([*_records(), {**first, **own, "slo": first["slo"] or DEFAULT_SLO}])


def duplicate(index: int) -> None:
    """Adds a copy of one workload under another name."""
    records = _records()
    copy = {**records[index], "name": _free_name(records[index]["name"])}
    _open_last([*records, copy])


def remove(index: int) -> None:
    """Takes one workload out."""
    records = _records()
    st.session_state[PICK] = 0
    state.edit({"workloads": [r for i, r in enumerate(records) if i != index]})


def _open_last(records: list[dict[str, Any]]) -> None:
    state.edit({"workloads": records})
    st.session_state[PICK] = len(state.scenario().workloads) - 1
