"""A request log of the visitor's: read it, show what it says, put a workload on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, get_args

import streamlit as st

from app import figures_log as figures
from app import own_traffic, state
from app.log_words import facts, order_words, profile_words
from app.text import number, plain
from app.views import answer as draw
from catalog_db.log_head import LogColumns, LogHead, Unit, read_head, unit_of
from catalog_db.own_traffic import mix_of_log, profile_of_log
from catalog_db.request_log import read_log
from ecoserve.errors import EcoServeError
from ecoserve.request_log import LogFindings, RequestLogError
from ecoserve.rows import LengthMix
from ecoserve.scenario_parts import Workload

UPLOAD, FOUND, TROUBLE, DONE = "log:upload", "log:found", "log:trouble", "log:done"
NAME, CLOCK, PARTS = "log:name", "log:clock", "log:parts"
MAX_UPLOAD_MB = 64
MAX_UNPACKED_BYTES = 1_000_000_000
NO_TIMES = "none"
RATE_DIGITS = 6
FACT_COLUMNS = 4
LENGTHS, RATE, PROFILE, BURST = "Lengths", "Mean rate", "Profile", "Burst"
WHAT = (
    "CSV with a header and one row per request, .gz and .zip too, at most 64 MB. Columns of the "
    "Azure and BurstGPT traces, prompt_tokens and completion_tokens, arrival_time and the like are "
    "found by name. Only counts are kept, for this browser tab."
)


@dataclass(frozen=True, slots=True)
class Found:
    """A log that was read: by which file and columns, and what it says."""

    file_id: str
    file: str
    columns: LogColumns
    findings: LogFindings


def show(index: int, workload: Workload) -> None:
    """Upload, findings, and the button that puts the workload on them."""
    st.caption(WHAT)
    given = st.file_uploader(
        "Request log",
        type=["csv", "txt", "gz", "zip"],
        max_upload_size=MAX_UPLOAD_MB,
        key=UPLOAD,
        label_visibility="collapsed",
    )
    if given is not None:
        _take(given)
    found: Found | None = st.session_state.get(FOUND)
    if found is not None:
        _show_found(found, index, workload)


def _take(given: Any) -> None:
    """Reads the file where it was not read yet; what is wrong is said in a sentence."""
    try:
        head = read_head(given, MAX_UNPACKED_BYTES)
        columns = _columns(head, given.file_id)
        if columns is None:
            return
        known: Found | None = st.session_state.get(FOUND)
        if known is None or (known.file_id, known.columns) != (given.file_id, columns):
            st.session_state.pop(FOUND, None)
            st.session_state.pop(DONE, None)
            findings = _read(given, columns)
            st.session_state[FOUND] = Found(given.file_id, given.name, columns, findings)
            st.session_state[NAME] = _stem(given.name)
    except RequestLogError as error:
        st.session_state.pop(FOUND, None)
        st.error(plain(f"{given.name} was not taken: {error}."))


def _stem(name: str) -> str:
    return PurePosixPath(name).name.split(".")[0][:60] or "log"


def _read(given: Any, columns: LogColumns) -> LogFindings:
    label = plain(f"Reading {given.name}")
    bar = st.progress(0.0, text=label)

    def show_progress(done: int, total: int) -> None:
        bar.progress(min(1.0, done / max(1, total)), text=label)

    findings = read_log(given, columns, show_progress, MAX_UNPACKED_BYTES)
    bar.empty()
    return findings


def _columns(head: LogHead, file_id: str) -> LogColumns | None:
    """The columns as recognised, or as chosen here; None while the choice is open."""
    known = head.columns
    with st.expander("Columns", expanded=known is None):
        if known is None:
            st.caption("Not all columns are known by name: choose them.")
        time_in, input_in, output_in, unit_in = st.columns(4)
        times = [NO_TIMES, *head.names]
        time = time_in.selectbox(
            "Time", times, index=_at(times, head.time), key=f"log:time:{file_id}"
        )
        names = list(head.names)
        isl = input_in.selectbox(
            "Input tokens", names, index=_at(names, head.input), key=f"log:input:{file_id}"
        )
        osl = output_in.selectbox(
            "Output tokens", names, index=_at(names, head.output), key=f"log:output:{file_id}"
        )
        units: list[Unit | None] = [None, *get_args(Unit)]
        unit = unit_in.selectbox(
            "Times in",
            units,
            key=f"log:unit:{file_id}",
            format_func=lambda unit: unit or "as it looks",
            help="Of times that are numbers: by the column's name, else by their size.",
        )
    if isl is None or osl is None or time is None:
        return None
    when = None if time == NO_TIMES else time
    return head.checked(LogColumns(time=when, input=isl, output=osl, unit=unit or unit_of(when)))


def _at(names: list[str], name: str | None) -> int | None:
    """Position of a name; None leaves the choice open. The first of the times is none."""
    if name in names:
        return names.index(name)
    return 0 if names[0] == NO_TIMES else None


def _show_found(found: Found, index: int, workload: Workload) -> None:
    findings, arrivals = found.findings, found.findings.arrivals
    st.markdown(f"**{plain(found.file)}**")
    grid = st.columns(FACT_COLUMNS)
    for i, (name, value) in enumerate(facts(findings)):
        with grid[i % FACT_COLUMNS], st.container(gap=None):
            st.caption(plain(name))
            st.markdown(plain(value))
    st.caption(plain(" ".join(filter(None, (profile_words(arrivals), order_words(arrivals))))))
    _use(found, index, workload)
    lengths, rate = st.columns([1, 1], gap="large")
    with lengths:
        mix = LengthMix(
            id=found.file_id, name=found.file, buckets=findings.buckets, source_id="",
            quality="measured",
        )  # fmt: skip
        draw.show_chart(figures.mix_lengths(mix), "log:lengths")
    with rate:
        if arrivals is not None and arrivals.mean_rps is not None:
            draw.show_chart(figures.rate_over_time(arrivals), "log:rate")
    if findings.bad:
        _show_bad(findings)


def _show_bad(findings: LogFindings) -> None:
    left_out = findings.n_rows - findings.n_used
    st.markdown(f"**{left_out:,} {'row was' if left_out == 1 else 'rows were'} left out**")
    rows = [
        {
            "Because": bad.words,
            "Rows": f"{bad.rows:,}",
            "For example row": ", ".join(f"{example.row:,}" for example in bad.examples),
            "Which reads": bad.examples[0].text if bad.examples else "",
        }
        for bad in findings.bad
    ]
    draw.show_table(rows, "")


def _use(found: Found, index: int, workload: Workload) -> None:
    """What to take over, and the button that does."""
    parts = _parts(found.findings)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Name of the mix", key=NAME, max_chars=60, width=240)
        st.pills(
            "Take over",
            parts,
            default=[part for part in parts if part != BURST],
            selection_mode="multi",
            key=f"{PARTS}:{found.file_id}",
            help="Burst is the margin of all workloads within the busiest hour.",
        )
        if PROFILE in parts:
            st.number_input(
                "Log's clock, h ahead of UTC", min_value=-12, max_value=14, value=0, key=CLOCK,
                width=200,
            )  # fmt: skip
        st.button(
            plain(f"Use it for {workload.name}"),
            on_click=_put_in_use,
            args=(found, index),
        )
    if trouble := st.session_state.get(TROUBLE):
        st.error(plain(trouble))
    if done := st.session_state.get(DONE):
        st.success(plain(done))


def _parts(findings: LogFindings) -> list[str]:
    arrivals = findings.arrivals
    parts = [LENGTHS]
    if arrivals is not None and arrivals.mean_rps is not None:
        parts.append(RATE)
        parts += [PROFILE] if arrivals.hourly_rps else []
        parts += [BURST] if arrivals.burst is not None else []
    return parts


def _put_in_use(found: Found, index: int) -> None:
    st.session_state.pop(TROUBLE, None)
    st.session_state.pop(DONE, None)
    chosen = st.session_state.get(f"{PARTS}:{found.file_id}") or []
    name = str(st.session_state.get(NAME) or "").strip() or _stem(found.file)
    clock_h = int(st.session_state.get(CLOCK) or 0)
    row_id = own_traffic.row_id(name, "log")
    mix = mix_of_log(
        found.findings, mix_id=row_id, name=name, file=found.file, utc_offset_h=clock_h
    )
    profile = profile_of_log(
        found.findings, profile_id=row_id, name=name, file=found.file, utc_offset_h=clock_h
    )
    if PROFILE not in chosen:
        profile = None
    try:
        changes = _changes(found.findings, index, chosen, row_id)
        own_traffic.put_in_use(mix, profile, changes)
    except EcoServeError as error:
        st.session_state[TROUBLE] = f"Not taken: {error}."
        return
    if not state.session().notices:
        workload = state.scenario().workloads[index].name
        st.session_state[DONE] = f"In use for {workload}: {_taken_words(found.findings, chosen)}."


def _changes(findings: LogFindings, index: int, chosen: list[str], row_id: str) -> dict[str, Any]:
    path, arrivals = f"workloads.{index}", findings.arrivals
    changes: dict[str, Any] = {}
    if LENGTHS in chosen:
        changes[f"{path}.mix"] = row_id
    if arrivals is None or arrivals.day_rps is None:
        return changes
    if RATE in chosen:
        changes |= {
            f"{path}.rate_rps": float(f"{arrivals.day_rps:.{RATE_DIGITS}g}"),
            f"{path}.token_share": None,
        }
    if PROFILE in chosen:
        changes[f"{path}.profile"] = row_id
    if BURST in chosen and arrivals.burst is not None:
        changes["policy.burst"] = max(1.0, round(arrivals.burst, 2))
    return changes


def _taken_words(findings: LogFindings, chosen: list[str]) -> str:
    arrivals = findings.arrivals
    words = []
    if LENGTHS in chosen:
        isl, osl = number(findings.mean_isl_tokens), number(findings.mean_osl_tokens)
        words.append(f"lengths of {isl} tokens in and {osl} out on average")
    if RATE in chosen and arrivals is not None and arrivals.day_rps is not None:
        words.append(f"{number(arrivals.day_rps)} requests/s as the mean of the day")
    if PROFILE in chosen:
        words.append("the log's own profile")
    if BURST in chosen and arrivals is not None and arrivals.burst is not None:
        words.append(f"a burst of {arrivals.burst:.2f} for all workloads")
    return ", ".join(words) or "nothing, as nothing is chosen to be taken over"
