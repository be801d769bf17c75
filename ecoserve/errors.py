"""Everything that can go wrong, as one tree.

EcoServeError
  ScenarioError        the input contradicts itself; ``problems`` lists all of it
  LinkError            a share link cannot be read
  CatalogError
    UnknownIdError     no such row; ``suggestions`` has the nearest names
    MissingDataError   the row exists, the number does not
  InfeasibleError      well posed, but no fleet; ``blocked`` says which slice and why
  SolverError          the solver stopped without an answer
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: where, what, and what to do."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


@dataclass(frozen=True, slots=True)
class BlockedSlice:
    """A part of the traffic that no allowed option serves, with the reason."""

    slice: str
    reason: str


class EcoServeError(Exception):
    """Root of the tree; catching it catches every error this project raises on purpose.

    They cross from one process to another whole: message, and what they hold.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(
    kind: type[EcoServeError], args: tuple[Any, ...], held: Mapping[str, Any]
) -> EcoServeError:
    """The error again, without asking ``__init__`` for what it was made of."""
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(held)
    return error


class ScenarioError(EcoServeError):
    """The scenario contradicts itself or the catalog. ``problems`` lists everything at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class LinkError(EcoServeError):
    """A share link that cannot be read; the message says why and what to do."""


class CatalogError(EcoServeError):
    """Something about the catalog's content."""


class UnknownIdError(CatalogError):
    """No row of ``table`` has this id."""

    def __init__(self, table: str, unknown_id: str, suggestions: Sequence[str]) -> None:
        self.table = table
        self.unknown_id = unknown_id
        self.suggestions = tuple(suggestions)
        near = f"nearest: {', '.join(self.suggestions)}"
        hint = near if self.suggestions else "`ecoserve catalog list` shows what there is"
        super().__init__(f"no {table} has the id {unknown_id!r}; {hint}")


class MissingDataError(CatalogError):
    """The row exists, the number asked for does not. Never extrapolated in silence."""


class InfeasibleError(EcoServeError):
    """No fleet can do what was asked; ``blocked`` names the slices and the reasons."""

    def __init__(self, message: str, blocked: Sequence[BlockedSlice] = ()) -> None:
        self.blocked = tuple(blocked)
        super().__init__(message)


class SolverError(EcoServeError):
    """The solver stopped without an answer; ``termination`` says how."""

    def __init__(self, message: str, termination: str) -> None:
        self.termination = termination
        super().__init__(message)
