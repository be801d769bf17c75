"""The visitor's own rows over those of the server: laid over, taken off, told apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from app import address
from app.session import (
    OwnData,
    catalog,
    laid_over,
    presets,
    read_catalog,
    scenario,
    session,
    shared_catalog,
)
from app.state import changed, replace
from catalog_db.overlay import Overlay
from ecoserve.errors import ScenarioError
from ecoserve.scenario import check_scenario

NOTHING: Mapping[str, Any] = MappingProxyType({})


def own_files() -> dict[str, bytes]:
    """The visitor's own files by name."""
    own = session().own
    return {name: text.encode() for name, text in own.overlay.files} if own else {}


def lay_over(files: Mapping[str, bytes]) -> None:
    """Adds files to the visitor's own; a file of the same name takes the place of the old one.

    A link that waited for these rows is opened. Raises :class:`CatalogError` with everything that
    is wrong with the files, or :class:`ScenarioError` where the scenario would not hold up; then
    nothing has changed.
    """
    overlay = Overlay.from_files({**own_files(), **files})
    path = laid_over(overlay)
    rows = read_catalog(path)
    waiting = address.opened_with(rows)
    if waiting is None:
        check_scenario(scenario(), rows)
    _change_catalog(OwnData(overlay, path))
    if waiting is not None:
        replace(waiting.scenario)
        session().notices = address.version_notices(waiting)


def take_off(replacing: Mapping[str, Any] = NOTHING) -> None:
    """Goes back to the server's catalog, with other values at the given paths of the scenario.

    Raises :class:`ScenarioError` where the scenario needs the visitor's rows; then nothing has
    changed.
    """
    without = changed(scenario(), replacing)
    check_scenario(without, read_catalog(shared_catalog()))
    _change_catalog(None)
    if replacing:
        replace(without)


@dataclass(frozen=True, slots=True)
class OwnChoice:
    """A choice of the scenario that is a row of the visitor's, and what a preset has there."""

    path: str
    chosen: Any
    instead: Any


def own_choices(preset: str) -> tuple[OwnChoice, ...]:
    """What the scenario would have to change to do without the visitor's rows."""
    try:
        check_scenario(scenario(), read_catalog(shared_catalog()))
    except ScenarioError as error:
        paths = dict.fromkeys(_whole_choice(problem.field) for problem in error.problems)
    else:
        return ()
    now = scenario().model_dump(mode="json")
    then = presets()[preset].model_dump(mode="json")
    return tuple(OwnChoice(p, _value(now, p), _value(then, p)) for p in paths)


def _whole_choice(path: str) -> str:
    """Lists of hardware are chosen as a whole: ``hardware.limits.0.server`` is one of the limits.

    >>> _whole_choice("hardware.limits.0.server"), _whole_choice("workloads.1.llm")
    ('hardware.limits', 'workloads.1.llm')
    """
    steps = path.split(".")
    return ".".join(steps[:2]) if steps[0] == "hardware" else path


def _value(data: Any, path: str) -> Any:
    """The value at a dotted path; past the end of a list that of its last entry."""
    for step in path.split("."):
        data = data[min(int(step), len(data) - 1)] if isinstance(data, list) else data[step]
    return data


def own_ids() -> list[str]:
    """Ids of the rows that are, or have figures of, this visitor's and that no link carries."""
    if session().own is None:
        return []
    shared = read_catalog(shared_catalog()).overlay_rows
    return sorted({i for table, i in catalog().overlay_rows - shared if table != "sources"})


def _change_catalog(own: OwnData | None) -> None:
    """Answers of another catalog are not answers of this one."""
    held = session()
    held.own, held.answer, held.previous = own, None, None
    held.finished.clear()
    address.write_address()
