"""The data dictionary: up to date, and every column says its unit or meaning."""

from __future__ import annotations

import pytest

from catalog_db.csvfiles import BUILD_ORDER
from catalog_db.dictionary import README, dictionary
from catalog_db.schema import schema
from catalog_db.wording import in_words

PLAIN = {"id", "name", "source_id", "quality", "note", "vendor", "launch_year"}
"""Columns whose names say it all."""


def test_the_dictionary_is_up_to_date() -> None:
    written = README.read_text(encoding="utf-8")
    assert written == dictionary(), "run: python -m catalog_db.dictionary"


def test_every_table_and_column_says_what_it_is() -> None:
    for table in schema().values():
        assert table.comment, table.name
        silent = [
            column.name
            for column in table.columns
            if not (column.comment or column.references or column.name in PLAIN)
        ]
        assert silent == [], table.name


def test_every_table_and_column_is_in_the_dictionary() -> None:
    text = dictionary()
    for table in schema().values():
        section = text.split(f"### {table.name}\n")[1].split("\n### ")[0]
        for column in table.columns:
            assert f"`{column.name}`" in section, (table.name, column.name)
    assert set(BUILD_ORDER) | {"catalog_meta", "overlay_rows"} == set(schema())


def test_units_and_ranges_are_those_of_the_schema() -> None:
    row = "| `memory_gb_per_s` | double | GB/s, data sheet | from 10 to 50000 |"
    assert row in dictionary()
    keys = {name: table.key for name, table in schema().items()}
    assert keys["llms"] == ("id",)
    assert keys["grid_series"] == ("zone_id", "kind", "hour")
    units = {column.name: column.unit for column in schema()["accelerators"].columns}
    assert units["bf16_tflops"] == "TFLOPS"
    assert units["family"] == ""


def test_no_rule_is_told_in_sql() -> None:
    for table in schema().values():
        for check in table.checks:
            words = in_words(check.expression)
            assert not any(sql in words for sql in ("(", "regexp", "<", "!=", " IN ", "NULL")), (
                words
            )


def test_a_rule_without_words_is_a_mistake() -> None:
    with pytest.raises(LookupError, match="no words for"):
        in_words("(sqrt(x) > 3)")
