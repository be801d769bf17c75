"""Files of somebody's own measurements become rows of their overlay."""

from __future__ import annotations

import csv

import pytest

from catalog_db.build import CatalogBuildError
from catalog_db.own_points import is_points_file, points_csv, with_own_points
from ecoserve.points import PointConvention
from tests.data.test_measured import HEADER, LINE

POINTS = f"{HEADER}\n{LINE}\n{LINE.replace(',32,', ',64,')}\n"


def ids(text: str) -> list[str]:
    return [row["id"] for row in csv.DictReader(text.splitlines())]


def test_measurements_are_known_by_their_header():
    assert is_points_file(POINTS)
    assert not is_points_file(f"id,{HEADER}\n")  # rows of a catalog
    assert not is_points_file("name,server,count\n")
    assert not is_points_file("")


def test_rows_keep_their_figures_and_say_whose_they_are():
    row, _ = csv.DictReader(points_csv(POINTS, {}).splitlines())
    assert (row["id"], row["source_id"], row["quality"]) == (
        "own_00002",
        "your_overlay",
        "measured",
    )
    assert (row["batch"], row["latency_ms"], row["power_w"]) == ("32", "9.5", "560")
    assert (row["source"], row["note"]) == ("mine", "a note")


def test_a_file_replaces_its_own_rows_and_leaves_those_of_others():
    first = with_own_points("", {"My bench.csv": POINTS, "b.csv": POINTS}, {})
    mine = ["own_my_bench_00002", "own_my_bench_00003"]
    assert ids(first) == [*mine, "own_b_00002", "own_b_00003"]
    again = with_own_points(first, {"b.csv": f"{HEADER}\n{LINE}\n"}, {})
    assert ids(again) == [*mine, "own_b_00002"]


def test_mistakes_name_file_and_line():
    bad = POINTS.replace(",64,", ",many,")
    with pytest.raises(CatalogBuildError) as caught:
        with_own_points("", {"a.csv": bad, "b.csv": "model,hardware,phase,power_w\n"}, {})
    cell, header = caught.value.problems
    assert (cell.file, cell.line, cell.column) == ("a.csv", 3, "batch")
    assert "not 'many'" in cell.message
    assert header.file == "b.csv"
    assert "columns are missing" in header.message


def test_what_a_row_says_of_itself_must_be_what_its_source_says():
    text = f"{HEADER},power_scope\n{LINE},per_gpu\n"
    with pytest.raises(CatalogBuildError, match="power_scope: in a catalog all rows of a source"):
        with_own_points("", {"a.csv": text}, {})
    assert points_csv(text, {}) == ""
    known = PointConvention(source="mine", phase="decode", power_scope="per_gpu")
    assert len(ids(with_own_points("", {"a.csv": text}, {("mine", "decode"): known}))) == 1


def test_lines_of_any_system_are_read():
    assert len(ids(points_csv(POINTS.replace("\n", "\r"), {}))) == 2
