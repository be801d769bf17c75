"""What is to be replayed: traffic and policies, as a visitor chooses them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import state
from app.replay_asks import (
    MAX_UNPACKED_BYTES,
    LogAsked,
    ReplayAsked,
    busiest_hour,
    drawn_requests,
)
from app.replay_words import OFFLINES, ROUTINGS, clock
from app.text import number, plain
from app.views.log_panel import MAX_UPLOAD_MB, columns_of
from catalog_db.log_head import LogColumns, read_head
from ecoserve.demand import WorkloadDemand, workload_demands
from ecoserve.request_log import RequestLogError
from ecoserve.runtime.offline import default_offline

DAY_H, HOUR_H = 24.0, 1.0
DRAWN, LOG = "drawn", "log"
SOURCES = {DRAWN: "Drawn from the scenario", LOG: "A request log"}
DAY, BUSIEST = "day", "hour"
SPANS = {DAY: "A day", BUSIEST: "The busiest hour"}
OWN, PEAK = "own", "peak"
RATES = {OWN: "Its own", PEAK: "The plan's busiest hour"}
ABOUT_LOGS = (
    "CSV with a header and one row per request, .gz and .zip too, at most 64 MB; the first 24 h are"
    " replayed. It stays on this server and is forgotten afterwards."
)
NEEDS_TIMES = "A replay needs the time of every request: choose the column with the times."
MAX_SEED = 1_000_000


@dataclass(frozen=True, slots=True)
class Chosen:
    """What to replay, and the log's bytes where it is one."""

    asked: ReplayAsked
    content: bytes | None
    button: str
    about: str
    """How much there is to do."""


def chosen() -> Chosen | None:
    """Draws the controls; None while something is missing."""
    demands = workload_demands(state.scenario(), state.catalog())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        source = _one_of("Traffic", SOURCES, "replay:source")
        if source == DRAWN:
            span = _one_of("How long", SPANS, "replay:span")
            seed = _seed()
    policies = _policies
    if source == LOG:
        return _of_log(demands, policies())
    return _drawn(demands, span, seed, policies())


def _drawn(
    demands: Sequence[WorkloadDemand], span: str, seed: int, policies: Mapping[str, Any]
) -> Chosen:
    start_h = 0.0 if span == DAY else float(busiest_hour(demands))
    hours = DAY_H if span == DAY else min(HOUR_H, DAY_H)
    n = drawn_requests(demands, start_h, hours)
    asked = ReplayAsked(hours=hours, start_h=start_h, seed=seed, **policies)
    what = "the day from 00:00" if span == DAY else f"the hour from {clock(start_h)}"
    button = "Replay a day" if span == DAY else "Replay the busiest hour"
    return Chosen(asked, None, button, f"About {number(n)} requests, {what} on the users' clock.")


def _of_log(demands: Sequence[WorkloadDemand], policies: Mapping[str, Any]) -> Chosen | None:
    st.caption(ABOUT_LOGS)
    given = st.file_uploader(
        "Request log to replay", type=["csv", "txt", "gz", "zip"], max_upload_size=MAX_UPLOAD_MB,
        key="replay:upload", label_visibility="collapsed",
    )  # fmt: skip
    names = {demand.workload.name: demand for demand in demands}
    first = next((demand.workload.name for demand in demands if demand.is_online), None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "It stands for", list(names), key="replay:workload", width=220,
            index=list(names).index(first) if first else 0, format_func=plain,
            help="The other workloads are drawn from the scenario beside it.",
        )  # fmt: skip
        rate = _one_of(
            "At the rate of", RATES, "replay:rate",
            "Its own: as many requests as the log has. The plan's busiest hour: so many times as"
            " many that its mean rate is the plan's highest; the burstiness stays.",
        )  # fmt: skip
        demand = names[name]
        start_h = st.number_input(
            "It begins at, h", min_value=0, max_value=23, key=f"replay:start:{name}",
            value=int(demand.peak_ratio.argmax()), width=150,
            help="On the users' clock; at first the workload's busiest hour.",
        )  # fmt: skip
    columns = None if given is None else _columns(given)
    if given is None or columns is None:
        return None
    log = LogAsked(
        file=given.name, content=_fingerprint(given), columns=columns, workload=name,
        to_peak=rate == PEAK,
    )  # fmt: skip
    asked = ReplayAsked(hours=DAY_H, start_h=float(start_h), seed=0, log=log, **policies)
    about = f"{given.name} as {name} from {clock(start_h)} on the users' clock."
    return Chosen(asked, given.getvalue(), "Replay the log", about)


def _columns(given: Any) -> LogColumns | None:
    """As recognised or chosen; what is wrong with the file is said in a sentence."""
    try:
        columns = columns_of(read_head(given, MAX_UNPACKED_BYTES), given.file_id)
    except RequestLogError as error:
        st.error(plain(f"{given.name} was not taken: {error}."))
        return None
    if columns is not None and columns.time is None:
        st.warning(NEEDS_TIMES)
        return None
    return columns


def _fingerprint(given: Any) -> str:
    """Of the bytes, counted once for an upload."""
    key = f"replay:content:{given.file_id}"
    if key not in st.session_state:
        st.session_state[key] = hashlib.sha256(given.getbuffer()).hexdigest()
    found: str = st.session_state[key]
    return found


def _policies() -> dict[str, Any]:
    """Who serves what, and when offline work runs."""
    usual = default_offline(state.scenario())
    with st.expander("How requests are routed"):
        left, middle, right = st.columns([3, 2, 1], vertical_alignment="bottom")
        routing = left.selectbox(
            "Requests find their replica", list(ROUTINGS), key="replay:routing",
            format_func=ROUTINGS.__getitem__,
        )  # fmt: skip
        offline = middle.selectbox(
            "Offline work runs", list(OFFLINES), key=f"replay:offline:{usual}",
            index=list(OFFLINES).index(usual), format_func=OFFLINES.__getitem__,
        )  # fmt: skip
        error = right.number_input(
            "Forecast error, %", min_value=0, max_value=100, value=0, step=5, key="replay:error",
            help="Standard deviation of an hour's forecast intensity, by which offline work waits.",
        )  # fmt: skip
    return {"routing": routing, "offline": offline, "forecast_error": error / 100.0}


def _seed() -> int:
    return st.number_input(
        "Seed", min_value=0, max_value=MAX_SEED, value=0, key="replay:seed", width=110,
        help="Another seed draws other requests; the same seed gives the same result.",
    )  # fmt: skip


def _one_of(label: str, names: Mapping[str, str], key: str, why: str | None = None) -> str:
    first = next(iter(names))
    picked = st.segmented_control(
        label, list(names), default=first, required=True, key=key, help=why,
        format_func=names.__getitem__, persist_state="session",
    )  # fmt: skip
    return picked or first
