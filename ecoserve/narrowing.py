"""Kinds of server too dear to be worth a look: one of them costs more than a good answer does.

A small service runs on one or two small servers, yet its program knows every large one. With p the
price of a server that is there (x) or on in a part of the day (on), any answer that uses kind s
costs at least

    p_x(s) + min_k ( p_on(s,k) + sum over the other parts l of min_t p_on(t,l) )

since a server that is never on is not worth having and, with online traffic, one is always on. A
program without the kinds that cost more than some objective has the same answers below it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecoserve.formulation import Column, FleetProblem
from ecoserve.pricing import Account
from ecoserve.terms import FleetTerms

Array = NDArray[np.float64]
NEAR = 0.03
"""How far above a known answer those of its like questions mostly are; what costs more is left."""
WORTH_IT = 0.5
"""Programs are made anew where at most this share of the kinds is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrow:
    """The kinds to keep, and the objective up to which no answer needs another."""

    kinds: frozenset[str]
    up_to: float


def narrow(
    problem: FleetProblem,
    terms: FleetTerms,
    account: Account,
    weights: Mapping[str, float],
    known: float,
) -> Narrow | None:
    """The kinds that answers near the ``known`` objective may have; None where it is most of them.

    The objective is the weighted account without tie-break prices. Kinds that are owned or of which
    some are asked for are there whatever they cost.
    """

    def price(column: Column) -> float:
        return sum(weight * account[name].get(column, 0.0) for name, weight in weights.items())

    up_to = known * (1.0 + NEAR)
    asked = {limit.server_id for limit in terms.limits if limit.at_least}
    kinds = frozenset(
        kind.id
        for kind, least in zip(terms.servers, _least_prices(problem, terms, price), strict=True)
        if least <= up_to or kind.is_owned or kind.server_id in asked
    )
    if not 0 < len(kinds) <= WORTH_IT * len(terms.servers):
        return None
    return Narrow(kinds=kinds, up_to=up_to)


def _least_prices(
    problem: FleetProblem, terms: FleetTerms, price: Callable[[Column], float]
) -> Array:
    """The least that an answer with one of each kind costs."""
    there = np.array([price(problem.x[kind.id]) for kind in terms.servers])
    if not terms.parks:
        return there
    parts = range(len(terms.periods))
    on = np.array([[price(problem.on[kind.id, k]) for k in parts] for kind in terms.servers])
    always = any(demand.is_online for demand in terms.demands)
    others = on.min(axis=0) if always else np.zeros(len(parts))
    return np.asarray(there + (on - others).min(axis=1) + others.sum())
