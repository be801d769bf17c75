"""Best-first branch and bound over a HiGHS relaxation that stays alive. Knows no domain words.

Each node is re-solved from its parent's basis. The search branches on sums of whole columns before
the columns themselves: how much of something there is at all decides more than which of several
much alike columns it is, and leaves fewer ways to say the same. Which column of a level comes first
is learnt: a few are tried out, the others judged by what branching on them has added to the bound.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from ecoserve.answer import Limits, Progress, Solution, Start, Termination, Watch, relative_gap
from ecoserve.errors import SolverError
from ecoserve.gains import Gains, branching_units
from ecoserve.highs import SIMPLEX_ITERATIONS, expect_ok, model_of, new_highs, read, small_search
from ecoserve.program import Program

Array = NDArray[np.float64]
Places = NDArray[np.intp]
NEIGHBOURS = 30
"""Unused columns that stay open beside the used ones when an answer is polished."""
POLISH_NODES = 30
POLISH_SHARPER = 10.0
"""An answer is polished to this part of the gap: what is found early is then rarely improved on."""
EASY = 40
"""Up to so many whole columns the search itself is quicker than polishing answers to it."""
NODES_BETWEEN_LOOKS = 24
"""How often the search looks for an answer near where it is."""
TRIED_OUT = 8
"""Columns tried out before one is chosen; of those never branched on the most promising."""
TRIAL_ITERATIONS = 50
"""Simplex steps of a trial: what is left to gain after them rarely changes the order."""
STEPS_PER_ROW = 20
"""Simplex steps a relaxation of many rows may take from scratch."""
LEAST_PATIENCE = 1000
"""Simplex steps any re-solve may take; one that needs more mostly runs in circles."""
PASSED_OVER = 0.95
"""Of the gap; the rest is left for tie-break prices, which the account takes off the bound."""
FEW = 3.0
"""Up to so many of something in the relaxation, answers that keep to one kind of it are tried."""
MANY = 12
"""Of all kinds in an answer; beyond it, trading one for another matters little."""
TRADING = 0.05
"""Gap above which it is tried."""
TRADES = 10
"""The most promising ones, which are searched."""
FAR = 0.1
"""Gap above which they are worth it."""
INTEGRALITY = 1e-6
"""How far from a whole number a value may be and still count as one."""


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

    def halves(self, column: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """(lower, upper) below and above the column's fractional value."""
        down, up = self.upper.copy(), self.lower.copy()
        down[column], up[column] = math.floor(self.point[column]), math.ceil(self.point[column])
        return (self.lower, down), (up, self.upper)


class _NumericalTroubleError(Exception):
    """HiGHS solved a relaxation neither from the last basis nor from scratch."""


