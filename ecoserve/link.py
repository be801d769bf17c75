"""Scenario <-> share link: only what differs from a named preset, packed into a short token.

    token = version character + base64url(zlib({p: preset, d: differences, e: engine, c: catalog,
                                                f: fingerprint}))

In ``d`` a JSON object patches what the preset has at that place: an object key by key, a list by
index. Anything else replaces it, and ``{"=": value}`` replaces it by ``value`` whatever that is.

Tokens come from strangers, so :func:`decode_link` bounds every step and raises nothing but
:class:`~ecoserve.errors.LinkError` and :class:`~ecoserve.errors.ScenarioError`.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ecoserve.errors import LinkError, Problem, ScenarioError
from ecoserve.scenario import Scenario, read_scenario

LINK_VERSION = "1"
MAX_TOKEN_CHARS = 4_000
MAX_JSON_BYTES = 64_000
MAX_DEPTH = 8
MAX_COMMAS, MAX_OBJECTS = 2_000, 500
"""The largest scenario of the catalog's own rows has 1,600 and 350; more would only cost time to
refuse one by one."""
MAX_INTEGER_DIGITS = 15

_ALPHABET = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_REPLACE = "="
_KEYS = {"p", "d", "e", "c", "f"}
_MISFIT = "the link does not fit the preset it builds on; ask its sender for a new one"
_COPY_AGAIN = "copy it again, whole, or ask its sender for the scenario as a JSON file"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedLink:
    """What a link says, and which engine and data it was made with."""

    scenario: Scenario
    engine_version: str
    catalog_version: str
    is_exact: bool
    """False where a preset or default has changed since, so the scenario is no longer the same."""


def encode_link(
    scenario: Scenario,
    presets: Mapping[str, Scenario],
    engine_version: str,
    catalog_version: str,
) -> str:
    """The shortest token that gives this scenario back with the same presets.

    Raises :class:`LinkError` where it is longer than ``MAX_TOKEN_CHARS``.
    """
    new = scenario.model_dump(mode="json")
    stamp = {"e": engine_version, "c": catalog_version, "f": scenario.fingerprint()}
    whole = {_REPLACE: scenario.model_dump(mode="json", exclude_defaults=True)}
    tokens = [_pack({"p": None, "d": whole, **stamp})]
    for name, preset in sorted(presets.items()):
        change = _difference(preset.model_dump(mode="json"), new)
        tokens.append(_pack({"p": name, "d": change, **stamp}))
    shortest = min(tokens, key=len)
    if len(shortest) > MAX_TOKEN_CHARS:
        raise LinkError(
            f"this scenario needs a link of {len(shortest):,} characters, and more than"
            f" {MAX_TOKEN_CHARS:,} get lost on the way; share it as a JSON file instead"
        )
    return shortest


def decode_link(token: str, presets: Mapping[str, Scenario]) -> DecodedLink:
    """Reads a token of :func:`encode_link`.

    Raises :class:`LinkError` where the token is broken, and :class:`ScenarioError` where it is
    sound but describes no valid scenario.
    """
    packed = _unpack(token.strip())
    if set(packed) - {"f"} != _KEYS - {"f"} or not isinstance(packed["d"], dict):
        raise LinkError(f"the link holds no scenario; {_COPY_AGAIN}")
    for key in ("e", "c"):
        if not isinstance(packed[key], str):
            raise LinkError(f"the link does not say what made it; {_COPY_AGAIN}")
    base = _preset_record(packed["p"], presets)
    scenario = read_scenario(_patched(base, packed["d"]))
    return DecodedLink(
        scenario=scenario,
        engine_version=packed["e"][:60],
        catalog_version=packed["c"][:60],
        is_exact=scenario.has_fingerprint(packed.get("f")),
    )


def parse_json(text: str) -> dict[str, Any]:
    """A JSON object from an untrusted source; raises :class:`ScenarioError` for anything else.

    Refuses NaN, infinities, integers beyond ``MAX_INTEGER_DIGITS``, text that is not Unicode, and,
    before parsing, nesting beyond ``MAX_DEPTH`` and more than ``MAX_COMMAS`` or ``MAX_OBJECTS``.
    """
    marks = re.findall(r"[\[{}\],]", _STRING.sub("", text))
    if _depth(marks) > MAX_DEPTH:
        _refuse(f"nested more than {MAX_DEPTH} deep; a scenario is not")
    if marks.count(",") > MAX_COMMAS:
        _refuse(f"holds more than {MAX_COMMAS:,} values; a scenario does not")
    if marks.count("{") > MAX_OBJECTS:
        _refuse(f"holds more than {MAX_OBJECTS:,} objects; a scenario does not")
    try:
        value = json.loads(
            text, parse_constant=_refuse_constant, parse_int=_bounded_int, parse_float=_finite_float
        )
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        _refuse(
            f"not JSON: {error.msg} in line {error.lineno}, column {error.colno}; correct it there"
        )
    except UnicodeEncodeError:
        _refuse("holds half a Unicode character; remove the \\ud800-like escape")
    if not isinstance(value, dict):
        _refuse("must be one JSON object with workloads and site")
    return value


def _pack(record: Mapping[str, Any]) -> str:
    packed = zlib.compress(_minified(record).encode(), 9)
    return LINK_VERSION + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _unpack(token: str) -> dict[str, Any]:
    if len(token) > MAX_TOKEN_CHARS:
        raise LinkError(f"the link has {len(token):,} characters, more than {MAX_TOKEN_CHARS:,}")
    if not _ALPHABET.fullmatch(token):
        raise LinkError(f"the link is empty or holds characters no link has; {_COPY_AGAIN}")
    if token[0] != LINK_VERSION:
        raise LinkError(f"the link is of a kind this version cannot read; {_COPY_AGAIN}")
    try:
        packed = base64.urlsafe_b64decode(token[1:] + "=" * (-len(token[1:]) % 4))
        return parse_json(_inflated(packed).decode())
    except (binascii.Error, zlib.error, UnicodeDecodeError) as error:
        raise LinkError(f"the link is damaged; {_COPY_AGAIN}") from error
    except ScenarioError as error:
        raise LinkError(f"the link's content is {error}") from error


def _inflated(packed: bytes) -> bytes:
    inflater = zlib.decompressobj()
    text = inflater.decompress(packed, MAX_JSON_BYTES + 1)
    if len(text) > MAX_JSON_BYTES:
        raise LinkError(f"the link unpacks to more than {MAX_JSON_BYTES:,} bytes")
    if not inflater.eof:
        raise LinkError(f"the link is cut off; {_COPY_AGAIN}")
    if inflater.unused_data:
        raise LinkError(f"the link goes on after its end; {_COPY_AGAIN}")
    return text


def _preset_record(name: object, presets: Mapping[str, Scenario]) -> dict[str, Any]:
    if name is None:
        return {}
    if not isinstance(name, str) or name not in presets:
        known = ", ".join(sorted(presets)) or "none"
        raise LinkError(
            f"the link builds on the preset {str(name)[:60]!r}; this version has: {known}"
        )
    return presets[name].model_dump(mode="json")


def _difference(old: Any, new: Any) -> Any:
    """What ``_patched`` needs to make ``new`` of ``old``; ``{}`` where they are the same."""
    if _minified(old) == _minified(new):
        return {}
    if isinstance(old, dict) and isinstance(new, dict) and set(old) <= set(new) - {_REPLACE}:
        return _changes({key: (old.get(key), new[key]) for key in new}, set(old))
    if isinstance(new, dict):
        return {_REPLACE: new}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = {str(i): pair for i, pair in enumerate(zip(old, new, strict=True))}
        return min(_changes(pairs, set(pairs)), new, key=lambda change: len(_minified(change)))
    return new


def _changes(pairs: Mapping[str, tuple[Any, Any]], known: set[str]) -> dict[str, Any]:
    return {
        key: _difference(old, new) if key in known else {_REPLACE: new}
        for key, (old, new) in pairs.items()
        if key not in known or _minified(old) != _minified(new)
    }


def _patched(old: Any, change: Any) -> Any:
    if not isinstance(change, dict):
        return change
    if set(change) == {_REPLACE}:
        return change[_REPLACE]
    if isinstance(old, list):
        return _patched_list(old, change)
    if isinstance(old, dict):
        return {**old, **{key: _patched(old.get(key), value) for key, value in change.items()}}
    if change:
        raise LinkError(_MISFIT)
    return old


def _patched_list(old: list[Any], change: Mapping[str, Any]) -> list[Any]:
    if not set(change) <= {str(i) for i in range(len(old))}:
        raise LinkError(_MISFIT)
    return [_patched(item, change.get(str(i), {})) for i, item in enumerate(old)]


def _minified(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _depth(marks: Iterable[str]) -> int:
    depth = deepest = 0
    for mark in marks:
        depth += (mark in "[{") - (mark in "]}")
        deepest = max(deepest, depth)
    return deepest


def _bounded_int(text: str) -> int:
    if len(text) > MAX_INTEGER_DIGITS:
        _refuse(
            f"holds an integer of {len(text)} digits; no figure needs over {MAX_INTEGER_DIGITS}"
        )
    return int(text)


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _refuse(f"holds the number {text[:20]}, which is not finite")
    return value


def _refuse_constant(text: str) -> NoReturn:
    _refuse(f"holds {text}, which is not a number")


def _refuse(message: str) -> NoReturn:
    raise ScenarioError([Problem("", message)])
