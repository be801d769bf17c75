"""How long the work of a replica takes and what it draws, tabulated once for the replay.

All figures come from :mod:`ecoserve.performance` and :mod:`ecoserve.power`. With B sequences that
hold C tokens together, a decode step is affine in C where overheads add (q = 1, no power cap):

    t(B, C) = a_B + b C
    E(B, C) = min(cap t, P0 t + e_B + f C) - idle t

so k steps in a row, in which C grows by B each, have a closed form. Elsewhere the step is taken as
affine between two neighbouring mean contexts of a fine grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecoserve.performance import Replica, decode_step_s, kv_sequences, prefill_s
from ecoserve.power import PowerModel, decode_utilisation, prefill_pace, step_pace

Array = NDArray[np.float64]
BLOCK = 256
"""Prompt lengths tabulated together."""
LONG_S = 1e6
"""Divides work into utilisations far below one, so that they stay proportional to it."""
GRID_RATIO = 1.1
"""Mean contexts of neighbouring points of the grid where a step is not affine."""
GRID_OFFSET_TOKENS = 64.0
NO_CAP_W = 1e30

Coefficients = tuple[float, float, float, float]
"""Step in s: at no context, per token held; energy of a step in J beside P0: likewise."""
PromptTable = Callable[[Array], tuple[Array, Array]]
"""Seconds, and joules above idle, of the prefill of prompts of these lengths."""


class PromptPace:
    """The isolated prefill of one prompt by its whole number of tokens, tabulated when asked."""

    __slots__ = ("_blocks", "_table")

    def __init__(self, table: PromptTable) -> None:
        self._table = table
        self._blocks: dict[int, list[tuple[float, float]]] = {}

    def at(self, tokens: int) -> tuple[float, float]:
        """Seconds and joules above idle, at the wall."""
        number, place = divmod(tokens, BLOCK)
        block = self._blocks.get(number)
        if block is None:
            lengths = np.maximum(np.arange(number * BLOCK, (number + 1) * BLOCK), 1).astype(float)
            seconds, joules = self._table(lengths)
            block = list(zip(seconds.tolist(), joules.tolist(), strict=True))
            self._blocks[number] = block
        return block[place]


@dataclass(slots=True, kw_only=True)
class Pace:
    """One replica's tables; energies are at the wall and above what its server draws idle."""

    max_seqs: int
    capacity_tokens: float
    """KV cache of one replica."""
    is_affine: bool
    step0_s: list[float]
    """By batch, 0 to ``max_seqs``, at no context; likewise ``step0_j``."""
    step0_j: list[float]
    per_token_s: float
    per_token_j: float
    floor_w: float
    """P0 less idle."""
    cap_w: float
    """The accelerator's own limit less idle."""
    curve: Callable[[int, float], Coefficients]
    """At a batch and a mean context, where steps are not affine."""
    prompt_table: Callable[[float], PromptTable]
    """Given the share of a prompt that is found in the prefix cache."""
    _local: dict[tuple[int, int], Coefficients] = field(default_factory=dict)
    _prompts: dict[float, PromptPace] = field(default_factory=dict)

    def prompts(self, cached_ratio: float) -> PromptPace:
        """The prefill of prompts of which ``cached_ratio`` is in the prefix cache."""
        if cached_ratio not in self._prompts:
            self._prompts[cached_ratio] = PromptPace(self.prompt_table(cached_ratio))
        return self._prompts[cached_ratio]

    def coefficients(self, batch: int, held_tokens: float) -> Coefficients:
        """Of a decode step of ``batch`` >= 1 sequences that hold so many tokens together."""
        if self.is_affine:
            return (
                self.step0_s[batch], self.per_token_s, self.step0_j[batch], self.per_token_j
            )  # fmt: skip
        context = held_tokens / batch
        cell = int(math.log(1.0 + context / GRID_OFFSET_TOKENS) / math.log(GRID_RATIO))
        found = self._local.get((batch, cell))
        if found is None:
            low, high = (GRID_OFFSET_TOKENS * (GRID_RATIO**n - 1.0) for n in (cell, cell + 1))
            at_low, at_high = self.curve(batch, low), self.curve(batch, high)
            found = _line(at_low, at_high, batch * low, batch * high)
            self._local[batch, cell] = found
        return found


def _line(low: Coefficients, high: Coefficients, low_c: float, high_c: float) -> Coefficients:
    """Through (seconds, _, joules, _) at two totals of tokens held."""
    slope_s = (high[0] - low[0]) / (high_c - low_c)
    slope_j = (high[2] - low[2]) / (high_c - low_c)
    return low[0] - slope_s * low_c, slope_s, low[2] - slope_j * low_c, slope_j


