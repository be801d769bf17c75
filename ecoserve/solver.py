"""Solves integer programs and says what the answer is worth. Knows no domain words.

Programs are built in PuLP, read once into a :class:`Program` and handed to HiGHS as one sparse
matrix in one call. :class:`BranchAndBound` keeps that HiGHS model alive and re-solves its
relaxation from the parent's basis, which on programs with few whole columns among many continuous
ones proves small gaps in a handful of re-solves; :func:`solve` is HiGHS's own integer solver, for
the last tenths of a percent. One thread, a fixed seed, stops by gap and node count: the same
program gives the same answer.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from ecoserve.errors import SolverError
from ecoserve.program import Program

Array = NDArray[np.float64]
SIMPLEX_ITERATIONS = 20_000
"""After so many a re-solve counts as stalled and starts afresh; ten times what is usual."""
NEIGHBOURS = 3
"""Unused columns that stay open beside the used ones when an answer is polished."""
POLISH_NODES = 10
NODES_BETWEEN_LOOKS = 12
"""How often the search looks for an answer near where it is."""
INTEGRALITY = 1e-6
"""How far from a whole number a value may be and still count as one."""


class Termination(Enum):
    """Why the solver stopped."""

    GAP_REACHED = "gap_reached"
    INFEASIBLE = "infeasible"
    NODE_LIMIT = "node_limit"
    TIME_LIMIT = "time_limit"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Values by column name, the objective and the proven bound below it."""

    termination: Termination
    values: Mapping[str, float]
    objective: float
    bound: float
    own_gap: float = 0.0
    """Gap of an earlier stage that this one was capped by; 0 where there was none."""

    @property
    def is_feasible(self) -> bool:
        """Whether there is an answer at all."""
        return bool(self.values)

    @property
    def gap(self) -> float:
        """(objective - bound) / |objective|."""
        return relative_gap(self.objective, self.bound)

    def __getitem__(self, column: Any) -> float:
        return self.values.get(column.name, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When to stop: at this gap, after so many nodes, after so many seconds."""

    gap: float = 1e-6
    nodes: int | None = None
    time_s: float | None = None


def relative_gap(objective: float, bound: float) -> float:
    """How far above a proven bound an objective is, as a fraction of itself; never negative.

    >>> round(relative_gap(100.0, 99.0), 12)
    0.01
    """
    if not math.isfinite(objective) or not math.isfinite(bound):
        return math.inf
    return max(0.0, objective - bound) / max(abs(objective), 1e-12)


def solve(
    program: Program, limits: Limits | None = None, start: Mapping[str, float] | None = None
) -> Solution:
    """HiGHS's own integer solver, with a feasible point to ``start`` from if there is one.

    Raises :class:`SolverError` when it gives neither an answer nor a proof that there is none.
    """
    highs = new_highs(limits or Limits())
    expect_ok(highs.passModel(program.model(relaxed=False)), "the program")
    if start is not None:
        point = highspy.HighsSolution()
        point.col_value = [start.get(name, 0.0) for name in program.names]
        highs.setSolution(point)
    highs.run()
    solution = _read(highs, program.names)
    if solution.termination is Termination.OTHER:
        status = highs.modelStatusToString(highs.getModelStatus())
        raise SolverError("the solver gave no answer", status)
    return solution


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a search may begin: values of a likely answer and the basis of a like relaxation."""

    values: Mapping[str, float]
    basis: highspy.HighsBasis | None = None


@dataclass(order=True, slots=True)
class _Node:
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


class _NumericalTroubleError(Exception):
    """HiGHS solved a relaxation neither from the last basis nor from scratch."""


class BranchAndBound:
    """Best-first search over the whole columns of a program, level by level.

    ``levels`` lists the whole columns, most decisive first: a column of a later level is branched
    on only where all earlier ones are whole. ``weights`` says how much a unit of a column matters,
    1 where it is silent; of two equally fractional columns the weightier is branched on.
    """

    def __init__(
        self,
        program: Program,
        levels: Sequence[Sequence[Any]],
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self._matrix = program
        known = [[c for c in level if c.name in program.index] for level in levels]
        self._highs = new_highs(Limits())
        expect_ok(self._highs.passModel(self._matrix.model(relaxed=True)), "the program")
        self._whole = np.array(
            [self._matrix.index[column.name] for level in known for column in level],
            dtype=np.int32,
        )
        self._level = np.repeat(np.arange(len(known)), [len(level) for level in known])
        given = weights or {}
        self._weight = np.array([given.get(self._matrix.names[i], 1.0) for i in self._whole])
        self._nodes = 0
        self._best: dict[str, float] = {}
        self._gap = 0.0
        self._looked: set[tuple[tuple[float, ...], ...]] = set()
        self.objective = math.inf
        self.bound = -math.inf
        self.basis: highspy.HighsBasis | None = None
        """Of the relaxation, for a later :class:`Start`."""

    @property
    def nodes(self) -> int:
        """Relaxations solved so far."""
        return self._nodes

    def run(self, limits: Limits, start: Start | None = None) -> Solution:
        """Searches until the gap or the node limit; without a node limit until the gap.

        ``limits.nodes`` of 0 stops at the first answer: the ``start`` where it is feasible, else
        relaxation, rounding and a search of the neighbourhood.
        """
        if start is not None and start.basis is not None:
            self._highs.setBasis(start.basis)
        root = self._root()
        if root is None:
            return self._result(Termination.INFEASIBLE)
        self.bound, self.basis, self._gap = root.bound, root.basis, limits.gap
        if start is not None:
            self._try_start(start, root)
        if limits.nodes != 0 or not self._best:
            self._first_answers(root)
        return self._result(self._search(root, limits))

    def _first_answers(self, root: _Node) -> None:
        self._highs.setBasis(root.basis)
        self._repair(root)
        self._highs.setBasis(root.basis)
        self._look_elsewhere([root])

    def _search(self, root: _Node, limits: Limits) -> Termination:
        heap = [root]
        next_look = self._nodes + NODES_BETWEEN_LOOKS
        while heap:
            node = heapq.heappop(heap)
            self.bound = max(self.bound, min(node.bound, self.objective))
            if relative_gap(self.objective, self.bound) <= limits.gap:
                return Termination.GAP_REACHED
            spent = limits.nodes is not None and self._nodes >= limits.nodes
            if self._best and (spent or not node.is_solved):
                return Termination.NODE_LIMIT
            if not node.is_solved:
                raise SolverError("a relaxation gave no answer", "numerical trouble")
            column = self._column_to_branch_on(node.point)
            if column is None:
                self._keep(node.point)
                continue
            if self._nodes >= next_look:
                self._look_elsewhere([node, *heap])
                next_look = self._nodes + NODES_BETWEEN_LOOKS
            for child in self._children(node, column):
                heapq.heappush(heap, child)
        if not self._best:
            return Termination.INFEASIBLE
        self.bound = self.objective
        return Termination.GAP_REACHED

    def _root(self) -> _Node | None:
        lower = np.array([self._matrix.lower[i] for i in self._whole])
        upper = np.array([self._matrix.upper[i] for i in self._whole])
        try:
            return self._node(lower, upper)
        except _NumericalTroubleError as trouble:
            raise SolverError("a relaxation gave no answer", "numerical trouble") from trouble

    def _attempt(self, lower: Array, upper: Array) -> _Node | None:
        """The relaxation within these bounds; None where nothing better can be or is found."""
        try:
            return self._node(lower, upper)
        except _NumericalTroubleError:
            return None

    def _node(self, lower: Array, upper: Array) -> _Node | None:
        """The relaxation within these bounds, or None where nothing better can be."""
        self._highs.changeColsBounds(len(self._whole), self._whole, lower, upper)
        self._highs.setOptionValue("objective_bound", self.objective)
        self._nodes += 1
        status = self._relax()
        if status in _NOTHING_BETTER:
            return None
        if status != highspy.HighsModelStatus.kOptimal:
            raise _NumericalTroubleError
        values = np.asarray(self._highs.getSolution().col_value)
        bound = self._highs.getInfo().objective_function_value
        basis = self._highs.getBasis()
        return _Node(bound, self._nodes, lower, upper, values[self._whole], basis)

    def _relax(self) -> highspy.HighsModelStatus:
        """Solves from the last basis; where that stalls, once more from scratch."""
        self._highs.run()
        if self._highs.getModelStatus() in _SETTLED:
            return self._highs.getModelStatus()
        self._highs.clearSolver()
        self._highs.run()
        return self._highs.getModelStatus()

    def _children(self, node: _Node, column: int) -> list[_Node]:
        value = node.point[column]
        down, up = node.upper.copy(), node.lower.copy()
        down[column], up[column] = math.floor(value), math.ceil(value)
        found = []
        for lower, upper in ((node.lower, down), (up, node.upper)):
            self._highs.setBasis(node.basis)
            try:
                found.append(self._node(lower, upper))
            except _NumericalTroubleError:
                open_still = replace(node, serial=self._nodes, lower=lower, upper=upper)
                found.append(replace(open_still, is_solved=False))
        return [child for child in found if child is not None and child.bound < self.objective]

    def _column_to_branch_on(self, point: Array) -> int | None:
        """The most fractional column, by weight, of the first level that has one."""
        distance = np.abs(point - np.round(point))
        fractional = distance > INTEGRALITY
        if not fractional.any():
            return None
        first = self._level[fractional].min()
        here = fractional & (self._level == first)
        return int(np.argmax(np.where(here, distance * self._weight, -1.0)))

    def _repair(self, node: _Node) -> None:
        """Rounds everything up, last level first: an answer wherever more of all is allowed."""
        current: _Node | None = node
        for level in range(int(self._level.max()), -1, -1):
            if current is None:
                return
            up = np.minimum(np.ceil(current.point - INTEGRALITY), current.upper)
            here = self._level == level
            lower = np.where(here, up, current.lower)
            current = self._attempt(lower, np.where(here, up, current.upper))
        if current is not None:
            self._keep(current.point)

    def _look_elsewhere(self, nodes: Sequence[_Node]) -> None:
        """Polishes the best open node around whose first level nobody has looked yet."""
        for node in sorted(nodes):
            around = self._first_level_box(node.point)
            if around not in self._looked:
                self._looked.add(around)
                self._polish(node)
                return

    def _first_level_box(self, point: Array) -> tuple[tuple[float, ...], ...]:
        first = point[self._level == 0]
        return tuple(np.floor(first + INTEGRALITY)), tuple(np.ceil(first - INTEGRALITY))

    def _polish(self, node: _Node) -> None:
        """HiGHS's integer solver near a relaxation, the rest closed.

        The first level may go to the whole numbers on either side; of the others stay open those in
        use and the ``NEIGHBOURS`` cheapest to bring in.
        """
        fixed = self._attempt(node.lower, node.upper)
        if fixed is None:
            return
        reduced = np.asarray(self._highs.getSolution().col_dual)[self._whole]
        used = fixed.point > INTEGRALITY
        rank = np.argsort(np.where(used | (self._level == 0), np.inf, np.abs(reduced)))
        open_ = used.copy()
        open_[rank[:NEIGHBOURS]] = True
        first = self._level == 0
        down, up = np.floor(fixed.point + INTEGRALITY), np.ceil(fixed.point - INTEGRALITY)
        lower = np.where(first, np.maximum(down, node.lower), node.lower)
        upper = np.where(first, np.minimum(up, node.upper), np.where(open_, node.upper, 0.0))
        self._sub_mip(lower, upper)

    def _sub_mip(self, lower: Array, upper: Array) -> None:
        model = self._matrix.model(relaxed=False)
        col_lower, col_upper = self._matrix.lower.copy(), self._matrix.upper.copy()
        col_lower[self._whole], col_upper[self._whole] = lower, upper
        model.col_lower_, model.col_upper_ = col_lower, col_upper
        highs = new_highs(Limits(gap=self._gap / 2, nodes=POLISH_NODES))
        for option in ("mip_heuristic_run_rins", "mip_heuristic_run_rens", "mip_allow_restart"):
            highs.setOptionValue(option, False)  # they take longer than so small a search saves
        highs.setOptionValue("objective_bound", self.objective)
        highs.setOptionValue("objective_target", self.bound / (1.0 - self._gap))
        expect_ok(highs.passModel(model), "the program")
        highs.run()
        found = _read(highs, self._matrix.names)
        if found.is_feasible:
            names = self._matrix.names
            point = np.array([found.values[names[i]] for i in self._whole])
            self._keep(point)

    def _keep(self, point: Array) -> None:
        """Fixes the whole columns at these values and keeps the answer if it is the best."""
        whole = np.round(point)
        fixed = self._attempt(whole, whole)
        if fixed is not None and fixed.bound < self.objective:
            self.objective = fixed.bound
            values = self._highs.getSolution().col_value
            self._best = dict(zip(self._matrix.names, values, strict=True))

    def _try_start(self, start: Start, root: _Node) -> None:
        names = self._matrix.names
        point = np.array([start.values.get(names[i], 0.0) for i in self._whole])
        self._keep(np.clip(point, root.lower, root.upper))

    def _result(self, termination: Termination) -> Solution:
        return Solution(
            termination=termination,
            values=dict(self._best),
            objective=self.objective,
            bound=self.bound,
        )


def new_highs(limits: Limits) -> highspy.Highs:
    """A silent solver with one thread and a fixed seed."""
    highs = highspy.Highs()
    options: dict[str, Any] = {
        "output_flag": False,
        "threads": 1,
        "random_seed": 0,
        "mip_rel_gap": limits.gap,
        "simplex_iteration_limit": SIMPLEX_ITERATIONS,
    }
    if limits.nodes is not None:
        options["mip_max_nodes"] = limits.nodes
    if limits.time_s is not None:
        options["time_limit"] = limits.time_s
    for name, value in options.items():
        expect_ok(highs.setOptionValue(name, value), name)
    return highs


def expect_ok(status: highspy.HighsStatus, what: str) -> None:
    """Raises :class:`SolverError` where HiGHS took something as wrong."""
    if status == highspy.HighsStatus.kError:
        raise SolverError(f"the solver refused {what}", "error")


_NOTHING_BETTER = (
    highspy.HighsModelStatus.kInfeasible,
    highspy.HighsModelStatus.kObjectiveBound,
)
_SETTLED = (highspy.HighsModelStatus.kOptimal, *_NOTHING_BETTER)

_TERMINATIONS = {
    highspy.HighsModelStatus.kOptimal: Termination.GAP_REACHED,
    highspy.HighsModelStatus.kInfeasible: Termination.INFEASIBLE,
    highspy.HighsModelStatus.kTimeLimit: Termination.TIME_LIMIT,
    highspy.HighsModelStatus.kSolutionLimit: Termination.NODE_LIMIT,
    highspy.HighsModelStatus.kObjectiveTarget: Termination.NODE_LIMIT,
}


def _read(highs: highspy.Highs, names: Sequence[str]) -> Solution:
    info = highs.getInfo()
    feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    values = highs.getSolution().col_value if feasible else []
    return Solution(
        termination=_TERMINATIONS.get(highs.getModelStatus(), Termination.OTHER),
        values=dict(zip(names, values, strict=True)) if feasible else {},
        objective=info.objective_function_value if feasible else math.inf,
        bound=info.mip_dual_bound,
    )
