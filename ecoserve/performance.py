"""How fast a replica is: step time, TPOT, prefill, memory and the queue in front of it.

One form for accelerators and host CPUs. With g accelerators, F peak FLOP/s, BW peak bytes/s,
N active matmul parameters, W weight bytes a step reads, kv bytes of KV cache per token:

    t_step(B, c)   = || W/(g BW mbu), 2NB/(g F mfu_d) ||_2 + B c kv/(min(g, n_kv) BW mbu_kv)
                     + allreduce(B) + t0 + L t_layer + B t_seq
    t_prefill(T)   = (2NT + 2 L d_attn T T)/(g F mfu_p) + W/(g BW mbu) + allreduce(T) + L t_layer
    period(B)      = t_step + (B/OSL) t_prefill         what B sequences cost the replica
    TPOT(B)        = t_step + ((B-1)/OSL) t_prefill     a user's own prefill belongs to TTFT

The form and its terms follow LLM inference rooflines fitted to published measurements; the
parameters and their sources stand in the catalog's ``serving_parameters``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecoserve.rows import Accelerator, Host, Llm, ServingParameters
from ecoserve.units import BYTES_PER_GB, FLOP_PER_TFLOP

Array = NDArray[np.float64]

MAX_NUM_SEQS = 256
"""Most sequences a replica runs at once, vLLM's default."""
MEMORY_USED_RATIO = 0.9
"""Share of the accelerator memory the engine takes, vLLM's default."""
ACTIVATION_BYTES = 1.75 * BYTES_PER_GB
"""Working memory per accelerator beside weights and KV."""
PREFILL_INTERFERENCE = 1.0
"""How much of a prefill's time the running sequences wait for (pi), in mixed pools."""
LINK_EFFICIENCY = 0.9
"""All-reduce bus bandwidth over one-direction link bandwidth where none was measured."""
ACTIVATION_BYTES_PER_VALUE = 2.0

WEIGHT_BYTES = {"bf16": 2.0, "fp8": 1.0}
"""Bytes per weight. The KV cache stays at 16 bits in both, the default of the serving stacks."""
KV_BYTES_PER_VALUE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One instance of an LLM on ``tp`` devices, reduced to the constants of the form above."""

    tp: int
    layers: int
    d_attn: float
    flop_per_token: float
    """2N."""
    dense_bytes: float
    """Weight bytes every step reads."""
    expert_bytes: float
    """Weight bytes of all experts, of which a batch touches a part."""
    expert_hit_ratio: float
    """Share of the experts that one token uses; 1 for dense models."""
    resident_bytes: float
    kv_bytes_per_token: float
    kv_shards: int
    """min(tp, n_kv): over how many devices KV reads spread."""
    kv_copies: float
    """max(1, tp / n_kv): how often each KV entry is held."""
    memory_bytes: float
    """Usable by the engine, over all devices."""
    bytes_per_s: float
    """Peak, per device."""
    flop_per_s: float
    """Peak dense rate at the compute precision, per device."""
    allreduce_latency_s: float
    """Of all layers of a step, 0 on one device."""
    allreduce_s_per_token: float
    params: ServingParameters


def kv_values_per_token(llm: Llm) -> float:
    """Values of the KV cache per token: a key and a value per layer and KV head, or one latent."""
    tensors = 1.0 if llm.mla else 2.0
    return tensors * llm.layers * llm.n_kv_heads * llm.head_dim


def accelerator_replica(
    llm: Llm, accelerator: Accelerator, tp: int, precision: str, params: ServingParameters
) -> Replica:
    """A replica on ``tp`` accelerators of one node."""
    bus = accelerator.allreduce_gb_per_s or LINK_EFFICIENCY * accelerator.link_gb_per_s
    tflops = accelerator.rate_tflops(precision)
    if tflops is None:
        raise ValueError(f"{accelerator.id} has no native {precision}")
    usable = MEMORY_USED_RATIO * accelerator.memory_gb * BYTES_PER_GB - ACTIVATION_BYTES
    return _replica(
        llm, precision, params, tp=tp, memory_bytes=usable * tp,
        bytes_per_s=accelerator.memory_gb_per_s * BYTES_PER_GB,
        flop_per_s=tflops * FLOP_PER_TFLOP, bus_bytes_per_s=bus * BYTES_PER_GB,
    )  # fmt: skip


def host_replica(llm: Llm, host: Host, dram_gb: float, params: ServingParameters) -> Replica:
    """A replica on one CPU socket with its share ``dram_gb`` of the host's memory."""
    usable = MEMORY_USED_RATIO * dram_gb * BYTES_PER_GB - ACTIVATION_BYTES
    return _replica(
        llm, "bf16", params, tp=1, memory_bytes=usable,
        bytes_per_s=host.cpu.memory_gb_per_s * BYTES_PER_GB,
        flop_per_s=host.cpu.bf16_tflops * FLOP_PER_TFLOP, bus_bytes_per_s=math.inf,
    )  # fmt: skip


def matmul_params(llm: Llm) -> float:
    """Active parameters that a token is multiplied with: all but an untied input embedding."""
    embedding = 0.0 if llm.tied_embeddings else float(llm.vocab * llm.d_model)
    return llm.active_b * 1e9 - embedding