class BranchAndBound:
    """Best-first search over the whole columns of a program, level by level.

    ``levels`` lists columns, or groups of columns whose sum is branched on, most decisive first: a
    later level only counts where all earlier ones are whole. Every column of a group stands in some
    level by itself too. ``coarse`` columns stay near the relaxation where an answer is looked for;
    those of the first level unless given. ``kinds`` are columns of which small answers often need
    one only: where few are needed, each is tried alone.
    """

    def __init__(
        self,
        program: Program,
        levels: Sequence[Sequence[Any]],
        coarse: Sequence[Any] | None = None,
        kinds: Sequence[Any] = (),
    ) -> None:
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
        near = {
            group
            for _, group in branching_units(program, levels[:1] if coarse is None else [coarse])
        }
        self._coarse = np.array([(int(place),) in near for place in self._whole], dtype=bool)
        names = {column.name for column in kinds}
        self._kinds = [i for i, place in enumerate(places) if self._program.names[place] in names]
        self._highs = new_highs(Limits())
        expect_ok(self._highs.passModel(model_of(self._program, relaxed=True)), "the program")
        self._gains = Gains(len(units))
        self._most_steps = max(SIMPLEX_ITERATIONS, STEPS_PER_ROW * len(program.row_lower))
        self._patience = self._most_steps
        """Simplex steps of a re-solve before it starts afresh: as many as the first one took."""
        self._nodes = 0
        self._best: dict[str, float] = {}
        self._gap = 0.0
        self._passed_over = math.inf
        """The least bound of the parts left out because it is good enough."""
        self._looked: set[tuple[tuple[float, ...], ...]] = set()
        self._polishes = True
        self._watch = Watch()
        self.objective = math.inf
        self.bound = -math.inf
        self.basis: highspy.HighsBasis | None = None
        """Of the relaxation, for a later :class:`Start`."""

    @property
    def nodes(self) -> int:
        """Relaxations solved so far, trials not counted."""
        return self._nodes

    def run(
        self, limits: Limits, start: Start | None = None, watch: Watch | None = None
    ) -> Solution:
        """Searches until the gap or the node limit; without a node limit until the gap.

        ``limits.nodes`` of 0 stops at the first answer: the ``start`` where it is feasible, else
        relaxation, rounding and a search of the neighbourhood. Raises :class:`SolverError` where
        it is stopped, by cancellation or numerical trouble, before there is an answer.
        """
        self._watch = watch or Watch()
        if start is not None and start.basis is not None:
            self._highs.setBasis(start.basis)
        root = self._root()
        if root is None:
            return self._result(Termination.INFEASIBLE)
        self.bound, self.basis, self._gap = root.bound, root.basis, limits.gap
        self._polishes = limits.nodes == 0 or len(self._whole) > EASY
        if start is not None:
            self._try_start(start, root)
        had_start = bool(self._best)
        if limits.nodes != 0 or not had_start:
            self._first_answers(root)
        if not had_start and self._is_far(FAR) and 0 < root.point[self._kinds].sum() <= FEW:
            self._try_each_alone(root)
        if limits.nodes != 0 and self._is_far(TRADING):
            self._swap_kinds(root)
        return self._result(self._search(root, limits))

    def _first_answers(self, root: _Node) -> None:
        self._highs.setBasis(root.basis)
        self._repair(root)
        self._highs.setBasis(root.basis)
        if not self._watch.is_cancelled():
            self._look_elsewhere([root])

    def _is_far(self, least: float) -> bool:
        return relative_gap(self.objective, self.bound) > max(self._gap, least)

    def _try_each_alone(self, root: _Node) -> None:
        """The kind whose relaxation alone is best, as many of it as that takes; polished."""
        best: _Node | None = None
        for kind in sorted(self._kinds, key=lambda kind: -root.point[kind]):
            alone = self._alone(kind, root, self.objective if best is None else best.bound)
            best = alone or best
        if best is not None and not self._watch.is_cancelled():
            self._polish(best)

    def _alone(self, kind: int, root: _Node, at_most: float) -> _Node | None:
        """The relaxation with this kind only and whole; None where it is no better than that."""
        others = [other for other in self._kinds if other != kind]
        lower, upper = root.lower.copy(), root.upper.copy()
        upper[others] = lower[others]
        self._highs.setBasis(root.basis)
        try:
            some = self._node(lower, upper, at_most)
            if some is None or some.bound >= at_most:
                return None
            lower[kind] = math.ceil(some.point[kind] - INTEGRALITY)
            whole = self._node(lower, upper, at_most)
        except _NumericalTroubleError:
            return None
        return whole if whole is not None and whole.bound < at_most else None

    def _swap_kinds(self, root: _Node) -> None:
        """Trades one of a kind in the answer for as many of another as that takes, while it pays.

        Each trade is judged by its relaxation, the most promising are searched.
        """
        improved = True
        while improved and self._is_open():
            improved = any(self._pays(trade) for trade in sorted(self._trades(root))[:TRADES])

    def _pays(self, trade: _Node) -> bool:
        """Whether an answer with these counts beats the best; near the relaxation, then anywhere."""
        before = self.objective
        if trade.bound < before and not self._watch.is_cancelled():
            self._polish(trade)
            if self.objective >= before:
                self._sub_mip(trade.lower, trade.upper)
        return self.objective < before

    def _is_open(self) -> bool:
        return bool(self._best) and relative_gap(self.objective, self.bound) > self._gap

    def _trades(self, root: _Node) -> Iterator[_Node]:
        """The answer's counts of kinds with one less of a kind, and with others in its place."""
        names = self._program.names
        counts = np.array([round(self._best[names[self._whole[kind]]]) for kind in self._kinds])
        if counts.sum() > MANY:
            return
        for given in np.flatnonzero(counts):
            for taken in range(len(self._kinds)):
                trade = self._trade(root, counts, int(given), taken)
                if trade is not None:
                    yield trade

    def _trade(self, root: _Node, counts: Array, given: int, taken: int) -> _Node | None:
        """One ``given`` less, and of ``taken`` as many more as that takes."""
        held = counts.copy()
        held[given] -= 1
        lower, upper = root.lower.copy(), root.upper.copy()
        lower[self._kinds] = upper[self._kinds] = held
        kind = self._kinds[taken]
        if taken != given:
            lower[kind], upper[kind] = held[taken] + 1, root.upper[kind]
        self._highs.setBasis(root.basis)
        some = self._attempt(lower, upper)
        if some is None or taken == given:
            return some
        lower[kind] = upper[kind] = math.ceil(some.point[kind] - INTEGRALITY)
        return self._attempt(lower, upper)

    def _search(self, root: _Node, limits: Limits) -> Termination:
        heap = [root]
        next_look = self._nodes + NODES_BETWEEN_LOOKS
        while heap:
            node = heapq.heappop(heap)
            self._raise_bound(node.bound)
            if relative_gap(self.objective, self.bound) <= limits.gap:
                return Termination.GAP_REACHED
            stopped = self._why_stop(node, limits)
            if stopped is not None:
                return stopped
            column = self._column_to_branch_on(node)
            if column is None:
                if not self._keep(node.point):
                    heapq.heappush(heap, replace(node, is_solved=False))
                continue
            if self._nodes >= next_look:
                self._look_elsewhere([node, *heap])
                next_look = self._nodes + NODES_BETWEEN_LOOKS
            for child in self._children(node, column):
                heapq.heappush(heap, child)
        if not self._best:
            return Termination.INFEASIBLE
        self._raise_bound(math.inf)
        return Termination.GAP_REACHED

    def _why_stop(self, node: _Node, limits: Limits) -> Termination | None:
        """Cancellation, the node limit or numerical trouble, if there is an answer to stop with."""
        cancelled = self._watch.is_cancelled()
        spent = limits.nodes is not None and self._nodes >= limits.nodes
        if self._best and (cancelled or spent or not node.is_solved):
            return Termination.CANCELLED if cancelled else Termination.NODE_LIMIT
        if cancelled:
            raise SolverError("the search was stopped before it had an answer", "cancelled")
        if limits.nodes is not None and self._nodes >= max(limits.nodes, FRUITLESS_NODES):
            return Termination.NODE_LIMIT
        if not node.is_solved:
            raise SolverError("a relaxation gave no answer", "numerical trouble")
        return None

    def _raise_bound(self, bound: float) -> None:
        before = self.bound
        self.bound = max(self.bound, min(bound, self._passed_over, self.objective))
        if self._best and self.bound > before:
            self._tell(is_better=False)

    def _tell(self, *, is_better: bool) -> None:
        best = self._result(Termination.OTHER)
        self._watch.report(Progress(best=best, nodes=self._nodes, is_better=is_better))

    def _good_enough(self) -> float:
        """Parts of the search whose relaxation is no better than this need no look inside."""
        if math.isinf(self.objective):
            return math.inf
        return self.objective - PASSED_OVER * self._gap * abs(self.objective)

    def _root(self) -> _Node | None:
        lower, upper = self._program.lower[self._whole], self._program.upper[self._whole]
        try:
            root = self._node(lower, upper, math.inf)
        except _NumericalTroubleError as trouble:
            raise SolverError("a relaxation gave no answer", "numerical trouble") from trouble
        iterations = self._highs.getInfo().simplex_iteration_count
        self._patience = max(iterations, LEAST_PATIENCE)
        # With perturbed costs HiGHS would not stop at a bound on the objective.
        self._highs.setOptionValue("dual_simplex_cost_perturbation_multiplier", 0.0)
        return root

    def _attempt(self, lower: Array, upper: Array) -> _Node | None:
        """The relaxation within these bounds; None where nothing better can be or is found."""
        try:
            return self._node(lower, upper, self.objective)
        except _NumericalTroubleError:
            return None

    def _node(self, lower: Array, upper: Array, at_most: float) -> _Node | None:
        """The relaxation within these bounds, or None where there is none up to ``at_most``."""
        self._nodes += 1
        status = self._relax(lower, upper, at_most)
        if status in _NOTHING_BETTER:
            return None
        if status != highspy.HighsModelStatus.kOptimal:
            raise _NumericalTroubleError
        values = np.asarray(self._highs.getSolution().col_value)
        bound = self._highs.getInfo().objective_function_value
        basis = self._highs.getBasis()
        return _Node(bound, self._nodes, lower, upper, values[self._whole], basis)

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

    def _children(self, node: _Node, column: int) -> list[_Node]:
        found = []
        for side, (lower, upper) in enumerate(node.halves(column)):
            self._highs.setBasis(node.basis)
            good_enough = self._good_enough()
            try:
                child = self._node(lower, upper, good_enough)
            except _NumericalTroubleError:
                open_still = replace(node, serial=self._nodes, lower=lower, upper=upper)
                found.append(replace(open_still, is_solved=False))
                continue
            gain = (good_enough if child is None else child.bound) - node.bound
            self._gains.add(side, column, gain, node.point[column])
            if child is not None and child.bound < good_enough:
                found.append(child)
            elif child is not None:
                self._passed_over = min(self._passed_over, child.bound)
            elif self._highs.getModelStatus() == highspy.HighsModelStatus.kObjectiveBound:
                self._passed_over = min(self._passed_over, good_enough)
        return found

    def _column_to_branch_on(self, node: _Node) -> int | None:
        """The most promising fractional column of the first level that has one."""
        fractional = np.abs(node.point - np.round(node.point)) > INTEGRALITY
        if not fractional.any():
            return None
        first = self._level[fractional].min()
        columns = np.flatnonzero(fractional & (self._level == first))
        if len(columns) > 1:
            columns = columns[np.argsort(-self._scores(node, columns), kind="stable")]
            unknown = columns[:TRIED_OUT][~self._gains.known(columns[:TRIED_OUT])]
            self._try_out(node, unknown)
        return int(columns[np.argmax(self._scores(node, columns))])

    def _scores(self, node: _Node, columns: Places) -> Array:
        return self._gains.scores(columns, node.point[columns])

    def _try_out(self, node: _Node, columns: Places) -> None:
        """A few simplex steps into both children of each column: what they would add."""
        good_enough = self._good_enough()
        for column in columns:
            for side, (lower, upper) in enumerate(node.halves(column)):
                self._highs.setBasis(node.basis)
                self._highs.changeColsBounds(len(self._whole), self._whole, lower, upper)
                self._highs.setOptionValue("objective_bound", good_enough)
                self._run_within(TRIAL_ITERATIONS)
                nothing = self._highs.getModelStatus() in _NOTHING_BETTER
                reached = self._highs.getInfo().objective_function_value
                gain = (good_enough if nothing else min(reached, good_enough)) - node.bound
                self._gains.add(side, int(column), gain, node.point[column])

    def _repair(self, node: _Node) -> None:
        """Rounds everything up, last level first: an answer wherever more of all is allowed."""
        current: _Node | None = node
        for level in sorted(set(self._level[~self._is_sum]), reverse=True):
            if current is None:
                return
            up = np.minimum(np.ceil(current.point - INTEGRALITY), current.upper)
            here = (self._level == level) & ~self._is_sum
            lower = np.where(here, up, current.lower)
            current = self._attempt(lower, np.where(here, up, current.upper))
        if current is not None:
            self._keep(current.point)

    def _look_elsewhere(self, nodes: Sequence[_Node]) -> None:
        """Polishes the best open node around whose coarse columns nobody has looked yet."""
        for node in sorted(nodes) if self._polishes else ():
            around = self._coarse_box(node.point)
            if around not in self._looked:
                self._looked.add(around)
                self._polish(node)
                return

    def _coarse_box(self, point: Array) -> tuple[tuple[float, ...], ...]:
        coarse = point[self._coarse]
        return tuple(np.floor(coarse + INTEGRALITY)), tuple(np.ceil(coarse - INTEGRALITY))

    def _polish(self, node: _Node) -> None:
        """HiGHS's integer solver near a relaxation, the rest closed.

        The columns behind the first level may go to the whole numbers on either side; of the others
        stay open those in use and the ``NEIGHBOURS`` cheapest to bring in.
        """
        fixed = self._attempt(node.lower, node.upper)
        if fixed is None:
            return
        reduced = np.asarray(self._highs.getSolution().col_dual)[self._whole]
        open_ = (fixed.point > INTEGRALITY) | self._coarse | self._is_sum
        rank = np.argsort(np.where(open_, np.inf, np.abs(reduced)))
        closed = ~open_
        closed[rank[:NEIGHBOURS]] = False
        down, up = np.floor(fixed.point + INTEGRALITY), np.ceil(fixed.point - INTEGRALITY)
        lower = np.where(self._coarse, np.maximum(down, node.lower), node.lower)
        upper = np.where(self._coarse, np.minimum(up, node.upper), node.upper)
        self._sub_mip(lower, np.where(closed, 0.0, upper))

    def _sub_mip(self, lower: Array, upper: Array) -> None:
        model = model_of(self._program, relaxed=False)
        col_lower, col_upper = self._program.lower.copy(), self._program.upper.copy()
        col_lower[self._whole], col_upper[self._whole] = lower, upper
        model.col_lower_, model.col_upper_ = col_lower, col_upper
        gap = self._gap / POLISH_SHARPER
        highs = small_search(gap, POLISH_NODES, self.objective, self.bound / (1.0 - gap))
        expect_ok(highs.passModel(model), "the program")
        highs.run()
        found = read(highs, self._program.names)
        if found.is_feasible:
            names = self._program.names
            self._keep(np.array([found.values[names[i]] for i in self._whole]))

    def _keep(self, point: Array) -> bool:
        """Fixes the whole columns at these values and keeps the answer if it is the best.

        False where numerical trouble hides what it is worth.
        """
        whole = np.round(point)
        for place, members in self._members.items():
            whole[place] = whole[members].sum()
        try:
            fixed = self._node(whole, whole, self.objective)
        except _NumericalTroubleError:
            return False
        if fixed is not None and fixed.bound < self.objective:
            self.objective = fixed.bound
            values = self._highs.getSolution().col_value[: self._n_given]
            self._best = dict(zip(self._program.names[: self._n_given], values, strict=True))
            self._tell(is_better=True)
        return True

    def _try_start(self, start: Start, root: _Node) -> None:
        names = self._program.names
        point = np.array([start.values.get(names[i], 0.0) for i in self._whole])
        self._keep(np.clip(point, root.lower, root.upper))

    def _result(self, termination: Termination) -> Solution:
        return Solution(
            termination=termination, values=self._best, objective=self.objective, bound=self.bound
        )


_NOTHING_BETTER = (
    highspy.HighsModelStatus.kInfeasible,
    highspy.HighsModelStatus.kObjectiveBound,
)
_SETTLED = (highspy.HighsModelStatus.kOptimal, *_NOTHING_BETTER)
FRUITLESS_NODES = 200
"""A search without any answer gives up after so many, whatever it may spend."""
