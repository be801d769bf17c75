"""What a visitor has made of a table, as it stands when a button is pressed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

Rows = Sequence[Mapping[str, Any]]


def rows_now(rows: Rows, key: str) -> list[dict[str, Any]]:
    """The table's ``rows`` with the edits that came with the press.

    What ``st.data_editor`` returned was of the run before, and may lack the last entry.
    """
    edits: Mapping[str, Any] = st.session_state.get(key) or {}
    now = [dict(row) for row in rows]
    for position, cells in edits.get("edited_rows", {}).items():
        now[int(position)].update(cells)
    deleted = {int(position) for position in edits.get("deleted_rows", ())}
    kept = [row for position, row in enumerate(now) if position not in deleted]
    return [*kept, *map(dict, edits.get("added_rows", ()))]