def accelerator_pace(
    replica: Replica,
    power: PowerModel,
    max_seqs: int,
    power_cap_ratio: float,
    psu_efficiency: float,
) -> Pace:
    """A replica on accelerators."""
    capped = power_cap_ratio < 1.0
    batches = np.arange(max_seqs + 1.0)
    at_once = np.maximum(batches, 1.0)
    watts = replica.tp * power.tdp_w / psu_efficiency
    idle_w = replica.tp * power.idle_w / psu_efficiency
    zeros = np.zeros_like(at_once)
    base_j = watts * _work_s(power, replica, at_once, zeros)
    one = np.ones(1)
    many = np.full(1, 1e4)
    slope_j = watts * (_work_s(power, replica, one, many) - _work_s(power, replica, one, 0 * one))

    def curve(batch: int, context: float) -> Coefficients:
        b, c, none = np.array([float(batch)]), np.array([context]), np.zeros(1)
        pace = step_pace(power, replica, b, c, none, power_cap_ratio)
        drawn = replica.tp * pace.watts / psu_efficiency - idle_w
        joules = drawn * pace.seconds if capped else watts * _work_s(power, replica, b, c)
        return float(pace.seconds[0]), 0.0, float(joules[0]), 0.0

    def prompt_table(cached_ratio: float) -> PromptTable:
        def table(tokens: Array) -> tuple[Array, Array]:
            pace = prefill_pace(power, replica, tokens, cached_ratio, power_cap_ratio)
            drawn = replica.tp * pace.watts / psu_efficiency - idle_w
            return pace.seconds, drawn * pace.seconds

        return table

    return Pace(
        max_seqs=max_seqs,
        capacity_tokens=_capacity_tokens(replica),
        is_affine=replica.params.overlap_norm == 1.0 and not capped,
        step0_s=decode_step_s(replica, at_once, zeros).tolist(),
        step0_j=base_j.tolist(),
        per_token_s=_per_token_s(replica),
        per_token_j=float(slope_j[0] / many[0]),
        floor_w=0.0 if capped else watts * power.floor_ratio - idle_w,
        cap_w=NO_CAP_W if capped else watts * power.params.cap_ratio - idle_w,
        curve=curve,
        prompt_table=prompt_table,
    )


def socket_pace(
    replica: Replica, max_seqs: int, socket_w: float, spare_ratio: float, psu_efficiency: float
) -> Pace:
    """A replica on one CPU socket of which ``spare_ratio`` is left by the host's own duty.

    It takes turns with that duty: everything lasts 1 / ``spare_ratio`` as long, and the socket
    draws its extra watts for that share of the time.
    """
    at_once = np.maximum(np.arange(max_seqs + 1.0), 1.0)
    zeros = np.zeros_like(at_once)
    drawn = spare_ratio * socket_w / psu_efficiency

    def curve(batch: int, context: float) -> Coefficients:
        step = decode_step_s(replica, np.array([float(batch)]), np.array([context])) / spare_ratio
        return float(step[0]), 0.0, 0.0, 0.0

    def prompt_table(cached_ratio: float) -> PromptTable:
        def table(tokens: Array) -> tuple[Array, Array]:
            seconds = prefill_s(replica, tokens, cached_ratio) / spare_ratio
            return seconds, drawn * seconds

        return table

    return Pace(
        max_seqs=max_seqs,
        capacity_tokens=_capacity_tokens(replica),
        is_affine=replica.params.overlap_norm == 1.0,
        step0_s=(decode_step_s(replica, at_once, zeros) / spare_ratio).tolist(),
        step0_j=zeros.tolist(),
        per_token_s=_per_token_s(replica) / spare_ratio,
        per_token_j=0.0,
        floor_w=drawn,
        cap_w=NO_CAP_W,
        curve=curve,
        prompt_table=prompt_table,
    )


def _capacity_tokens(replica: Replica) -> float:
    return float(np.floor(kv_sequences(replica, np.ones(1)))[0])


def _per_token_s(replica: Replica) -> float:
    """What a token held adds to a step where overheads add."""
    many = 1e4
    steps = decode_step_s(replica, np.ones(2), np.array([0.0, many]))
    return float(steps[1] - steps[0]) / many


def _work_s(power: PowerModel, replica: Replica, batch: Array, context: Array) -> Array:
    """Energy of a step beside P0, over the TDP: a times the seconds of memory work and so on."""
    use = decode_utilisation(
        replica, batch, context, np.zeros_like(context), np.full_like(batch, LONG_S),
        prefills=False,
    )  # fmt: skip
    p = power.params
    rates = p.a_ratio * use.memory + p.b_ratio * use.compute
    return np.asarray(LONG_S * (rates + p.sequence_layer_s * use.sequence_layers_per_s))
