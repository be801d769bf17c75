"""The least of the day's account that a search finds, step by step.

A fleet within the limits to begin at, a quick answer, the answer, and for a baseline then the least
carbon near it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ecoserve.feasibility import within_caps, within_room
from ecoserve.objective import CARBON, OWN_OPTIMUM_SLACK
from ecoserve.pricing import (
    Account,
    Coefficients,
    account_value,
    most_tie_break,
    objective_terms,
    price_account,
)
from ecoserve.search import GAP, NODES, Search
from ecoserve.solver import Limits, Solution, Start
from ecoserve.starting import start_values


def least(search: Search, weights: Mapping[str, float], *, least_carbon: bool) -> Solution:
    """The least of the weighted account; then, if asked, the least carbon within 0.5 % of it.

    The objective of the answer is the account's own, without the tie-break price.
    """
    problem, terms = search.structure.problem, search.terms
    account = price_account(problem, terms)
    goal = objective_terms(problem, account, weights)
    program = search.priced(goal, account, [])
    staged = least_carbon and weights != CARBON
    limits, key = _limits(search, staged=staged), f"{search.key} {sorted(weights)}"
    first: Mapping[str, float] | None = None
    if search.start is not None:
        first = start_values(search.start, problem, terms, program)
        key = f"{key} from {sorted(first.items())}"
    if search.caps:  # another plan may break them; a fleet that keeps them is a better start
        first = within_caps(search, account, _least_of_one)
        if not first:
            return search.solve(search.structure.program.with_objective(goal), key, limits)
    if not first and search.rule.fleet is None:
        first = within_room(search, program, limits)
    if search.effort != "quick":
        first = _quick_values(search, goal, account, first)
    found = search.solve(program, key, limits, first)
    if not found.is_feasible:
        return found
    if staged:
        found = _least_carbon_near(search, account, weights, found)
        weights = CARBON
    value = account_value(account, weights, found.values)
    tie = most_tie_break(problem, terms, account, weights, value)
    return replace(found, objective=value, bound=min(found.bound - tie, value))


def _least_of_one(search: Search, name: str) -> Solution:
    return least(search, {name: 1.0}, least_carbon=False)


def _limits(search: Search, *, staged: bool) -> Limits:
    gap, nodes = GAP[search.effort], NODES[search.effort]
    if staged:
        gap = min(gap, OWN_OPTIMUM_SLACK)
    if search.start is not None or search.caps:
        nodes = max(1, nodes)  # a start alone is no answer
    return Limits(gap=gap, nodes=nodes)


def _least_carbon_near(
    search: Search, account: Account, weights: Mapping[str, float], own: Solution
) -> Solution:
    """The least carbon within the slack of a baseline's own optimum."""
    (name,) = weights
    limit = account_value(account, weights, own.values) * (1.0 + OWN_OPTIMUM_SLACK)
    goal = objective_terms(search.structure.problem, account, CARBON)
    capped = search.priced(goal, account, [(account[name], limit)])
    limits = Limits(gap=GAP[search.effort], nodes=NODES[search.effort])
    found = search.solve(capped, f"{search.key} carbon within {name}", limits, own.values)
    return replace(found, own_gap=own.gap)


def _quick_values(
    search: Search, goal: Coefficients, account: Account, first: Mapping[str, float] | None
) -> Mapping[str, float] | None:
    """A quick answer to begin with, so that more effort never gives less."""
    quick = replace(search, effort="quick")
    limits = Limits(gap=GAP["quick"], nodes=0 if first is None else 1)
    start = None if first is None else Start(values=first)
    found, _ = quick.climb(quick.priced(goal, account, []), limits, start)
    return found.values or None
