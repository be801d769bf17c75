"""A program's linear relaxation kept alive: prices, limits and values change, the basis stays.

A re-solve after a change of prices or of one limit takes a few simplex steps instead of a solve.
Where HiGHS fails CBC answers, each time from scratch. Knows no domain words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import highspy
import numpy as np
from numpy.typing import NDArray

from ecoserve.answer import Limits
from ecoserve.cbc import relax_with_cbc
from ecoserve.errors import SolverError
from ecoserve.highs import expect_ok, model_of, new_highs
from ecoserve.program import Program

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxed:
    """An optimum of the relaxation; its arrays are made when they are asked for.

    A row's price is what the objective gains per unit of its limit, a column's what it gains per
    unit of the bound that holds it.
    """

    objective: float
    _found: highspy.HighsSolution

    @property
    def values(self) -> Array:
        """By column."""
        return np.asarray(self._found.col_value)

    @property
    def row_values(self) -> Array:
        """What each row adds up to."""
        return np.asarray(self._found.row_value)

    @property
    def row_prices(self) -> Array:
        """By row."""
        return np.asarray(self._found.row_dual)

    @property
    def column_prices(self) -> Array:
        """By column."""
        return np.asarray(self._found.col_dual)


class Relaxation:
    """One HiGHS model of a program without its whole-number conditions."""

    def __init__(self, program: Program) -> None:
        self._program = program
        """As it stands after every change, for CBC."""
        self._highs = new_highs(Limits())
        expect_ok(self._highs.passModel(model_of(program, relaxed=True)), "the program")
        self._all = np.arange(len(program.names), dtype=np.int32)

    def set_prices(self, cost: Array) -> None:
        """Another objective, one price per column."""
        self._program = replace(self._program, cost=cost)
        status = self._highs.changeColsCost(len(cost), self._all, cost)
        expect_ok(status, "prices")

    def set_limit(self, row: int, at_most: float) -> None:
        """Another right-hand side of one row that is ``<=``."""
        self._program = replace(
            self._program, row_upper=_with(self._program.row_upper, row, at_most)
        )
        expect_ok(self._highs.changeRowBounds(row, -highspy.kHighsInf, at_most), "a limit")

    def set_bounds(self, column: int, lower: float, upper: float) -> None:
        """Other bounds of one column."""
        self._program = replace(
            self._program,
            lower=_with(self._program.lower, column, lower),
            upper=_with(self._program.upper, column, upper),
        )
        expect_ok(self._highs.changeColBounds(column, lower, upper), "bounds")

    def solve(self) -> Relaxed:
        """The optimum; raises :class:`SolverError` where there is none."""
        self._highs.run()
        status = self._highs.getModelStatus()
        if status == highspy.HighsModelStatus.kOptimal:
            return Relaxed(
                objective=self._highs.getInfo().objective_function_value,
                _found=self._highs.getSolution(),
            )
        if status in _WITHOUT_OPTIMUM:
            words = self._highs.modelStatusToString(status)
            raise SolverError("the relaxation gave no answer", words)
        return _relaxed_by_cbc(self._program)


_WITHOUT_OPTIMUM = (
    highspy.HighsModelStatus.kInfeasible,
    highspy.HighsModelStatus.kUnbounded,
    highspy.HighsModelStatus.kUnboundedOrInfeasible,
)
"""Where another solver would find none either."""


def _with(values: Array, place: int, value: float) -> Array:
    changed = values.copy()
    changed[place] = value
    return changed


def _relaxed_by_cbc(program: Program) -> Relaxed:
    answer = relax_with_cbc(program)
    found = highspy.HighsSolution()
    found.col_value, found.col_dual = answer.values, answer.column_prices
    found.row_value, found.row_dual = program.row_sums(answer.values), answer.row_prices
    return Relaxed(objective=answer.objective, _found=found)
