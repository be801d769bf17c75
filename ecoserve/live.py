"""A HiGHS relaxation that stays alive, and the best answer found on it so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from ecoserve.answer import Limits, Progress, Solution, Start, Termination, Watch, relative_gap
from ecoserve.errors import SolverError
from ecoserve.gains import branching_units
from ecoserve.highs import SIMPLEX_ITERATIONS, expect_ok, model_of, new_highs
from ecoserve.program import Program

Array = NDArray[np.float64]
STEPS_PER_ROW = 20
"""Simplex steps a relaxation of many rows may take from scratch."""
LEAST_PATIENCE = 1000
"""Simplex steps any re-solve may take; one that needs more mostly runs in circles."""
INTEGRALITY = 1e-6
"""How far from a whole number a value may be and still count as one."""
NOTHING_BETTER = (
    highspy.HighsModelStatus.kInfeasible,
    highspy.HighsModelStatus.kObjectiveBound,
)
_SETTLED = (highspy.HighsModelStatus.kOptimal, *NOTHING_BETTER)


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


class LiveProgram:
    """A program whose whole columns are bounded, re-solved and held to whole numbers in turn.

    ``levels`` as in :class:`~ecoserve.branching.BranchAndBound`.
    """

    def __init__(self, program: Program, levels: Sequence[Sequence[Any]]) -> None:
        units = branching_units(program, levels)
        sums = [group for _, group in units if len(group) > 1]
        self._program = program.with_sums(sums)
        self._n_given = len(program.names)
        last = iter(range(self._n_given, self._n_given + len(sums)))
        places = [group[0] if len(group) == 1 else next(last) for _, group in units]
        self._whole = np.array(places, dtype=np.int32)
        self._level = np.array([level for level, _ in units])
        self._is_sum = self._whole >= self._n_given
        at = {int(place): i for i, place in enumerate(self._whole)}
        self._members = {
            i: [at[m] for m in group] for i, (_, group) in enumerate(units) if len(group) > 1
        }
        self._highs = new_highs(Limits())
        expect_ok(self._highs.passModel(model_of(self._program, relaxed=True)), "the program")
        self._most_steps = max(SIMPLEX_ITERATIONS, STEPS_PER_ROW * len(program.row_lower))
        self._patience = self._most_steps
        """Simplex steps of a re-solve before it starts afresh: as many as the first one took."""
        self._nodes = 0
        self._best: dict[str, float] = {}
        self._gap = 0.0
        """Asked for."""
        self._watch = Watch()
        self.objective = math.inf
        self.bound = -math.inf

    @property
    def nodes(self) -> int:
        """Relaxations solved so far, trials not counted."""
        return self._nodes

    def _is_far(self, least: float) -> bool:
        return relative_gap(self.objective, self.bound) > max(self._gap, least)

    def _tell(self, *, is_better: bool) -> None:
        best = self._result(Termination.OTHER)
        self._watch.report(Progress(best=best, nodes=self._nodes, is_better=is_better))

    def _root(self) -> Node | None:
        lower, upper = self._program.lower[self._whole], self._program.upper[self._whole]
        try:
            root = self._node(lower, upper, math.inf)
        except NumericalTroubleError as trouble:
            raise SolverError("a relaxation gave no answer", "numerical trouble") from trouble
        iterations = self._highs.getInfo().simplex_iteration_count
        self._patience = max(iterations, LEAST_PATIENCE)
        # With perturbed costs HiGHS would not stop at a bound on the objective.
        self._highs.setOptionValue("dual_simplex_cost_perturbation_multiplier", 0.0)
        return root

    def _attempt(self, lower: Array, upper: Array) -> Node | None:
        """The relaxation within these bounds; None where nothing better can be or is found."""
        try:
            return self._node(lower, upper, self.objective)
        except NumericalTroubleError:
            return None

    def _node(self, lower: Array, upper: Array, at_most: float) -> Node | None:
        """The relaxation within these bounds, or None where there is none up to ``at_most``."""
        self._nodes += 1
        status = self._relax(lower, upper, at_most)
        if status in NOTHING_BETTER:
            return None
        if status != highspy.HighsModelStatus.kOptimal:
            raise NumericalTroubleError
        values = np.asarray(self._highs.getSolution().col_value)
        bound = self._highs.getInfo().objective_function_value
        basis = self._highs.getBasis()
        return Node(bound, self._nodes, lower, upper, values[self._whole], basis)

    def _relax(self, lower: Array, upper: Array, at_most: float) -> highspy.HighsModelStatus:
        """Solves from the last basis; where that stalls, once more from scratch."""
        self._highs.changeColsBounds(len(self._whole), self._whole, lower, upper)
        self._highs.setOptionValue("objective_bound", at_most)
        self._run_within(self._patience)
        if self._highs.getModelStatus() in _SETTLED:
            return self._highs.getModelStatus()
        self._highs.clearSolver()
        self._run_within(self._most_steps)
        return self._highs.getModelStatus()

    def _run_within(self, iterations: int) -> None:
        self._highs.setOptionValue("simplex_iteration_limit", iterations)
        self._highs.run()

    def _keep(self, point: Array) -> bool:
        """Fixes the whole columns at these values and keeps the answer if it is the best.

        False where numerical trouble hides what it is worth.
        """
        whole = np.round(point)
        for place, members in self._members.items():
            whole[place] = whole[members].sum()
        try:
            fixed = self._node(whole, whole, self.objective)
        except NumericalTroubleError:
            return False
        if fixed is not None and fixed.bound < self.objective:
            self.objective = fixed.bound
            values = self._highs.getSolution().col_value[: self._n_given]
            self._best = dict(zip(self._program.names[: self._n_given], values, strict=True))
            self._tell(is_better=True)
        return True

    def _try_start(self, start: Start, root: Node) -> None:
        names = self._program.names
        point = np.array([start.values.get(names[i], 0.0) for i in self._whole])
        self._keep(np.clip(point, root.lower, root.upper))

    def _result(self, termination: Termination) -> Solution:
        return Solution(
            termination=termination, values=self._best, objective=self.objective, bound=self.bound
        )
