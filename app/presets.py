"""Where scenarios come from: a preset's name, a JSON file or a share link."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ecoserve.catalog import Catalog, nearest
from ecoserve.errors import EcoServeError, LinkError, Problem, ScenarioError
from ecoserve.link import LINK_VERSION, DecodedLink, decode_link, parse_json
from ecoserve.scenario import Scenario, read_scenario

MAX_FILE_BYTES = 5_000_000
PAPER_SCENE = "paper-scene"
"""The preset in which the paper's claims are tried."""
STAMP_KEYS = ("engine_version", "catalog_version", "scenario_fingerprint", "notes")
"""What ``--json`` adds to every object; a scenario printed that way reads back."""

_TOKEN = re.compile(rf"{LINK_VERSION}[A-Za-z0-9_-]{{40,}}")


class SourceError(EcoServeError):
    """A scenario's file is not there or cannot be read."""


def load_presets() -> dict[str, Scenario]:
    """The packaged scenarios by name, which is their file's name without the ending."""
    folder = resources.files("assets") / "scenarios"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".json")), key=lambda f: f.name)
    return {
        file.name.removesuffix(".json"): read_scenario(parse_json(file.read_text("utf-8")))
        for file in files
    }


def open_scenario(source: str, catalog: Catalog | None = None) -> Scenario:
    """The scenario that ``source`` names: a preset, a share link or a JSON file.

    With a ``catalog``, a file's unknown ids are reported together with its other problems.
    """
    presets = load_presets()
    if source in presets:
        return presets[source]
    if not source.strip():
        raise SourceError(_not_found(source, presets))
    path = Path(source)
    if not is_link(source) or _exists(path):
        return _read_file(path, source, presets, catalog)
    return read_link(source).scenario


def read_link(link: str) -> DecodedLink:
    """Decodes a whole link or its bare token."""
    return decode_link(_token(link), load_presets())


def is_link(text: str) -> bool:
    """Whether this looks like a share link rather than a file's name."""
    return "://" in text or "s=" in text.partition("?")[2] or bool(_TOKEN.fullmatch(text))


def _token(link: str) -> str:
    if "://" not in link and "?" not in link:
        return link
    try:
        query = parse_qs(urlsplit(link).query, max_num_fields=50)
    except ValueError as error:
        raise LinkError("this is not a web address; copy the link again, whole") from error
    found = query.get("s", [])
    if not found and "id" in query:
        raise LinkError(
            "this address names a scenario in the library of its server; open it in a browser and"
            " download it there as JSON"
        )
    if len(found) != 1:
        raise LinkError("this address carries no scenario; copy the link again, with its ?s= part")
    return found[0]


def _read_file(
    path: Path, source: str, presets: dict[str, Scenario], catalog: Catalog | None
) -> Scenario:
    try:
        content = _bytes(path)
    except FileNotFoundError as error:
        raise SourceError(_not_found(source, presets)) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"cannot read {source}: {reason}") from error
    return scenario_of_file(content, source, catalog)


def scenario_of_file(content: bytes, source: str, catalog: Catalog | None = None) -> Scenario:
    """The scenario in a JSON file's content; ``source`` is what messages call the file.

    Raises :class:`SourceError` or :class:`ScenarioError`.
    """
    try:
        data = parse_json(content.decode("utf-8-sig"))
        return read_scenario(_without_stamp(data), catalog)
    except UnicodeDecodeError as error:
        raise SourceError(f"{source} is not UTF-8 text; save it as UTF-8 JSON") from error
    except ScenarioError as error:
        problems = [p if p.field else Problem(source, p.message) for p in error.problems]
        raise ScenarioError(problems) from error


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a file's name, or a zero byte in it
        return False


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise SourceError(
            f"{path} is larger than {MAX_FILE_BYTES:,} bytes, too large for a scenario"
        )
    return content


def _without_stamp(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in STAMP_KEYS}


def _not_found(source: str, presets: dict[str, Scenario]) -> str:
    close = nearest(source, tuple(presets))
    maybe = f" Did you mean {' or '.join(close)}?" if close else ""
    named = ", ".join(sorted(presets))
    return f"no file, preset or share link {source[:200]!r}.{maybe} Presets: {named}"
