"""An integer program as arrays: built in PuLP and read once, for any solver."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pulp
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Whole columns that a need has to be met with, and a positive weight for each."""

    places: NDArray[np.int32]
    weights: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A row ``values @ x[places] >= at_least`` that every whole solution keeps."""

    places: NDArray[np.int32]
    values: Array
    at_least: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A PuLP program as arrays, immutable and shareable between solves."""

    names: list[str]
    index: Mapping[str, int]
    whole: list[bool]
    lower: Array
    upper: Array
    cost: Array
    row_names: list[str]
    row_lower: Array
    row_upper: Array
    starts: NDArray[np.int32]
    columns: NDArray[np.int32]
    values: Array

    @classmethod
    def of(cls, lp: pulp.LpProblem) -> Program:
        """Reads a program once; its columns are in the order of their names."""
        rows = list(lp.constraints())
        used = {column.name: column for column in lp.variables()}
        index = {name: i for i, name in enumerate(used)}
        cost = np.zeros(len(used))
        for column, value in (lp.objective or {}).items():
            cost[index[column.name]] = value
        bounds = np.array([_row_bounds(row) for row in rows]).reshape(-1, 2)
        return cls(
            names=list(used),
            index=index,
            whole=[c.cat == pulp.LpInteger for c in used.values()],
            lower=np.array(
                [-math.inf if c.lowBound is None else c.lowBound for c in used.values()]
            ),
            upper=np.array([math.inf if c.upBound is None else c.upBound for c in used.values()]),
            cost=cost,
            row_names=[row.name for row in rows],
            row_lower=bounds[:, 0],
            row_upper=bounds[:, 1],
            starts=np.cumsum([0, *(len(row) for row in rows)], dtype=np.int32),
            columns=np.array([index[c.name] for row in rows for c in row], dtype=np.int32),
            values=np.array([v for row in rows for v in row.values()], dtype=float),
        )

    def fingerprint(self) -> str:
        """Names exactly this program among those with the same columns."""
        digest = hashlib.sha256()
        bounds = (self.row_lower, self.row_upper, self.lower, self.upper)
        for array in (self.cost, self.values, self.columns, *bounds):
            digest.update(array.tobytes())
        return digest.hexdigest()[:16]

    def row_sums(self, values: Array) -> Array:
        """What each row adds up to, by row, at these values by column."""
        rows = np.repeat(np.arange(len(self.row_names)), np.diff(self.starts))
        sums = np.zeros(len(self.row_names))
        np.add.at(sums, rows, self.values * values[self.columns])
        return sums

    def with_objective(self, terms: Mapping[Any, float]) -> Program:
        """The same rows under another objective, given by PuLP column.

        Columns that stand in no row are left out: at no negative price they stay at zero.
        """
        cost = np.zeros(len(self.names))
        for column, value in terms.items():
            if column.name in self.index:
                cost[self.index[column.name]] = value
        return replace(self, cost=cost)

    def with_closed(self, columns: Sequence[Any]) -> Program:
        """The same rows with these PuLP columns held at zero."""
        upper = self.upper.copy()
        upper[[self.index[column.name] for column in columns if column.name in self.index]] = 0.0
        return replace(self, upper=upper)

    def with_row_at_most(self, name: str, terms: Mapping[Any, float], at_most: float) -> Program:
        """One more row, ``terms <= at_most``, given by PuLP column."""
        listed = [(self.index[c.name], v) for c, v in terms.items() if c.name in self.index]
        places, values = zip(*listed, strict=True)
        return replace(
            self,
            row_names=[*self.row_names, name],
            row_lower=np.append(self.row_lower, -math.inf),
            row_upper=np.append(self.row_upper, at_most),
            starts=np.append(self.starts, self.starts[-1] + len(places)).astype(np.int32),
            columns=np.append(self.columns, places).astype(np.int32),
            values=np.append(self.values, values),
        )

    def with_values(self, values: Mapping[Any, float]) -> Program:
        """The same program with these PuLP columns held at these values."""
        lower, upper = self.lower.copy(), self.upper.copy()
        for column, value in values.items():
            if column.name in self.index:
                place = self.index[column.name]
                lower[place] = upper[place] = value
        return replace(self, lower=lower, upper=upper)

    def with_cuts(self, cuts: Sequence[Cut]) -> Program:
        """The same rows and these that follow from them."""
        if not cuts:
            return self
        lengths = np.cumsum([len(cut.places) for cut in cuts])
        rhs = [cut.at_least for cut in cuts]
        return replace(
            self,
            row_names=[*self.row_names, *["cut"] * len(cuts)],
            row_lower=np.append(self.row_lower, rhs),
            row_upper=np.append(self.row_upper, np.full(len(cuts), math.inf)),
            starts=np.append(self.starts, self.starts[-1] + lengths).astype(np.int32),
            columns=np.concatenate([self.columns, *(cut.places for cut in cuts)]).astype(np.int32),
            values=np.concatenate([self.values, *(cut.values for cut in cuts)]),
        )

    def loosened(self, groups: Mapping[str, Sequence[int]], price: float | None = None) -> Program:
        """Every group of rows may be missed by a share of its own limit, and that is the cost.

        The share of a group is a new column of its name; rows of one group share it. What cost
        before costs nothing; with a ``price`` it costs what it did, and a whole share the price.
        """
        n = len(self.names)
        places, columns, values = [], [], []
        for number, rows in enumerate(groups.values()):
            for row in rows:
                over = math.isfinite(self.row_upper[row])
                limit = abs(self.row_upper[row] if over else self.row_lower[row])
                places.append(int(self.starts[row + 1]))
                columns.append(n + number)
                values.append(-max(limit, 1.0) if over else max(limit, 1.0))
        order = np.argsort(places, kind="stable")
        added = np.zeros(len(self.starts), dtype=np.int32)
        for rows in groups.values():
            for row in rows:
                added[row + 1] += 1
        here, more = np.array(places, dtype=int)[order], len(groups)
        return replace(
            self,
            names=[*self.names, *groups],
            index={**self.index, **{name: n + i for i, name in enumerate(groups)}},
            whole=[*self.whole, *[False] * more],
            lower=np.append(self.lower, np.zeros(more)),
            upper=np.append(self.upper, np.full(more, math.inf)),
            cost=(
                np.append(np.zeros(n), np.ones(more))
                if price is None
                else np.append(self.cost, np.full(more, price))
            ),
            starts=(self.starts + np.cumsum(added)).astype(np.int32),
            columns=np.insert(self.columns, here, np.array(columns)[order]).astype(np.int32),
            values=np.insert(self.values, here, np.array(values)[order]),
        )

    def with_sums(self, groups: Sequence[Sequence[int]]) -> Program:
        """One more whole column per group, last and free of price, that is the group's sum."""
        n = len(self.names)
        sums = range(n, n + len(groups))
        rows = [np.append(group, total) for group, total in zip(groups, sums, strict=True)]
        lengths = np.array([len(row) for row in rows], dtype=int)
        names = [f"sum({i})" for i in range(len(groups))]
        nothing = np.zeros(len(groups))
        return replace(
            self,
            names=[*self.names, *names],
            index={**self.index, **dict(zip(names, sums, strict=True))},
            whole=[*self.whole, *(True for _ in groups)],
            lower=np.append(self.lower, [self.lower[list(group)].sum() for group in groups]),
            upper=np.append(self.upper, [self.upper[list(group)].sum() for group in groups]),
            cost=np.append(self.cost, nothing),
            row_lower=np.append(self.row_lower, nothing),
            row_upper=np.append(self.row_upper, nothing),
            starts=np.append(self.starts, self.starts[-1] + lengths.cumsum()).astype(np.int32),
            columns=np.concatenate([self.columns, *rows]).astype(np.int32),
            values=np.concatenate([self.values, *(_ones_then_minus_one(n) for n in lengths)]),
        )

    def to_pulp(self) -> pulp.LpProblem:
        """The same program in PuLP, for solvers that PuLP drives: columns c0 on, rows r0 on.

        Rows that limit nothing are left out.
        """
        lp = pulp.LpProblem("program", pulp.LpMinimize)
        kinds = (pulp.LpContinuous, pulp.LpInteger)
        bounds = zip(self.lower, self.upper, self.whole, strict=True)
        columns = [
            lp.add_variable(f"c{i}", _finite(low), _finite(high), kinds[whole])
            for i, (low, high, whole) in enumerate(bounds)
        ]
        lp += pulp.LpAffineExpression(list(zip(columns, self.cost.tolist(), strict=True)))
        for row, (low, high) in enumerate(zip(self.row_lower, self.row_upper, strict=True)):
            if math.isinf(low) and math.isinf(high):
                continue
            places = slice(self.starts[row], self.starts[row + 1])
            terms = zip(self.columns[places].tolist(), self.values[places].tolist(), strict=True)
            expression = pulp.LpAffineExpression([(columns[i], value) for i, value in terms])
            sense = _sense(low, high)
            rhs = high if sense == pulp.LpConstraintLE else low
            lp.addConstraint(pulp.LpConstraint(expression, sense, f"r{row}", float(rhs)))
        return lp


def _ones_then_minus_one(length: int) -> Array:
    return np.append(np.ones(length - 1), -1.0)


def _finite(bound: float) -> float | None:
    return float(bound) if math.isfinite(bound) else None


def _sense(low: float, high: float) -> int:
    """Rows have one side or two equal ones, as PuLP makes them."""
    if low == high:
        return int(pulp.LpConstraintEQ)
    return int(pulp.LpConstraintGE if math.isfinite(low) else pulp.LpConstraintLE)


def _row_bounds(row: pulp.LpConstraint) -> tuple[float, float]:
    rhs = -float(row.constant) + 0.0  # not -0.0, which people would see
    if row.sense == pulp.LpConstraintEQ:
        return rhs, rhs
    return (rhs, math.inf) if row.sense == pulp.LpConstraintGE else (-math.inf, rhs)
