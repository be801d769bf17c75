"""One structure at one set of prices, and what the solver is asked about it.

The same question is answered from memory. How long to search follows from the effort.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ecoserve.errors import SolverError
from ecoserve.fleet_rule import FREE, FleetRule
from ecoserve.formulation import with_kinds
from ecoserve.plan import Plan
from ecoserve.pricing import Account, Coefficients, dominated_kinds
from ecoserve.program import Program
from ecoserve.solver import Limits, Proof, Solution, Start, Termination, Watch, climb, solve
from ecoserve.structure import Memory, Structure
from ecoserve.terms import FleetTerms

Effort = Literal["quick", "interactive", "report"]
"""quick: relaxation and repair; interactive: to 1 %; report: to 0.1 %."""

GAP: Mapping[Effort, float] = {"quick": 0.01, "interactive": 0.0095, "report": 0.0005}
"""A little less than the 1 % and 0.1 % promised: tie-break prices come off the bound."""
NODES: Mapping[Effort, int] = {"quick": 0, "interactive": 100, "report": 400}
"""Of our own search, which finds good fleets and bounds early."""
PROOF_NODES: Mapping[Effort, int | None] = {"quick": 0, "interactive": 450, "report": None}
"""Of HiGHS's own solver after it, whose cuts close what is left."""
SMALL_PROGRAM = 4000
"""Columns up to which that takes a few seconds."""
PROOF_COLUMNS = 20_000
"""Columns beyond which it takes minutes, and is left to a report."""
MUCH_OPEN = 0.02
"""Gap above which an interactive answer of a program in between is worth it."""
PROOF_TIME_S = 60.0


def is_small(structure: Structure) -> bool:
    """Whether it knows few kinds of server and its program is small: then a search is short."""
    return structure.kinds is not None and len(structure.program.names) <= SMALL_PROGRAM


def effort_for(structure: Structure, asked: Effort) -> Effort:
    """A report's where the search is short: what it finds decides which queues are judged next."""
    return "report" if is_small(structure) else asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Answers for one structure at one set of prices."""

    structure: Structure
    terms: FleetTerms
    effort: Effort
    memory: Memory
    key: str
    caps: Mapping[str, float]
    """Most of the day's account, by its entries' names."""
    rule: FleetRule = FREE
    watch: Watch = field(default_factory=Watch)
    start: Plan | None = None
    """Of a like question."""

    def quick(self) -> Search:
        """The same search for an answer at once."""
        return replace(self, effort="quick")

    def narrowed(self, kinds: frozenset[str]) -> Search:
        """The same search among these kinds of server only."""
        structure = self.structure.narrowed(kinds)
        return replace(
            self,
            structure=structure,
            terms=with_kinds(self.terms, kinds),
            key=f"{self.key} {sorted(kinds)}",
            effort=effort_for(structure, self.effort),
        )

    def priced(
        self,
        goal: Coefficients,
        account: Account,
        rows: Sequence[tuple[Coefficients, float]] = (),
    ) -> Program:
        """The structure's rows at today's prices, with caps on the account.

        Kinds of server that another beats in everything priced are closed, which spares the search
        their twins.
        """
        caps = [*rows, *((account[name], most) for name, most in self.caps.items())]
        problem = self.structure.problem
        priced = [goal, *(terms for terms, _ in caps)]
        closed = dominated_kinds(problem, self.terms, priced)
        structure = self.structure
        base = structure.program if self.effort == "quick" else structure.program_with_cuts()
        program = base.with_objective(goal)
        program = program.with_closed([problem.x[kind] for kind in closed])
        for terms, at_most in caps:
            program = program.with_row_at_most("cap", terms, at_most)
        return self.rule.applied(program, problem, self.terms)

    def solve(
        self, program: Program, key: str, limits: Limits, first: Start | None = None
    ) -> Solution:
        """The same question is answered from memory; only a quick answer starts from a like one."""
        asked = f"{key} {self.effort} {limits} {program.fingerprint()}"
        known = self.memory.answer(asked)
        if known is not None:
            return known
        start = first
        if start is None and self.effort == "quick":
            start = self.memory.start(key)
        found, basis = self.climb(program, limits, start)
        found = replace(found, began_hurried=first is not None and first.is_hurried)
        if found.is_feasible:
            self.memory.keep_start(key, Start(values=found.values, basis=basis))
        stopped = found.is_hurried or found.termination is Termination.CANCELLED
        if self.effort != "quick" and not stopped:
            self.memory.keep_answer(asked, found)
        return found

    def climb(self, program: Program, limits: Limits, start: Start | None) -> tuple[Solution, Any]:
        """The solver's ladder."""
        if self.rule.fleet is not None:
            return self._of_held_fleet(program, limits), None
        return climb(
            program,
            self.structure.problem.levels,
            limits,
            coarse=list(self.structure.problem.on.values()),
            kinds=list(self.structure.problem.alike.values()),
            proof=self._proof(program, limits),
            start=start,
            watch=self.watch,
        )

    def _proof(self, program: Program, limits: Limits) -> Proof | None:
        """When HiGHS's own solver goes on where the tree has stopped, and for how long."""
        if self.effort == "quick":
            return None
        is_report, columns = self.effort == "report", len(program.names)
        if not is_report and columns > PROOF_COLUMNS:
            return None
        above = limits.gap if is_report or columns <= SMALL_PROGRAM else MUCH_OPEN
        nodes = PROOF_NODES[self.effort]
        wanted = Limits(gap=limits.gap, nodes=nodes, time_s=PROOF_TIME_S)
        return Proof(limits=wanted, above=above)

    def _of_held_fleet(self, program: Program, limits: Limits) -> Solution:
        """With the servers given there is little left to round: HiGHS's own solver at once."""
        found = solve(program, Limits(gap=limits.gap, time_s=PROOF_TIME_S))
        if not found.is_feasible and found.termination is Termination.TIME_LIMIT:
            raise SolverError("no plan for these servers was found in time", "time_limit")
        return found
