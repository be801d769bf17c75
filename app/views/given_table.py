"""The visitor's own fleets as a table that is edited in the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import streamlit as st

from app import state
from app.given import MAX_COUNT, Row, with_given_rows
from app.views.editing import Rows, rows_now
from ecoserve.errors import ScenarioError
from ecoserve.scenario import Scenario

FLEET, SERVER, COUNT = "Fleet", "Server", "Servers"
COLUMNS = (FLEET, SERVER, COUNT)
EDITOR = "given:table"
MAX_NAME = 60


def show(scenario: Scenario) -> None:
    """The table, and the button that puts its fleets in place of those there are."""
    catalog, rows = state.catalog(), table_rows(scenario)
    key = f"{EDITOR}:{scenario.fingerprint()}:{catalog.version}"
    st.data_editor(
        pd.DataFrame(rows, columns=list(COLUMNS)).astype(
            {FLEET: "string", SERVER: "string", COUNT: "Int64"}
        ),
        num_rows="dynamic",
        hide_index=True,
        key=key,
        column_config={
            FLEET: st.column_config.TextColumn(max_chars=MAX_NAME),
            SERVER: st.column_config.SelectboxColumn(options=sorted(catalog.servers)),
            COUNT: st.column_config.NumberColumn(min_value=1, max_value=MAX_COUNT, step=1),
        },
    )
    st.button("Use these fleets", on_click=_put_in_use, args=(rows, key))


def table_rows(scenario: Scenario) -> list[dict[str, Any]]:
    """A row per fleet and kind of server."""
    return [
        {FLEET: fleet.name, SERVER: row.server, COUNT: row.count}
        for fleet in scenario.given
        for row in fleet.servers
    ]


def text_rows(rows: Rows) -> Iterator[Row]:
    """The table's rows as text, an empty cell as none."""
    for number, row in enumerate(rows, 1):
        name, server, count = (
            "" if pd.isna(row.get(column)) else str(row[column]).strip() for column in COLUMNS
        )
        yield f"Row {number}", name, server, count.removesuffix(".0")


def _put_in_use(rows: Rows, key: str) -> None:
    entered = text_rows(rows_now(rows, key))
    try:
        state.replace(with_given_rows(state.scenario(), entered, state.catalog()))
    except ScenarioError as error:
        state.refuse(error.problems)
