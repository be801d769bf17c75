"""What a fleet must be beside serving the traffic: exactly given servers, or one of some kinds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ecoserve.errors import Problem, ScenarioError
from ecoserve.plan import FleetEntry
from ecoserve.structure import Structure


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRule:
    """A fleet to hold, or kinds of servers of which there must be one; neither by default."""

    fleet: tuple[FleetEntry, ...] | None = None
    """Exactly these servers, no others."""
    one_of: tuple[str, ...] = ()
    """At least one server of these kinds."""

    def applied(self, structure: Structure) -> Structure:
        """The structure under this rule.

        Raises :class:`ScenarioError` for servers that the structure does not offer.
        """
        program, columns = structure.program, structure.problem.x
        if self.fleet is not None:
            program = program.with_values(self._held(structure))
        if self.one_of:
            some = {columns[server]: -1.0 for server in self.one_of if server in columns}
            program = program.with_row_at_most(some, -1.0)
        return replace(structure, program=program)

    def _held(self, structure: Structure) -> dict[Any, float]:
        counts = dict.fromkeys(structure.problem.x, 0)
        for entry in self.fleet or ():
            if entry.server not in counts:
                message = f"{entry.server} is not among the servers that the scenario allows"
                raise ScenarioError([Problem("fleet", message)])
            counts[entry.server] += entry.count
        return {structure.problem.x[server]: float(n) for server, n in counts.items()}


FREE = FleetRule()
"""No rule: whatever serves best."""
