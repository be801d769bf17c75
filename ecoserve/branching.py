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

from ecoserve.answer import Limits, Solution, Start, Termination, Watch, relative_gap
from ecoserve.errors import SolverError
from ecoserve.gains import Gains
from ecoserve.neighbourhood import INTEGRALITY, TRADING, Neighbourhood
from ecoserve.nodes import Node, NumericalTroubleError
from ecoserve.program import Program

Array = NDArray[np.float64]
Places = NDArray[np.intp]
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


class BranchAndBound(Neighbourhood):
    """Best-first search over the whole columns of a program, level by level.

    ``levels`` lists columns, or groups of columns whose sum is branched on, most decisive first: a
    later level only counts where all earlier ones are whole. Every column of a group stands in some
    level by itself too. ``coarse`` columns stay near the relaxation where an answer is looked for;
    those of the first level unless given. ``kinds`` are columns of which small answers often need
    one only: where few are needed, each is tried alone, and those of an answer are traded.
    """

    def __init__(
        self,
        program: Program,
        levels: Sequence[Sequence[Any]],
        coarse: Sequence[Any] | None = None,
        kinds: Sequence[Any] = (),
    ) -> None:
        super().__init__(program, levels, coarse, kinds)
        self._gains = Gains(len(self._whole))
        self._passed_over = math.inf
        """The least bound of the parts left out because it is good enough."""
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
        if not had_start and self._is_far(FAR) and 0 < root.point[self._kinds].sum() <= FEW:
            self._try_each_alone(root)
        if limits.nodes != 0 and self._is_far(TRADING):
            self._swap_kinds(root)
        return self._result(self._search(root, limits))

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
