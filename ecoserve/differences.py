"""Where scenarios differ: one entry per value that is not the same in all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from ecoserve.scenario import Scenario


class Absent(Enum):
    """What stands in place of a member that a list does not have."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
NAMED_BY: Final[Mapping[str, str]] = {
    "workloads": "name",
    "other_sites": "name",
    "limits": "server",
}
"""Lists whose members are found by this key, wherever they stand; other lists are one value."""

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A place of the scenario and what each scenario has there, in the order they were given."""

    path: Path
    """Keys from the top; a member of a list goes by its name: ``("workloads", "chat", "llm")``."""
    values: tuple[Any, ...]
    """In JSON; :data:`ABSENT` where a scenario has no member of that name."""


def differences(scenarios: Sequence[Scenario]) -> tuple[Difference, ...]:
    """Every place at which not all scenarios have the same, in the order of their fields."""
    return tuple(_walk((), tuple(scenario.model_dump(mode="json") for scenario in scenarios)))


def _walk(path: Path, values: tuple[Any, ...]) -> Iterator[Difference]:
    if all(value == values[0] for value in values):
        return
    if all(isinstance(value, dict) for value in values):
        for key in values[0]:
            yield from _walk((*path, key), tuple(value[key] for value in values))
    elif path and path[-1] in NAMED_BY and all(isinstance(value, list) for value in values):
        yield from _members(path, values, NAMED_BY[path[-1]])
    else:
        yield Difference(path=path, values=values)


def _members(path: Path, lists: tuple[Any, ...], key: str) -> Iterator[Difference]:
    named = [{member[key]: member for member in members} for members in lists]
    for name in dict.fromkeys(name for members in named for name in members):
        found = tuple(members.get(name, ABSENT) for members in named)
        yield from _walk((*path, name), found)
