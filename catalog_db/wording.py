"""Says in words what a CHECK of ``schema.sql`` asks for, for error messages and the dictionary."""

from __future__ import annotations

import re
from collections.abc import Callable

from catalog_db.schema import Column, Table

KINDS = {
    "DOUBLE": "a number",
    "INTEGER": "a whole number",
    "BOOLEAN": "true or false",
    "VARCHAR": "text",
    "VARCHAR[]": "a list of texts, for example [one, two]",
    "DOUBLE[]": "a list of numbers, for example [1, 2.5]",
    "DOUBLE[24]": "a list of 24 numbers, for example [1, 2.5, ...]",
}
"""What a type of the schema means in words."""

_NUMBER = r"-?[0-9.]+"
_NAME = r'"?([a-z0-9_]+)"?'

PHRASES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (rf"\({_NAME} BETWEEN ({_NUMBER}) AND ({_NUMBER})\)", lambda m: f"from {m[2]} to {m[3]}"),
    (rf"\({_NAME} IN \((.+)\)\)", lambda m: f"one of {m[2].replace(chr(39), '')}"),
    (rf"\({_NAME} != ''\)", lambda _: "not empty"),
    (rf"\({_NAME} > ({_NUMBER})\)", lambda m: f"above {m[2]}"),
    (rf"\({_NAME} >= ({_NUMBER})\)", lambda m: f"at least {m[2]}"),
    (rf"\({_NAME} <= ({_NUMBER})\)", lambda m: f"at most {m[2]}"),
    (rf"\({_NAME} <= {_NAME}\)", lambda m: f"{m[1]} at most {m[2]}"),
    (rf"\({_NAME} < {_NAME}\)", lambda m: f"{m[1]} below {m[2]}"),
    (
        rf"\(\({_NAME} <= {_NAME}\) AND \({_NAME} <= {_NAME}\)\)",
        lambda m: f"{m[1]}, {m[2]} and {m[4]} in ascending order",
    ),
    (
        rf"\(\({_NAME} > ({_NUMBER})\) AND \({_NAME} (<=?) ({_NUMBER})\)\)",
        lambda m: f"above {m[2]} and {'at most' if m[4] == '<=' else 'below'} {m[5]}",
    ),
    (rf"\(id = {_NAME}\)", lambda m: f"the same as {m[1]}"),
    (r"\(id = (\(.+\|\|.+\))\)", lambda m: "/".join(_joined(m[1]))),
    (
        r"regexp_full_match\([a-z0-9_]+, '\[a-z0-9_\]\+'\)",
        lambda _: "lowercase letters, digits and underscores only",
    ),
    (
        r"regexp_full_match\([a-z0-9_]+, '\[A-Za-z0-9._-\]\+/\[A-Za-z0-9._-\]\+'\)",
        lambda _: "an organisation and a name such as Qwen/Qwen3-8B",
    ),
    (r"regexp_full_match\([a-z0-9_]+, '20\[0-9\]\{2\}'\)", lambda _: "a year such as 2026"),
    (r"\(len\([a-z0-9_]+\) IN \((\d+), (\d+)\)\)", lambda m: f"{m[1]} or {m[2]} values"),
    (r"\(list_min\(.+\) >= (\S+)\)", lambda m: f"no value below {m[1]}"),
    (r"\(list_max\(.+\) <= (\S+)\)", lambda m: f"no value above {m[1]}"),
    (
        r"\(list_max\(.+\) BETWEEN (\S+) AND (\S+)\)",
        lambda m: f"a largest value from {m[1]} to {m[2]}",
    ),
    (
        r"\(\(quality != 'assumed'\) OR \(note != ''\)\)",
        lambda _: "a note that says what was assumed",
    ),
    (
        r"\(\(provenance = 'calibrated'\) OR \(note != ''\)\)",
        lambda _: "a note that says where the parameters come from",
    ),
    (r"\(\(\"value\" > 0\) OR \(note != ''\)\)", lambda _: "a note that says why it is 0"),
    (
        r"\(\(\(item \|\| ': '\) \|\| unit\) IN \((.+)\)\)",
        lambda m: f"a known item with its unit: {m[1].replace(chr(39), '')}",
    ),
    (
        r"\(\(unit !~~ 'ratio%'\) OR \(high <= 1\) OR \(id = 'regulator_ratio'\)\)",
        lambda _: "ratios up to 1",
    ),
    (r"\(\(id !~~ '%_decline'\) OR \(high < 1\)\)", lambda _: "declines below 1"),
    (r"\(\(id != 'generation_years'\) OR \(low >= 1\)\)", lambda _: "a year or more"),
    (r"\(\(id != 'psu_efficiency'\) OR \(low >= 0.5\)\)", lambda _: "an efficiency of 0.5 or more"),
    (
        r"\(\(id != 'regulator_ratio'\) OR \(\(low >= 1\) AND \(high <= 2\)\)\)",
        lambda _: "a ratio of power in to power out, from 1 to 2",
    ),
    (
        r"\(\(accelerator_id IS NOT NULL\) OR \(host_id IS NOT NULL\)\)",
        lambda _: "an accelerator or a host",
    ),
    (
        r"\(\(accelerator_id IS NULL\) = \(n_accelerators = 0\)\)",
        lambda _: "an accelerator and how many, or neither",
    ),
)
"""Pattern of a CHECK as DuckDB prints it, and what it means."""


def in_words(expression: str) -> str:
    """What a CHECK asks for. Raises :class:`LookupError` where there are no words for it yet."""
    for pattern, phrase in PHRASES:
        match = re.fullmatch(pattern, expression)
        if match:
            return phrase(match)
    raise LookupError(f"catalog_db/wording.py has no words for the CHECK {expression}")


def allowed(table: Table, column: Column, other: Callable[[str], str]) -> list[str]:
    """What a cell of the column may hold, beyond its type; ``other`` names another table."""
    rules = [in_words(c.expression) for c in table.checks if c.columns == (column.name,)]
    if column.references:
        rules.append(f"an id of {other(column.references)}")
    return [*rules, "may be empty"] if column.nullable else rules


def within_a_row(table: Table) -> list[str]:
    """What the cells of a row must satisfy together, beyond the note of an assumed figure."""
    checks = [c for c in table.checks if len(c.columns) > 1 and c.columns != ("quality", "note")]
    rules = [(c.expression.startswith("(id = "), in_words(c.expression)) for c in checks]
    return [f"id is {rule}" if makes_id else rule for makes_id, rule in rules]


def _joined(expression: str) -> list[str]:
    return re.findall(r"[a-z][a-z0-9_]*", expression)
