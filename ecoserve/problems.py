"""What is wrong with an input, in the user's words: pydantic's findings as clear sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ecoserve.catalog import nearest
from ecoserve.errors import Problem

NUMBER_TYPES = (
    "float_type", "float_parsing", "int_type", "int_parsing", "int_from_float",
)  # fmt: skip

MOST_LIKELY = 3
MAX_PROBLEMS, MAX_HINTS = 100, 20
"""Of an input: more than anybody reads, and looking for similar names is what takes time."""


def problems_of(items: Iterable[Mapping[str, Any]], known_paths: Sequence[str]) -> list[Problem]:
    """One problem per mistake pydantic found.

    ``known_paths`` are those of all keys, ``workloads[].slo.ttft_s`` for one inside a list.

    A list that is only "too short" because its members are wrong is no second mistake. Beyond
    ``MAX_PROBLEMS`` the rest is only counted.
    """
    items = list(items)
    inside = {item["loc"][:depth] for item in items for depth in range(len(item["loc"]))}
    wrong = [i for i in items if i["type"] != "too_short" or i["loc"] not in inside]
    told = wrong[:MAX_PROBLEMS]
    unknown = [item["loc"] for item in told if item["type"] == "extra_forbidden"]
    hinted = set(unknown[:MAX_HINTS])
    problems = [
        Problem(
            ".".join(str(step) for step in item["loc"]),
            _message(item, known_paths if item["loc"] in hinted else ()),
        )
        for item in told
    ]
    if len(wrong) > len(told):
        problems.append(Problem("", f"and {len(wrong) - len(told):,} more problems like these"))
    return problems


def _message(item: Mapping[str, Any], known_paths: Sequence[str]) -> str:
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
        "int_parsing_size": "is far too large a number",
        "dict_type": "must be an object with keys and values",
        "list_type": "must be a list",
        "bool_parsing": "must be true or false",
        "bool_type": "must be true or false",
    } | dict.fromkeys(NUMBER_TYPES, "must be a number")
    if kind == "extra_forbidden":
        return _unknown_key(item["loc"], known_paths)
    if kind not in words:
        return _in_our_words(kind, str(item["msg"]))
    shown = kind not in ("missing", "too_short") and isinstance(given, str | int | float)
    return f"{words[kind]}, not {given!r}" if shown else words[kind]


def _too_short(where: Sequence[object], least: object) -> str:
    if list(where) == ["workloads"]:
        return "there is no traffic to plan for; give at least one workload"
    return f"must have at least {least} {'entry' if least == 1 else 'entries'}"


def _shown(value: object) -> object:
    return f"{value:g}" if isinstance(value, float) else value


def _in_our_words(kind: str, message: str) -> str:
    """What our own checks say; of a check that is the library's no more than that it failed."""
    return message.removeprefix("Value error, ") if kind == "value_error" else "cannot be read"


def _unknown_key(where: Sequence[object], known_paths: Sequence[str]) -> str:
    """That a key is unknown where it stands, and where one of its name or a similar one belongs."""
    *above, key = ("[]" if isinstance(step, int) else str(step) for step in where)
    here = ".".join(above).replace(".[]", "[]")
    paths: dict[str, list[str]] = {}
    for path in known_paths:
        parent, _, name = path.rpartition(".")
        in_place = name if parent == here else path if parent else f"{name} at the top level"
        paths.setdefault(name, []).append(in_place)
    likely = [path for name in nearest(key, tuple(paths)) for path in paths[name]]
    if not likely:
        return "is not a known key; remove it"
    return f"is not a known key here; nearest: {', '.join(likely[:MOST_LIKELY])}"
