"""The best answer of a search, and where to look for better ones. Knows no domain words.

Answers lie near relaxations (rounded, or in a small part of the program around them) and near other
answers (one of a kind traded for others).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecoserve.answer import Progress, Solution, Start, Termination, Watch, relative_gap
from ecoserve.gains import branching_units
from ecoserve.highs import expect_ok, model_of, read, small_search
from ecoserve.nodes import Node, Nodes, NumericalTroubleError
from ecoserve.program import Program

Array = NDArray[np.float64]
NEIGHBOURS = 30
"""Unused columns that stay open beside the used ones when an answer is polished."""
POLISH_NODES = 30
POLISH_SHARPER = 10.0
"""An answer is polished to this part of the gap: what is found early is then rarely improved on."""
MANY = 12
"""Of all kinds in an answer; beyond it, trading one for another matters little."""
TRADING = 0.05
"""Gap above which it is tried."""
TRADES = 10
"""The most promising ones, which are searched."""
INTEGRALITY = 1e-6
"""How far from a whole number a value may be and still count as one."""


class Neighbourhood:
    """The best answer so far; arguments as in :class:`~ecoserve.branching.BranchAndBound`."""

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
        self._best: dict[str, float] = {}
        self._gap = 0.0
        self._looked: set[tuple[tuple[float, ...], ...]] = set()
        self._polishes = True
        self._watch = Watch()
        self.objective = math.inf
        self.bound = -math.inf

    def _is_far(self, least: float) -> bool:
        return relative_gap(self.objective, self.bound) > max(self._gap, least)

    def _first_answers(self, root: Node) -> None:
        self._relaxed.begin_at(root.basis)
        self._repair(root)
        self._relaxed.begin_at(root.basis)
        if not self._watch.is_cancelled():
            self._look_elsewhere([root])

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

    def _attempt(self, lower: Array, upper: Array) -> Node | None:
        """The relaxation within these bounds; None where nothing better can be or is found."""
        try:
            return self._relaxed.solve(lower, upper, self.objective)
        except NumericalTroubleError:
            return None

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

    def _tell(self, *, is_better: bool) -> None:
        best = self._result(Termination.OTHER)
        self._watch.report(Progress(best=best, nodes=self._relaxed.count, is_better=is_better))

    def _result(self, termination: Termination) -> Solution:
        return Solution(
            termination=termination, values=self._best, objective=self.objective, bound=self.bound
        )

    def _swap_kinds(self, root: Node) -> None:
        """Trades one of a kind in the answer for as many of another as that takes, while it pays.

        Each trade is judged by its relaxation, the most promising are searched.
        """
        improved = True
        while improved and self._is_open():
            improved = any(self._pays(trade) for trade in sorted(self._trades(root))[:TRADES])

    def _pays(self, trade: Node) -> bool:
        """Whether an answer with these counts is the best: near the relaxation, then anywhere."""
        before = self.objective
        if trade.bound < before and not self._watch.is_cancelled():
            self._polish(trade)
            if self.objective >= before:
                self._sub_mip(trade.lower, trade.upper)
        return self.objective < before

    def _is_open(self) -> bool:
        return bool(self._best) and relative_gap(self.objective, self.bound) > self._gap

    def _trades(self, root: Node) -> Iterator[Node]:
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

    def _trade(self, root: Node, counts: Array, given: int, taken: int) -> Node | None:
        """One ``given`` less, and of ``taken`` as many more as that takes."""
        held = counts.copy()
        held[given] -= 1
        lower, upper = root.lower.copy(), root.upper.copy()
        lower[self._kinds] = upper[self._kinds] = held
        kind = self._kinds[taken]
        if taken != given:
            lower[kind], upper[kind] = held[taken] + 1, root.upper[kind]
        self._relaxed.begin_at(root.basis)
        some = self._attempt(lower, upper)
        if some is None or taken == given:
            return some
        lower[kind] = upper[kind] = math.ceil(some.point[kind] - INTEGRALITY)
        return self._attempt(lower, upper)
