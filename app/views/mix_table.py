"""A mix of lengths as a table: classes of requests with their lengths and shares."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app import own_traffic, state
from app.text import number, plain, sentence
from app.views import answer as draw
from catalog_db.own_traffic import OwnMix
from ecoserve.errors import EcoServeError, Problem, ScenarioError
from ecoserve.lengths import LONGEST_TOKENS
from ecoserve.request_log import LengthCount
from ecoserve.rows import LengthMix
from ecoserve.scenario_parts import Workload

INPUT, OUTPUT, SHARE = "Input tokens", "Output tokens", "Share, %"
COLUMNS = (INPUT, OUTPUT, SHARE)
MAX_ROWS = 400
TOLERANCE = 0.5
"""How far from 100 % the shares may add up; they are divided by their sum."""
WEIGHT = 10_000
"""Requests that stand for one per cent."""
DIGITS = 4
PROBLEMS, DONE = "mix:problems", "mix:done"
EDITOR, NAME = "mix:table", "mix:name"
PREFIX = "mix"
"""How the ids of mixes from here begin."""
NOTE = "Entered as a table of lengths and shares."
WHAT = (
    "One row per class of requests; the shares add up to 100 %. The table begins with the lengths "
    "in use. Add a row at its end; select rows to delete them."
)

Rows = Sequence[Mapping[str, Any]]


def show(index: int, workload: Workload, mix: LengthMix) -> None:
    """The table, what is wrong with it, and the button that puts the workload on it."""
    st.caption(WHAT)
    edited = st.data_editor(
        pd.DataFrame(table_rows(mix), columns=list(COLUMNS)),
        num_rows="dynamic",
        hide_index=True,
        key=f"{EDITOR}:{index}:{mix.id}:{state.catalog().version}",
        column_config={
            INPUT: st.column_config.NumberColumn(min_value=1, max_value=LONGEST_TOKENS),
            OUTPUT: st.column_config.NumberColumn(min_value=1, max_value=LONGEST_TOKENS),
            SHARE: st.column_config.NumberColumn(min_value=0, max_value=100),
        },
    )
    rows = edited.to_dict("records")
    st.caption(plain(_total_words(rows)))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Name of the mix",
            value=_own_name(mix),
            key=f"{NAME}:{index}:{mix.id}",
            max_chars=60,
            width=240,
        )
        st.button(
            plain(f"Use these lengths for {workload.name}"),
            on_click=_put_in_use,
            args=(rows, index, f"{NAME}:{index}:{mix.id}"),
        )
    _outcome()


def _outcome() -> None:
    """What came of the last press of the button."""
    problems: tuple[Problem, ...] = st.session_state.get(PROBLEMS, ())
    if problems:
        st.error("Not taken. Nothing has changed; correct the table and try again.")
        draw.show_table([{"Where": p.field, "Problem": sentence(p.message)} for p in problems], "")
    if done := st.session_state.get(DONE):
        st.success(plain(done))


def table_rows(mix: LengthMix) -> list[dict[str, float]]:
    """The buckets of a mix as rows of the table, most frequent first."""
    buckets = sorted(mix.buckets, key=lambda b: -b.fraction)
    return [
        {
            INPUT: _rounded(b.isl_tokens),
            OUTPUT: _rounded(b.osl_tokens),
            SHARE: _rounded(100 * b.fraction),
        }
        for b in buckets
        if 100 * b.fraction >= 1 / WEIGHT
    ]


def counts_of(rows: Rows) -> tuple[LengthCount, ...]:
    """The table as a histogram of single lengths.

    Rows without any entry are passed over. Raises :class:`ScenarioError` with everything that is
    wrong, by row.
    """
    numbered = [(i, row) for i, row in enumerate(rows, 1) if not _is_empty(row)]
    problems = [problem for i, row in numbered for problem in _problems(i, row)]
    if not problems:
        problems = _problems_together(numbered)
    if problems:
        raise ScenarioError(problems)
    return tuple(_count(row) for _, row in numbered)


def _total_words(rows: Rows) -> str:
    shares = [share for row in rows if (share := _number(row.get(SHARE))) is not None]
    n = "1 row" if len(shares) == 1 else f"{len(shares)} rows"
    return f"{n}, {sum(shares):.4g} % in all."


def _own_name(mix: LengthMix) -> str:
    is_own = ("length_mixes", mix.id) in state.catalog().overlay_rows
    return mix.name if is_own and mix.id.startswith(PREFIX) else f"{mix.name[:52]}, edited"


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _is_empty(row: Mapping[str, Any]) -> bool:
    return all(row.get(name) is None or row.get(name) != row.get(name) for name in COLUMNS)


def _problems(i: int, row: Mapping[str, Any]) -> list[Problem]:
    found = []
    for name in (INPUT, OUTPUT):
        tokens = _number(row.get(name))
        if tokens is None:
            found.append(Problem(f"row {i}, {name}", "give a number of tokens"))
        elif not 1 <= tokens <= LONGEST_TOKENS:
            limits = f"from 1 to {LONGEST_TOKENS:,.0f} tokens are possible, not {tokens:,g}"
            found.append(Problem(f"row {i}, {name}", limits))
    share = _number(row.get(SHARE))
    if share is None:
        found.append(Problem(f"row {i}, {SHARE}", "give a share of the requests in per cent"))
    elif not 1 / WEIGHT <= share <= 100 + TOLERANCE:
        limits = f"a share is from {1 / WEIGHT:g} to 100 %, not {share:g}; or delete the row"
        found.append(Problem(f"row {i}, {SHARE}", limits))
    return found


def _problems_together(numbered: Sequence[tuple[int, Mapping[str, Any]]]) -> list[Problem]:
    if not numbered:
        return [Problem("the table", "it is empty; give at least one row")]
    found = []
    if len(numbered) > MAX_ROWS:
        found.append(Problem("the table", f"at most {MAX_ROWS} rows, not {len(numbered)}"))
    total = sum(float(row[SHARE]) for _, row in numbered)
    if abs(total - 100) > TOLERANCE:
        found.append(Problem("the table", f"the shares add up to {total:.4g} %, not to 100 %"))
    first: dict[tuple[float, float], int] = {}
    for i, row in numbered:
        same = first.setdefault((float(row[INPUT]), float(row[OUTPUT])), i)
        if same != i:
            found.append(Problem(f"row {i}", f"has the lengths of row {same}; add up their shares"))
    return found


def _number(value: Any) -> float | None:
    """A finite number, or None for anything else that an editor may hand over."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _count(row: Mapping[str, Any]) -> LengthCount:
    isl, osl = float(row[INPUT]), float(row[OUTPUT])
    return LengthCount(
        isl_lo_tokens=isl - 1,
        isl_hi_tokens=isl,
        osl_lo_tokens=osl - 1,
        osl_hi_tokens=osl,
        requests=round(WEIGHT * float(row[SHARE])),
        mean_isl_tokens=isl,
        mean_osl_tokens=osl,
    )


def _put_in_use(rows: Rows, index: int, name_key: str) -> None:
    st.session_state.pop(PROBLEMS, None)
    st.session_state.pop(DONE, None)
    name = str(st.session_state.get(name_key) or "").strip() or "Own lengths"
    try:
        counts = counts_of(rows)
        mix_id = own_traffic.row_id(name, PREFIX)
        mix = OwnMix(id=mix_id, name=name, quality="assumed", note=NOTE, counts=counts)
        own_traffic.put_in_use(mix, None, {f"workloads.{index}.mix": mix_id})
    except ScenarioError as error:
        st.session_state[PROBLEMS] = error.problems
        return
    except EcoServeError as error:
        st.session_state[PROBLEMS] = (Problem("the table", str(error)),)
        return
    workload = state.scenario().workloads[index]
    used = state.catalog().length_mix(mix_id)
    isl, osl = number(used.mean_isl_tokens), number(used.mean_osl_tokens)
    st.session_state[DONE] = (
        f"In use for {workload.name}: {isl} tokens in and {osl} out on average."
    )
