"""Quantiles of a stream in a fixed size."""

from __future__ import annotations

import bisect
import itertools
import math

RELATIVE_ERROR = 0.01
"""Most by which a quantile differs from that of the stream."""
LOWEST, HIGHEST = 1e-6, 1e8
"""Values outside count as these."""

_GAMMA = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR)
_SCALE = 1.0 / math.log(_GAMMA)
_OFFSET = math.ceil(math.log(LOWEST) * _SCALE)
_CELLS = math.ceil(math.log(HIGHEST) * _SCALE) - _OFFSET + 1


class Sketch:
    """Counts positive values in cells whose ends are a fixed ratio apart.

    A cell (g^(i-1), g^i] with g = (1 + e)/(1 - e) stands for 2 g^i/(g + 1), which is within e of
    all its values: the relative-error sketch of Masson, Rim and Lee (DDSketch, VLDB 2019) with all
    its cells at hand.
    """

    __slots__ = ("_cells", "n", "total")

    def __init__(self) -> None:
        self._cells = [0] * _CELLS
        self.n = 0
        self.total = 0.0

    def add(self, value: float) -> None:
        """Counts a value; nothing and less count as the smallest one."""
        self.n += 1
        self.total += value
        bounded = LOWEST if value < LOWEST else min(value, HIGHEST)
        self._cells[math.ceil(math.log(bounded) * _SCALE) - _OFFSET] += 1

    @property
    def mean(self) -> float:
        """Exact; NaN of an empty stream."""
        return self.total / self.n if self.n else math.nan

    def quantile(self, share: float) -> float:
        """Smallest value that a ``share`` of the stream does not exceed; NaN of an empty one."""
        if not self.n:
            return math.nan
        wanted = max(1, math.ceil(share * self.n - 1e-9))
        cell = bisect.bisect_left(list(itertools.accumulate(self._cells)), wanted)
        upper = _GAMMA ** (cell + _OFFSET)
        return 2.0 * upper / (_GAMMA + 1.0)
