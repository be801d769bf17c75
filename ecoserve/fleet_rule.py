"""What a fleet must be beside serving the traffic: exactly given servers, or one of some kinds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ecoserve.errors import Problem, ScenarioError
from ecoserve.formulation import FleetProblem
from ecoserve.plan import FleetEntry
from ecoserve.program import Program
from ecoserve.terms import FleetTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRule:
    """A fleet to hold, or servers of which there must be one; neither by default."""

    fleet: tuple[FleetEntry, ...] | None = None
    """Exactly these servers are bought; what is owned is there anyway, used or not."""
    one_of: tuple[str, ...] = ()
    """At least one of these servers is bought, in any variant at any site."""

    def applied(self, program: Program, problem: FleetProblem, terms: FleetTerms) -> Program:
        """The program under this rule.

        Raises :class:`ScenarioError` for servers that the program does not offer.
        """
        if self.fleet is not None:
            program = program.with_values(self._held(problem, terms))
        if self.one_of:
            some = {
                problem.x[kind.id]: -1.0
                for kind in terms.servers
                if kind.server_id in self.one_of and not kind.is_owned
            }
            program = program.with_row_at_most("one_of", some, -1.0)
        return program

    def _held(self, problem: FleetProblem, terms: FleetTerms) -> dict[Any, float]:
        kinds = {
            (terms.sites[kind.site].name, kind.server_id, kind.variant): kind.id
            for kind in terms.servers
            if not kind.is_owned
        }
        counts = dict.fromkeys(kinds.values(), 0)
        for entry in self.fleet or ():
            if entry.owned:
                continue
            kind_id = kinds.get((entry.site, entry.server, entry.variant))
            if kind_id is None:
                what = f"{entry.server} ({entry.variant}) at {entry.site}"
                message = f"{what} is not among the servers that the scenario allows"
                raise ScenarioError([Problem("fleet", message)])
            counts[kind_id] += entry.count
        return {problem.x[kind_id]: float(n) for kind_id, n in counts.items()}


def servers_of(fleet: tuple[FleetEntry, ...]) -> tuple[FleetEntry, ...]:
    """A fleet without the hours its servers are on: equal for equal servers."""
    return tuple(replace(entry, on_by_hour=()) for entry in fleet)


FREE = FleetRule()
"""No rule: whatever serves best."""
