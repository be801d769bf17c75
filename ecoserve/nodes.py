"""Relaxations of a branch and bound: one HiGHS model kept alive, re-solved within other bounds.

Knows no domain words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import highspy
import numpy as np
from numpy.typing import NDArray

from ecoserve.answer import Limits
from ecoserve.highs import SIMPLEX_ITERATIONS, expect_ok, model_of, new_highs
from ecoserve.program import Program

Array = NDArray[np.float64]
TRIAL_ITERATIONS = 50
"""Simplex steps of a trial: what is left to gain after them rarely changes the order."""
STEPS_PER_ROW = 20
"""Simplex steps a relaxation of many rows may take from scratch."""
LEAST_PATIENCE = 1000
"""Simplex steps any re-solve may take; one that needs more mostly runs in circles."""


@dataclass(order=True, slots=True)
class Node:
    """An open part of the search: bounds of the whole columns and the relaxation there."""

    bound: float
    serial: int
    lower: Array = field(compare=False)
    upper: Array = field(compare=False)
    point: Array = field(compare=False)
    """The relaxation's values of the whole columns."""
    basis: highspy.HighsBasis = field(compare=False)
    """Where its children start from."""
    is_solved: bool = field(default=True, compare=False)
    """False where numerical trouble left the relaxation open: bound and point are the parent's."""

    def halves(self, column: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """(lower, upper) below and above the column's fractional value."""
        down, up = self.upper.copy(), self.lower.copy()
        down[column], up[column] = math.floor(self.point[column]), math.ceil(self.point[column])
        return (self.lower, down), (up, self.upper)


class NumericalTroubleError(Exception):
    """HiGHS solved a relaxation neither from the last basis nor from scratch."""


class Nodes:
    """The relaxation of a program within ever other bounds of its ``whole`` columns."""

    def __init__(self, program: Program, whole: NDArray[np.int32], n_rows: int) -> None:
        """``n_rows`` are those of the program that was given, sums aside."""
        self._whole = whole
        self._highs = new_highs(Limits())
        expect_ok(self._highs.passModel(model_of(program, relaxed=True)), "the program")
        self._most_steps = max(SIMPLEX_ITERATIONS, STEPS_PER_ROW * n_rows)
        self._patience = self._most_steps
        """Simplex steps of a re-solve before it starts afresh: as many as the first one took."""
        self.count = 0
        """Relaxations solved so far, trials not counted."""

    def begin_at(self, basis: highspy.HighsBasis) -> None:
        """Where the next relaxation starts from."""
        self._highs.setBasis(basis)

    def root(self, lower: Array, upper: Array) -> Node | None:
        """The first relaxation, or None where there is none; raises as :meth:`solve` does."""
        root = self.solve(lower, upper, math.inf)
        iterations = self._highs.getInfo().simplex_iteration_count
        self._patience = max(iterations, LEAST_PATIENCE)
        # With perturbed costs HiGHS would not stop at a bound on the objective.
        self._highs.setOptionValue("dual_simplex_cost_perturbation_multiplier", 0.0)
        return root

    def solve(self, lower: Array, upper: Array, at_most: float) -> Node | None:
        """The relaxation within these bounds, or None where there is none up to ``at_most``.

        Raises :class:`NumericalTroubleError`.
        """
        self.count += 1
        status = self._relax(lower, upper, at_most)
        if status in _NOTHING_BETTER:
            return None
        if status != highspy.HighsModelStatus.kOptimal:
            raise NumericalTroubleError
        values = np.asarray(self._highs.getSolution().col_value)
        bound = self._highs.getInfo().objective_function_value
        basis = self._highs.getBasis()
        return Node(bound, self.count, lower, upper, values[self._whole], basis)

    @property
    def stopped_at_most(self) -> bool:
        """Whether the last one only showed that there is nothing up to its ``at_most``."""
        return bool(self._highs.getModelStatus() == highspy.HighsModelStatus.kObjectiveBound)

    @property
    def values(self) -> list[float]:
        """Of the last one, by column."""
        return list(self._highs.getSolution().col_value)

    @property
    def reduced_prices(self) -> Array:
        """Of the last one, by whole column."""
        return np.asarray(self._highs.getSolution().col_dual)[self._whole]

    def trial(self, lower: Array, upper: Array, at_most: float) -> float | None:
        """The objective after a few simplex steps; None where nothing is up to ``at_most``."""
        self._bound(lower, upper, at_most)
        self._run_within(TRIAL_ITERATIONS)
        if self._highs.getModelStatus() in _NOTHING_BETTER:
            return None
        return float(self._highs.getInfo().objective_function_value)

    def _relax(self, lower: Array, upper: Array, at_most: float) -> highspy.HighsModelStatus:
        """Solves from the last basis; where that stalls, once more from scratch."""
        self._bound(lower, upper, at_most)
        self._run_within(self._patience)
        if self._highs.getModelStatus() in _SETTLED:
            return self._highs.getModelStatus()
        self._highs.clearSolver()
        self._run_within(self._most_steps)
        return self._highs.getModelStatus()

    def _bound(self, lower: Array, upper: Array, at_most: float) -> None:
        self._highs.changeColsBounds(len(self._whole), self._whole, lower, upper)
        self._highs.setOptionValue("objective_bound", at_most)

    def _run_within(self, iterations: int) -> None:
        self._highs.setOptionValue("simplex_iteration_limit", iterations)
        self._highs.run()


_NOTHING_BETTER = (
    highspy.HighsModelStatus.kInfeasible,
    highspy.HighsModelStatus.kObjectiveBound,
)
_SETTLED = (highspy.HighsModelStatus.kOptimal, *_NOTHING_BETTER)
