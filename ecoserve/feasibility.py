"""A fleet within every cap and every site's limits, for a search to begin at.

Rounding a relaxation up soon breaks such limits, and a search without any answer proves little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ecoserve.errors import SolverError
from ecoserve.infeasible import ROOM, cap_missed, fits, fitted, limit_groups
from ecoserve.pricing import Account, Coefficients, account_value, objective_terms
from ecoserve.relaxation import Relaxation
from ecoserve.search import GAP, NODES, Search
from ecoserve.solver import Limits, Solution, Start

CAP_TOLERANCE = 1e-9
"""Of a cap, by which rounding may miss it."""
ROOM_PRICE = 10.0
"""Of the relaxed objective, for missing a site's limit by as much as the limit."""
ROOM_NODES = 60
"""Least search for a fleet within the room of every site."""


def within_caps(
    search: Search, account: Account, least: Callable[[Search, str], Solution]
) -> Start | None:
    """A fleet within every cap of the account; None where no fleet keeps the other limits.

    Found by looking for the least of each capped account in turn, within the caps before it;
    ``least`` finds the first. Raises :class:`~ecoserve.errors.InfeasibleError` with the least there
    is.
    """
    kept: list[tuple[Coefficients, float]] = []
    first: Start | None = None
    alone = replace(search, caps={}, watch=search.watch.silent)
    for name, most in search.caps.items():
        if first is None:  # the plan without the cap, so that its own value is never refused
            found = least(alone, name)
        else:
            goal = objective_terms(search.structure.problem, account, {name: 1.0})
            program = alone.priced(goal, account, kept)
            limits = Limits(gap=GAP[search.effort], nodes=max(1, NODES[search.effort]))
            found = alone.solve(program, f"{search.key} least {name}", limits, first)
        if not found.is_feasible:
            return None
        lowest = account_value(account, {name: 1.0}, found.values)
        if lowest > most * (1.0 + CAP_TOLERANCE):
            if search.effort == "quick" and found.bound <= most:  # a hasty answer proves nothing
                return within_caps(replace(search, effort="interactive"), account, least)
            raise cap_missed(name, most, lowest, found.bound)
        kept.append((account[name], most))
        first = Start(values=found.values, is_hurried=found.is_hurried)
    return first


def within_room(
    search: Search, goal: Coefficients, account: Account, limits: Limits
) -> Start | None:
    """A fleet within the power and space of every site; None where no site limits any.

    Missing a limit is allowed, but dear, so that the search has answers to begin with. Raises what
    :func:`~ecoserve.infeasible.fitted` does where that is not enough.
    """
    if not limit_groups(search.structure.program, ROOM):
        return None
    program = search.priced(goal, account)
    groups = limit_groups(program, ROOM)
    search = replace(search, watch=search.watch.silent)
    try:
        scale = abs(Relaxation(program.loosened(groups, 0.0)).solve().objective)
    except SolverError:  # other limits are missed too: the search will prove it
        return None
    loose = program.loosened(groups, ROOM_PRICE * max(scale, 1.0))
    for nodes in (0, max(limits.nodes or 0, ROOM_NODES)):
        found, _ = search.climb(loose, replace(limits, nodes=nodes), None)
        if found.values and fits(found.values, program):
            return Start(values=found.values, is_hurried=found.is_hurried)
    found = fitted(program, search.terms, found.values)
    return Start(values=found.values, is_hurried=found.is_hurried)
