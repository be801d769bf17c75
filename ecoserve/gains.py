"""Which column to branch on: learnt from what branching has added to the bound before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecoserve.program import Program

Array = NDArray[np.float64]
Places = NDArray[np.intp]
DOWN, UP = 0, 1
LEAST_GAIN = 1e-6
"""Keeps a product of two sides apart where one of them gains nothing."""


class Gains:
    """What branching on each column has added to the bound, per unit of rounding, down and up."""

    def __init__(self, n: int) -> None:
        self._total, self._count = np.zeros((2, n)), np.zeros((2, n), dtype=int)

    def add(self, side: int, column: int, gain: float, value: float) -> None:
        """Remembers one re-solve with the column rounded from ``value`` to this side."""
        distance = value - math.floor(value) if side == DOWN else math.ceil(value) - value
        if math.isfinite(gain):
            self._total[side, column] += max(gain, 0.0) / distance
            self._count[side, column] += 1

    def known(self, columns: Places) -> NDArray[np.bool_]:
        """Whether each column has been seen on both sides."""
        return np.asarray(self._count[:, columns].min(axis=0) > 0)

    def scores(self, columns: Places, values: Array) -> Array:
        """Product of the gains to expect on both sides; the mean of all where nothing is known."""
        fraction = values - np.floor(values)
        product = np.ones(len(columns))
        for side, distance in ((DOWN, fraction), (UP, 1.0 - fraction)):
            count, total = self._count[side], self._total[side]
            mean = total.sum() / count.sum() if total.any() else 1.0
            each = np.where(count > 0, total / np.maximum(count, 1), mean)[columns]
            product *= np.maximum(each * distance, LEAST_GAIN)
        return product


def branching_units(
    program: Program, levels: Sequence[Sequence[Any]]
) -> list[tuple[int, tuple[int, ...]]]:
    """(level, places of the columns) of everything that may be branched on, each set once.

    Columns that the program does not have are left out.
    """
    units: dict[tuple[int, ...], int] = {}
    for level, items in enumerate(levels):
        for item in items:
            columns = item if isinstance(item, (list, tuple)) else (item,)
            known = {program.index[c.name] for c in columns if c.name in program.index}
            if known:
                units.setdefault(tuple(sorted(known)), level)
    return [(level, group) for group, level in units.items()]
