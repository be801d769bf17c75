"""Rows that follow from whole servers: mixed-integer rounding of surrogate capacity rows.

Small fleets are where relaxations lie: 2.2 servers cost 2.2 times one. Minimising a weight on the
servers alone gives, by linear duality, one row ``sum v_s x_s >= R`` that every fleet keeps: v_s is
what a server's accelerators are worth to this traffic, R all it needs. Divided by d and rounded,

    sum (floor(v_s/d) + min(1, frac(v_s/d) / frac(R/d))) x_s >= ceil(R/d)

holds for whole x too (Nemhauser and Wolsey 1990) and cuts the fraction off. No row depends on
prices, so that one set serves every slider.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import highspy
import numpy as np
from numpy.typing import NDArray

from ecoserve.answer import Limits
from ecoserve.highs import model_of, new_highs
from ecoserve.program import Counted, Cut, Program

Array = NDArray[np.float64]
ROUNDS = 3
CUTS_PER_ROUND = 2
DIVISORS = (1.0, 2.0, 3.0)
"""A server's value is divided by these to get the d that are tried."""
LEAST_FRACTION = 1e-3
"""Rounding up less than this cuts nothing worth the numerical risk."""
LEAST_VIOLATION = 1e-4
SAFETY = 1e-7
"""By which the right-hand side stays below what was computed."""


def rounding_cuts(program: Program, counted: Sequence[Counted]) -> list[Cut]:
    """Cuts for each set of counted columns, most violated first, a few rounds of each.

    Where a relaxation without prices has no optimum there are no cuts to be had.
    """
    highs = new_highs(Limits())
    highs.passModel(model_of(program, relaxed=True))
    cuts: list[Cut] = []
    for one in counted:
        for _ in range(ROUNDS):
            found = _round(highs, len(program.names), one)
            if not found:
                break
            for cut in found:
                highs.addRow(cut.at_least, math.inf, len(cut.places), cut.places, cut.values)
            cuts += found
    return cuts


def _round(highs: highspy.Highs, n_columns: int, counted: Counted) -> list[Cut]:
    """The most violated cuts of the surrogate at the least weight."""
    cost = np.zeros(n_columns)
    cost[counted.places] = counted.weights
    highs.changeColsCost(n_columns, np.arange(n_columns, dtype=np.int32), cost)
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return []
    solution = highs.getSolution()
    point = np.asarray(solution.col_value)[counted.places]
    reduced = np.asarray(solution.col_dual)[counted.places]
    least = highs.getInfo().objective_function_value
    value, need = counted.weights - reduced, least - float(reduced @ point) - SAFETY
    divisors = {
        float(value[s] / part)
        for s in np.flatnonzero((point > LEAST_VIOLATION) & (value > SAFETY))
        for part in DIVISORS
    }
    ranked = []
    for divisor in sorted(divisors):
        rounded = rounded_up(value, need, divisor)
        if rounded is None:
            continue
        values, at_least = rounded
        violation = (at_least - float(values @ point)) / max(1.0, float(np.linalg.norm(values)))
        if violation > LEAST_VIOLATION:
            ranked.append((-violation, divisor, values, at_least))
    ranked.sort(key=lambda item: item[:2])
    return [
        Cut(places=counted.places, values=values, at_least=at_least)
        for _, _, values, at_least in ranked[:CUTS_PER_ROUND]
    ]


def rounded_up(value: Array, need: float, divisor: float) -> tuple[Array, float] | None:
    """Mixed-integer rounding of ``value @ x >= need``, x whole and >= 0; None if all is whole.

    >>> rounded_up(np.array([1.0, 0.1, 0.5]), 2.2, 1.0)
    (array([1. , 0.5, 1. ]), 3.0)
    """
    share, rhs = value / divisor, need / divisor
    part = rhs - math.floor(rhs)
    if part < LEAST_FRACTION:
        return None
    whole = np.floor(share + SAFETY)
    rest = np.maximum(share - whole, 0.0)
    return whole + np.minimum(1.0, rest / part), float(math.ceil(rhs))
