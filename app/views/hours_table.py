"""Twenty-four figures of the visitor's own as a table that is edited in the page."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app import inputs, state
from app.views.editing import Rows, rows_now
from ecoserve.errors import Problem, ScenarioError
from ecoserve.units import HOURS_PER_DAY

HOUR, FIGURE = "Hour", "g/kWh"
MOST_GCO2E_PER_KWH = 3000.0
TALL_PX = 260


def show(place: str, hourly_gco2e_per_kwh: Sequence[float]) -> None:
    """The hours in use, and the button that makes what they are edited to the site's own."""
    rows, key = table_rows(hourly_gco2e_per_kwh), f"hours:{place}:{_digest(hourly_gco2e_per_kwh)}"
    st.data_editor(
        pd.DataFrame(rows),
        hide_index=True,
        height=TALL_PX,
        disabled=[HOUR],
        key=key,
        column_config={
            FIGURE: st.column_config.NumberColumn(
                min_value=0, max_value=MOST_GCO2E_PER_KWH, required=True
            )
        },
    )
    st.button(
        "Use these hours",
        key=f"hours:{place}:use",
        on_click=_put_in_use,
        args=(place, rows, key),
    )


def table_rows(hourly_gco2e_per_kwh: Sequence[float]) -> list[dict[str, Any]]:
    """A row per hour of the day, local time."""
    return [
        {HOUR: f"{hour:02d}:00", FIGURE: float(f"{value:.4g}")}
        for hour, value in enumerate(hourly_gco2e_per_kwh)
    ]


def figures_of(rows: Rows) -> list[float]:
    """The 24 figures. Raises :class:`ScenarioError` with every row that has none."""
    problems = [
        Problem(f"Own figures by hour, {row.get(HOUR)}", "give a figure in gCO2e/kWh, 0 or more")
        for row in rows
        if not _is_figure(row.get(FIGURE))
    ]
    if len(rows) != HOURS_PER_DAY:
        problems.append(Problem("Own figures by hour", f"{len(rows)} rows, not {HOURS_PER_DAY}"))
    if problems:
        raise ScenarioError(problems)
    return [float(row[FIGURE]) for row in rows]


def _is_figure(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0


def _digest(hourly_gco2e_per_kwh: Sequence[float]) -> str:
    """Other hours are another table, without the edits of this one."""
    return hashlib.sha256(repr(tuple(hourly_gco2e_per_kwh)).encode()).hexdigest()[:12]


def _put_in_use(place: str, rows: Rows, key: str) -> None:
    try:
        figures = figures_of(rows_now(rows, key))
    except ScenarioError as error:
        state.refuse(error.problems)
        return
    state.edit(inputs.own_intensity(figures, place))
