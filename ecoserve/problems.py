"""What is wrong with an input, in the user's words: pydantic's findings as clear sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ecoserve.catalog import nearest
from ecoserve.errors import Problem

NUMBER_TYPES = (
    "float_type", "float_parsing", "int_type", "int_parsing", "int_from_float",
)  # fmt: skip


def problems_of(items: Iterable[Mapping[str, Any]], known_keys: Sequence[str]) -> list[Problem]:
    """One problem per mistake pydantic found.

    A list that is only "too short" because its members are wrong is no second mistake.
    """
    items = list(items)
    inside = {item["loc"][:depth] for item in items for depth in range(len(item["loc"]))}
    return [
        Problem(".".join(str(step) for step in item["loc"]), _message(item, known_keys))
        for item in items
        if item["type"] != "too_short" or item["loc"] not in inside
    ]


def _message(item: Mapping[str, Any], known_keys: Sequence[str]) -> str:
    kind, given = str(item["type"]), item.get("input")
    limits = {key: _shown(value) for key, value in (item.get("ctx") or {}).items()}
    words = {
        "missing": "is missing",
        "finite_number": "must be a finite number",
        "greater_than": f"must be above {limits.get('gt')}",
        "greater_than_equal": f"must be at least {limits.get('ge')}",
        "less_than": f"must be below {limits.get('lt')}",
        "less_than_equal": f"must be at most {limits.get('le')}",
        "literal_error": f"must be one of {limits.get('expected')}",
        "string_type": "must be text",
        "string_too_long": f"must have at most {limits.get('max_length')} characters",
        "string_too_short": "must not be empty",
        "string_pattern_mismatch": "has characters that are not allowed here",
        "too_short": _too_short(item["loc"], limits.get("min_length")),
        "too_long": f"must have at most {limits.get('max_length')} entries",
        "model_type": "must be an object with keys and values",
        "tuple_type": "must be a list",
        "bool_parsing": "must be true or false",
        "bool_type": "must be true or false",
    } | dict.fromkeys(NUMBER_TYPES, "must be a number")
    if kind == "extra_forbidden":
        return _unknown_key(str(item["loc"][-1]), known_keys)
    if kind not in words:
        return str(item["msg"]).removeprefix("Value error, ")
    shown = kind not in ("missing", "too_short") and isinstance(given, str | int | float)
    return f"{words[kind]}, not {given!r}" if shown else words[kind]


def _too_short(where: Sequence[object], least: object) -> str:
    if list(where) == ["workloads"]:
        return "there is no traffic to plan for; give at least one workload"
    return f"must have at least {least} {'entry' if least == 1 else 'entries'}"


def _shown(value: object) -> object:
    return f"{value:g}" if isinstance(value, float) else value


def _unknown_key(key: str, known_keys: Sequence[str]) -> str:
    likely = nearest(key, tuple(known_keys))
    return "is not a known key" + (f"; nearest: {', '.join(likely)}" if likely else "; remove it")
