"""Best-first branch and bound over a HiGHS relaxation that stays alive. Knows no domain words.

Each node is re-solved from its parent's basis. The search branches on sums of whole columns before
the columns themselves: how much of something there is at all decides more than which of several
much alike columns it is, and leaves fewer ways to say the same. Which column of a level comes first
is learnt: a few are tried out, the others judged by what branching on them has added to the bound.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecoserve.answer import Limits, Progress, Solution, Start, Termination, Watch, relative_gap
from ecoserve.errors import SolverError
from ecoserve.gains import Gains, branching_units
from ecoserve.highs import expect_ok, model_of, read, small_search
from ecoserve.nodes import Node, Nodes, NumericalTroubleError
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
PASSED_OVER = 0.95
"""Of the gap; the rest is left for tie-break prices, which the account takes off the bound."""
FEW = 3.0
"""Up to so many of something in the relaxation, answers that keep to one kind of it are tried."""
FAR = 0.1
"""Gap above which they are worth it."""
FRUITLESS_NODES = 200
"""A search without any answer gives up after so many, whatever it may spend."""
INTEGRALITY = 1e-6
"""How far from a whole number a value may be and still count as one."""


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
        self._relaxed = Nodes(self._program, self._whole, len(program.row_lower))
        self._gains = Gains(len(units))
        self._best: dict[str, float] = {}
        self._gap = 0.0
        self._passed_over = math.inf
        """The least bound of the parts left out because it is good enough."""
        self._looked: set[tuple[tuple[float, ...], ...]] = set()
        self._polishes = True
        self._watch = Watch()
        self.objective = math.inf
        self.bound = -math.inf
        self.basis: Any = None
        """Of the relaxation, for a later :class:`Start`."""

    @property
    def nodes(self) -> int:
        """Relaxations solved so far, trials not counted."""
        return self._relaxed.count

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
            self._relaxed.begin_at(start.basis)
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
        if not had_start and self._is_far() and 0 < root.point[self._kinds].sum() <= FEW:
            self._try_each_alone(root)
        return self._result(self._search(root, limits))

    def _first_answers(self, root: Node) -> None:
        self._relaxed.begin_at(root.basis)
        self._repair(root)
        self._relaxed.begin_at(root.basis)
        if not self._watch.is_cancelled():
            self._look_elsewhere([root])

    def _is_far(self) -> bool:
        return relative_gap(self.objective, self.bound) > max(self._gap, FAR)

    def _try_each_alone(self, root: Node) -> None:
        """The kind whose relaxation alone is best, as many of it as that takes; polished."""
        best: Node | None = None
        for kind in sorted(self._kinds, key=lambda kind: -root.point[kind]):
            alone = self._alone(kind, root, self.objective if best is None else best.bound)
            best = alone or best
        if best is not None and not self._watch.is_cancelled():
            self._polish(best)

    def _alone(self, kind: int, root: Node, at_most: float) -> Node | None:
        """The relaxation with this kind only and whole; None where it is no better than that."""
        others = [other for other in self._kinds if other != kind]
        lower, upper = root.lower.copy(), root.upper.copy()
        upper[others] = lower[others]
        self._relaxed.begin_at(root.basis)
        try:
            some = self._relaxed.solve(lower, upper, at_most)
            if some is None or some.bound >= at_most:
                return None
            lower[kind] = math.ceil(some.point[kind] - INTEGRALITY)
            whole = self._relaxed.solve(lower, upper, at_most)
        except NumericalTroubleError:
            return None
        return whole if whole is not None and whole.bound < at_most else None

    def _search(self, root: Node, limits: Limits) -> Termination:
        heap = [root]
        next_look = self._relaxed.count + NODES_BETWEEN_LOOKS
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
            if self._relaxed.count >= next_look:
                self._look_elsewhere([node, *heap])
                next_look = self._relaxed.count + NODES_BETWEEN_LOOKS
            for child in self._children(node, column):
                heapq.heappush(heap, child)
        if not self._best:
            return Termination.INFEASIBLE
        self._raise_bound(math.inf)
        return Termination.GAP_REACHED

    def _why_stop(self, node: Node, limits: Limits) -> Termination | None:
        """Cancellation, the node limit or numerical trouble, if there is an answer to stop with."""
        cancelled = self._watch.is_cancelled()
        spent = limits.nodes is not None and self._relaxed.count >= limits.nodes
        if self._best and (cancelled or spent or not node.is_solved):
            return Termination.CANCELLED if cancelled else Termination.NODE_LIMIT
        if cancelled:
            raise SolverError("the search was stopped before it had an answer", "cancelled")
        if limits.nodes is not None and self._relaxed.count >= max(limits.nodes, FRUITLESS_NODES):
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
        self._watch.report(Progress(best=best, nodes=self._relaxed.count, is_better=is_better))

    def _good_enough(self) -> float:
        """Parts of the search whose relaxation is no better than this need no look inside."""
        if math.isinf(self.objective):
            return math.inf
        return self.objective - PASSED_OVER * self._gap * abs(self.objective)

    def _root(self) -> Node | None:
        lower, upper = self._program.lower[self._whole], self._program.upper[self._whole]
        try:
            return self._relaxed.root(lower, upper)
        except NumericalTroubleError as trouble:
            raise SolverError("a relaxation gave no answer", "numerical trouble") from trouble

    def _attempt(self, lower: Array, upper: Array) -> Node | None:
        """The relaxation within these bounds; None where nothing better can be or is found."""
        try:
            return self._relaxed.solve(lower, upper, self.objective)
        except NumericalTroubleError:
            return None

    def _children(self, node: Node, column: int) -> list[Node]:
        found = []
        for side, (lower, upper) in enumerate(node.halves(column)):
            self._relaxed.begin_at(node.basis)
            good_enough = self._good_enough()
            try:
                child = self._relaxed.solve(lower, upper, good_enough)
            except NumericalTroubleError:
                open_still = replace(node, serial=self._relaxed.count, lower=lower, upper=upper)
                found.append(replace(open_still, is_solved=False))
                continue
            gain = (good_enough if child is None else child.bound) - node.bound
            self._gains.add(side, column, gain, node.point[column])
            if child is not None and child.bound < good_enough:
                found.append(child)
            elif child is not None:
                self._passed_over = min(self._passed_over, child.bound)
            elif self._relaxed.stopped_at_most:
                self._passed_over = min(self._passed_over, good_enough)
        return found

    def _column_to_branch_on(self, node: Node) -> int | None:
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

    def _scores(self, node: Node, columns: Places) -> Array:
        return self._gains.scores(columns, node.point[columns])

    def _try_out(self, node: Node, columns: Places) -> None:
        """A few simplex steps into both children of each column: what they would add."""
        good_enough = self._good_enough()
        for column in columns:
            for side, (lower, upper) in enumerate(node.halves(column)):
                self._relaxed.begin_at(node.basis)
                reached = self._relaxed.trial(lower, upper, good_enough)
                gain = min(math.inf if reached is None else reached, good_enough) - node.bound
                self._gains.add(side, int(column), gain, node.point[column])

    def _repair(self, node: Node) -> None:
        """Rounds everything up, last level first: an answer wherever more of all is allowed."""
        current: Node | None = node
        for level in sorted(set(self._level[~self._is_sum]), reverse=True):
            if current is None:
                return
            up = np.minimum(np.ceil(current.point - INTEGRALITY), current.upper)
            here = (self._level == level) & ~self._is_sum
            lower = np.where(here, up, current.lower)
            current = self._attempt(lower, np.where(here, up, current.upper))
        if current is not None:
            self._keep(current.point)

    def _look_elsewhere(self, nodes: Sequence[Node]) -> None:
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

    def _polish(self, node: Node) -> None:
        """HiGHS's integer solver near a relaxation, the rest closed.

        The columns behind the first level may go to the whole numbers on either side; of the others
        stay open those in use and the ``NEIGHBOURS`` cheapest to bring in.
        """
        fixed = self._attempt(node.lower, node.upper)
        if fixed is None:
            return
        reduced = self._relaxed.reduced_prices
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
            fixed = self._relaxed.solve(whole, whole, self.objective)
        except NumericalTroubleError:
            return False
        if fixed is not None and fixed.bound < self.objective:
            self.objective = fixed.bound
            values = self._relaxed.values[: self._n_given]
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
