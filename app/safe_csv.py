"""Tables as CSV that a spreadsheet can open without running anything."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

RUNS = ("=", "+", "-", "@", "%", "|", "\t", "\r", "\0")
"""How a text begins that a spreadsheet may take for a formula."""


def safe_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows under the heads of the first one: numbers in full, texts never a formula.

    >>> safe_csv([{"name": "=1+1", "kg": -5.5}]).splitlines()
    ['name,kg', "'=1+1,-5.5"]
    """
    file = io.StringIO()
    writer = csv.writer(file)
    heads = list(rows[0]) if rows else []
    writer.writerow([_cell(head) for head in heads])
    writer.writerows([_cell(row[head]) for head in heads] for row in rows)
    return file.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(RUNS):
        return f"'{value}"
    return value