def expert_params(llm: Llm) -> float:
    """Parameters in all experts: total - active = experts x (1 - k/E).

    >>> from ecoserve.rows import Llm
    >>> moe = Llm(id="m", source_id="s", quality="assumed", name="m", aliases=(), layers=1,
    ...           d_model=1, n_heads=1, n_kv_heads=1, head_dim=1, vocab=1, params_b=47.0,
    ...           active_b=13.0, n_experts=8, experts_per_token=2, tied_embeddings=True)
    >>> round(expert_params(moe) / 1e9, 3)
    45.333
    """
    if llm.n_experts == 0:
        return 0.0
    return (llm.params_b - llm.active_b) * 1e9 / (1.0 - llm.experts_per_token / llm.n_experts)


def _replica(
    llm: Llm,
    precision: str,
    params: ServingParameters,
    *,
    tp: int,
    memory_bytes: float,
    bytes_per_s: float,
    flop_per_s: float,
    bus_bytes_per_s: float,
) -> Replica:
    weight_bytes = WEIGHT_BYTES[precision]
    hit_ratio = llm.experts_per_token / llm.n_experts if llm.n_experts else 1.0
    experts = expert_params(llm)
    message_bytes = llm.d_model * ACTIVATION_BYTES_PER_VALUE
    per_token = 2 * llm.layers * 2 * (tp - 1) / tp * message_bytes / bus_bytes_per_s
    return Replica(
        tp=tp,
        layers=llm.layers,
        d_attn=float(llm.n_heads * llm.head_dim),
        flop_per_token=2.0 * matmul_params(llm),
        dense_bytes=(matmul_params(llm) - experts * hit_ratio) * weight_bytes,
        expert_bytes=experts * weight_bytes,
        expert_hit_ratio=hit_ratio,
        resident_bytes=llm.params_b * 1e9 * weight_bytes,
        kv_bytes_per_token=kv_values_per_token(llm) * KV_BYTES_PER_VALUE,
        kv_shards=min(tp, llm.n_kv_heads),
        kv_copies=max(1.0, tp / llm.n_kv_heads),
        memory_bytes=memory_bytes,
        bytes_per_s=bytes_per_s,
        flop_per_s=flop_per_s,
        allreduce_latency_s=2 * llm.layers * params.allreduce_latency_s if tp > 1 else 0.0,
        allreduce_s_per_token=per_token,
        params=params,
    )


def weight_bytes_read(replica: Replica, tokens: Array) -> Array:
    """Weight bytes a step with ``tokens`` tokens reads: the experts it touches and all the rest."""
    untouched = (1.0 - replica.expert_hit_ratio) ** tokens
    touched: Array = replica.expert_bytes * (1.0 - untouched)
    return replica.dense_bytes + touched


def decode_step_s(replica: Replica, batch: Array, context_tokens: Array) -> Array:
    """Seconds of one decode step of ``batch`` sequences at a mean context; broadcasts."""
    p = replica.params
    weights = weight_bytes_read(replica, batch) / (replica.tp * replica.bytes_per_s * p.mbu)
    compute = replica.flop_per_token * batch / (replica.tp * replica.flop_per_s * p.mfu_decode)
    kv = batch * context_tokens * replica.kv_bytes_per_token
    kv_s = kv / (replica.kv_shards * replica.bytes_per_s * p.mbu_kv)
    overhead = p.t0_s + replica.layers * p.t_layer_s + batch * p.t_seq_s
    reduce = replica.allreduce_latency_s + replica.allreduce_s_per_token * batch
    step: Array = np.hypot(weights, compute) + kv_s + reduce + overhead
    return step


def prefill_flop(replica: Replica, isl_tokens: Array) -> Array:
    """FLOP of the prefill of one prompt: matmuls and causal attention."""
    attention = 2.0 * replica.layers * replica.d_attn * isl_tokens**2
    return replica.flop_per_token * isl_tokens + attention


def prefill_s(replica: Replica, isl_tokens: Array) -> Array:
    """Seconds of the isolated prefill of one prompt."""
    p = replica.params
    compute = prefill_flop(replica, isl_tokens) / (replica.tp * replica.flop_per_s * p.mfu_prefill)
    read = weight_bytes_read(replica, isl_tokens) / (replica.tp * replica.bytes_per_s * p.mbu)
    reduce = replica.allreduce_latency_s + replica.allreduce_s_per_token * isl_tokens
    return compute + read + reduce + replica.layers * p.t_layer_s


def mean_context_tokens(isl_tokens: Array, osl_tokens: Array) -> Array:
    """Mean KV length of a sequence while it decodes: the prompt and half the answer."""
    return isl_tokens + osl_tokens / 2.0


def kv_batch_limit(replica: Replica, isl_tokens: Array, osl_tokens: Array) -> Array:
    """Most sequences that fit in memory and in the engine's limit; < 1 where not even one does."""
    free = replica.memory_bytes - replica.resident_bytes
    held = np.maximum(mean_context_tokens(isl_tokens, osl_tokens), 0.87 * (isl_tokens + osl_tokens))
    fits = free / (replica.kv_bytes_per_token * replica.kv_copies * held)
    return np.minimum(np.floor(np.maximum(fits, 0.0)), MAX_NUM_SEQS)


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
