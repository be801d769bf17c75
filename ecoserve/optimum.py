"""The least of the day's account that a search finds, step by step.

A fleet within the limits to begin at, a quick answer, the answer, and for a baseline then the least
carbon near it. Small services are answered among the few kinds of server that they could pay for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ecoserve.feasibility import within_caps, within_room
from ecoserve.fleet_rule import FREE
from ecoserve.formulation import Column
from ecoserve.narrowing import narrow
from ecoserve.objective import CARBON, OWN_OPTIMUM_SLACK
from ecoserve.plan import Plan
from ecoserve.pricing import (
    Account,
    Coefficients,
    account_value,
    most_tie_break,
    objective_terms,
    price_account,
)
from ecoserve.search import GAP, NODES, Search, is_small
from ecoserve.solver import Limits, Solution, Start
from ecoserve.starting import start_values


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be least in which search; ``staged`` where then the least carbon near it is."""

    search: Search
    account: Account
    weights: Mapping[str, float]
    staged: bool
    key: str

    @property
    def goal(self) -> Coefficients:
        return objective_terms(self.search.structure.problem, self.account, self.weights)

    @property
    def limits(self) -> Limits:
        effort = self.search.effort
        gap, nodes = GAP[effort], NODES[effort]
        if self.staged:
            gap = min(gap, OWN_OPTIMUM_SLACK)
        if self.search.start is not None or self.search.caps:
            nodes = max(1, nodes)  # a start alone is no answer
        return Limits(gap=gap, nodes=nodes)

    def value(self, found: Solution | Start) -> float:
        return account_value(self.account, self.weights, found.values)

    def among(self, kinds: frozenset[str]) -> _Asked:
        search = self.search.narrowed(kinds)
        account = price_account(search.structure.problem, search.terms)
        return replace(self, search=search, account=account, key=f"{self.key} {sorted(kinds)}")


def least(search: Search, weights: Mapping[str, float], *, least_carbon: bool) -> Solution:
    """The least of the weighted account; then, if asked, the least carbon within 0.5 % of it.

    The objective of the answer is the account's own, without the tie-break price.
    """
    account = price_account(search.structure.problem, search.terms)
    staged = least_carbon and weights != CARBON
    asked = _Asked(search, account, weights, staged, f"{search.key} {sorted(weights)}")
    first: Start | None = None
    if search.start is not None:
        first = _from_plan(search.start, asked)
        asked = replace(asked, key=f"{asked.key} from {sorted(first.values.items())}")
    if search.caps:  # another plan may break them; a fleet that keeps them is a better start
        first = within_caps(search, account, _least_of_one)
        if first is None:
            program = search.structure.program.with_objective(asked.goal)
            return search.solve(program, asked.key, asked.limits)
    if not (first and first.values) and search.rule.fleet is None:
        first = within_room(search, asked.goal, account, asked.limits)
    if search.effort == "quick" or is_small(search.structure):
        return _answer(asked, first)
    first = _quick_answer(asked, first)
    return _among_few(asked, first) or _answer(asked, first)


def _from_plan(plan: Plan, asked: _Asked) -> Start:
    search = asked.search
    program = search.quick().priced(asked.goal, asked.account)
    problem = search.structure.problem
    return Start(values=start_values(plan, problem, search.terms, program))


def _least_of_one(search: Search, name: str) -> Solution:
    return least(search, {name: 1.0}, least_carbon=False)


def _quick_answer(asked: _Asked, first: Start | None) -> Start | None:
    """A quick answer to begin with, so that more effort never gives less."""
    quick = asked.search.quick()
    limits = Limits(gap=GAP["quick"], nodes=0 if first is None else 1)
    found, _ = quick.climb(quick.priced(asked.goal, asked.account), limits, first)
    if not found.is_feasible:
        return None
    is_hurried = found.is_hurried or (first is not None and first.is_hurried)
    return Start(values=found.values, is_hurried=is_hurried)


def _among_few(asked: _Asked, first: Start | None) -> Solution | None:
    """The answer among the kinds that one near the ``first`` could pay for.

    None where those are most, or where there is no such answer.
    """
    search = asked.search
    if first is None or search.rule != FREE:
        return None
    parts = (search.structure.problem, search.terms, asked.account, asked.weights)
    few = narrow(*parts, asked.value(first))
    if few is None:
        return None
    found = _answer(asked.among(few.kinds), first)
    if not found.is_feasible or asked.value(found) > few.up_to:
        return None
    return found  # what has another kind is above that value, so above its bound too


def _answer(asked: _Asked, first: Start | None) -> Solution:
    search, weights = asked.search, asked.weights
    program = search.priced(asked.goal, asked.account)
    if asked.staged:  # how far its own optimum is, is not how far the answer is
        search = replace(search, watch=search.watch.silent)
    found = search.solve(program, asked.key, asked.limits, first)
    if not found.is_feasible:
        return found
    if asked.staged:
        found = _least_carbon_near(asked, found)
        weights = CARBON
    value = account_value(asked.account, weights, found.values)
    problem = search.structure.problem
    tie = most_tie_break(problem, search.terms, asked.account, weights, value)
    return replace(found, objective=value, bound=min(found.bound - tie, value))


def _least_carbon_near(asked: _Asked, own: Solution) -> Solution:
    """The least carbon within the slack of a baseline's own optimum."""
    search, account = asked.search, asked.account
    limit = asked.value(own) * (1.0 + OWN_OPTIMUM_SLACK)
    weighted: dict[Column, float] = {}
    for name, weight in asked.weights.items():
        for column, amount in account[name].items():
            weighted[column] = weighted.get(column, 0.0) + weight * amount
    goal = objective_terms(search.structure.problem, account, CARBON)
    capped = search.priced(goal, account, [(weighted, limit)])
    limits = Limits(gap=GAP[search.effort], nodes=NODES[search.effort])
    first = Start(values=own.values, is_hurried=own.is_hurried)
    key = f"{search.key} carbon within {sorted(asked.weights)}"
    found = search.solve(capped, key, limits, first)
    return replace(found, own_gap=own.gap)
