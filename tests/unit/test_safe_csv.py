"""Tables as CSV: texts never run, numbers stay numbers."""

from __future__ import annotations

import csv
import io

import pytest

from app.safe_csv import safe_csv


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2", "@SUM(A1)", "%x", "|x", "\tx", "\rx", "\0"])
def test_a_text_that_a_spreadsheet_would_run_is_quoted(text: str) -> None:
    (_, (cell,)) = csv.reader(io.StringIO(safe_csv([{"name": text}]), newline=""))
    assert cell == f"'{text}"


def test_numbers_and_plain_texts_come_back() -> None:
    rows = [{"a": -5.25, "b": "two, three"}, {"a": None, "b": 'say "x"'}]
    assert list(csv.reader(io.StringIO(safe_csv(rows)))) == [
        ["a", "b"],
        ["-5.25", "two, three"],
        ["", 'say "x"'],
    ]


def test_no_rows_have_no_heads() -> None:
    assert safe_csv([]).strip() == ""
