"""Seconds that a measured row shows, by its phase and the load it was measured under.

decode, isolated          t_step(B, c)
decode, closed loop       TPOT(B) = t_step + ((B-1)/OSL) t_prefill
prefill, isolated         t_request + t_prefill of B prompts together
prefill, closed loop      t_request + t_prefill (1 + b (B-1)/2) + t_step + wait for memory
e2e, isolated             waves x (t_request + t_prefill of the wave + (OSL-1) t_step)
linear_layer              one layer's products and elementwise work
allreduce                 a0 + 2 (g-1)/g bytes/bus
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecoserve.performance import (
    Replica,
    decode_step_s,
    first_token_s,
    kv_batch_limit,
    kv_sequences,
    mean_context_tokens,
    prefill_s,
    step_terms,
)
from ecoserve.points import Load, Phase

Array = NDArray[np.float64]

CLOSED_LOOP_BURST = 0.12
"""Share of the other users' prefills that a request waits for, two at a time being one apart: users
that start together stay together for the first of about ten requests each."""


@dataclass(frozen=True, slots=True)
class Work:
    """What the replicas of stacked points are asked to do; arrays of one shape."""

    batch: Array
    isl: Array
    osl: Array
    context: Array


def latency_of(phase: Phase, load: Load, replica: Replica, work: Work) -> Array:
    """Seconds that a row of this phase under this load would show; shape of ``work``."""
    return LATENCY[phase, load](replica, work)


def running(replica: Replica, work: Work) -> Array:
    """Sequences that run at once when ``batch`` users each wait for their last answer: at their
    mean length, since they are at different places of their answers."""
    fits = kv_sequences(replica, mean_context_tokens(work.isl, work.osl))
    return np.minimum(work.batch, np.maximum(fits, 1.0))


def _decode_alone_s(replica: Replica, work: Work) -> Array:
    return decode_step_s(replica, work.batch, work.context)


def _decode_closed_loop_s(replica: Replica, work: Work) -> Array:
    batch = running(replica, work)
    step = decode_step_s(replica, batch, mean_context_tokens(work.isl, work.osl))
    return step + (batch - 1.0) / work.osl * prefill_s(replica, work.isl)


def _prefill_alone_s(replica: Replica, work: Work) -> Array:
    return replica.params.t_request_s + prefill_s(replica, work.isl, prompts=work.batch)


def _prefill_closed_loop_s(replica: Replica, work: Work) -> Array:
    batch = running(replica, work)
    step = decode_step_s(replica, batch, mean_context_tokens(work.isl, work.osl))
    prefill = prefill_s(replica, work.isl)
    others = CLOSED_LOOP_BURST * (batch - 1.0) / 2.0 * prefill
    occupied = work.osl * _decode_closed_loop_s(replica, work) + prefill
    return first_token_s(replica, work.isl, step) + others + (work.batch - batch) / batch * occupied


def _e2e_s(replica: Replica, work: Work) -> Array:
    batch = np.clip(kv_batch_limit(replica, work.isl, work.osl), 1.0, work.batch)
    step = decode_step_s(replica, batch, mean_context_tokens(work.isl, work.osl))
    prefill = replica.params.t_request_s + prefill_s(replica, work.isl, prompts=batch)
    return work.batch / batch * (prefill + (work.osl - 1.0) * step)


def _linear_layer_s(replica: Replica, work: Work) -> Array:
    terms = step_terms(replica, work.batch, np.zeros_like(work.batch))
    return np.hypot(terms.weights, terms.compute) + terms.elementwise + terms.launches


def _allreduce_s(replica: Replica, work: Work) -> Array:
    twice = replica.allreduce_latency_s + replica.allreduce_s_per_token * work.batch
    return twice / 2.0


LATENCY: dict[tuple[Phase, Load], Callable[[Replica, Work], Array]] = {
    ("decode", "isolated"): _decode_alone_s,
    ("decode", "closed_loop"): _decode_closed_loop_s,
    ("prefill", "isolated"): _prefill_alone_s,
    ("prefill", "closed_loop"): _prefill_closed_loop_s,
    ("e2e", "isolated"): _e2e_s,
    ("linear_layer", "isolated"): _linear_layer_s,
    ("allreduce", "isolated"): _allreduce_s,
}
"""What is modelled."""
