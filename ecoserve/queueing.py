"""The line in front of a pool of replicas: who waits, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def erlang_c(servers: int, utilisation: float) -> float:
    """Probability that an arrival waits in M/M/k at ``utilisation`` < 1 per server.

    Computed from the Erlang B recursion, stable for large k.

    >>> round(erlang_c(1, 0.85), 6)
    0.85
    >>> round(erlang_c(2, 0.5), 6)
    0.333333
    """
    offered = servers * utilisation
    blocking = 1.0
    for k in range(1, servers + 1):
        blocking = offered * blocking / (k + offered * blocking)
    return blocking / (1.0 - utilisation * (1.0 - blocking))


@dataclass(frozen=True, slots=True)
class Queue:
    """The line in front of a pool: k servers at ``utilisation``, service mean and variation.

    The tail is ``P(W > t) = C exp(-2k(1-rho)t / ((1+c2) S))`` with Erlang's C: the M/M/k tail with
    the Allen-Cunneen correction for the variation of the service time.
    """

    servers: int
    utilisation: float
    mean_service_s: float
    squared_variation: float

    @property
    def wait_probability(self) -> float:
        """Erlang's C."""
        return erlang_c(self.servers, self.utilisation)

    @property
    def tail_scale_s(self) -> float:
        """Mean wait of those who wait."""
        spread = (1.0 + self.squared_variation) * self.mean_service_s
        return spread / (2.0 * self.servers * (1.0 - self.utilisation))

    def exceedance(self, wait_s: Array) -> Array:
        """P(W > t); 1 for t < 0; broadcasts."""
        scale = max(self.tail_scale_s, 1e-12)
        tail = self.wait_probability * np.exp(-np.maximum(wait_s, 0.0) / scale)
        return np.where(wait_s < 0.0, 1.0, tail)
