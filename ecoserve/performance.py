"""How fast a replica is: step time, TPOT, prefill, memory and the queue in front of it.

One form for accelerators and host CPUs. With g accelerators, F peak FLOP/s, BW peak bytes/s,
N active matmul parameters, W weight bytes a step reads, kv bytes of KV cache per token:

    gpu(B, c)      = || W/(g BW mbu), 2NB/(g F mfu_d) ||_2 + B c kv (n_heads/n_kv)^0.1/(min(g, n_kv)
                     BW mbu_kv) + allreduce(B) + 24 L d_model B/(BW mbu)
    t_step(B, c)   = || gpu, L t_layer ||_q + t0 + B t_seq
    t_prefill(T)   = || (2NT + 2 L_a d_attn T T)/(g F mfu_p) + W/(g BW mbu) + allreduce(T)
                     + 24 L d_model T/(BW mbu), L t_layer ||_q
    period(B)      = t_step + (B/OSL) t_prefill         what B sequences cost the replica
    TPOT(B)        = t_step + ((B-1)/OSL) t_prefill     a user's own prefill belongs to TTFT
    TTFT           = t_request + wait + t_prefill + t_step

The last term of gpu is the traffic of residuals, norms and activations, which tensor parallelism
does not split. q is 1 (overheads add) for stacks that replay captured graphs, more for stacks that
launch kernel by kernel while the device works. The form and its terms follow LLM inference
rooflines fitted to published measurements; the parameters and their sources stand in the catalog's
``serving_parameters``, the measurements in its ``measured_points``.
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
ELEMENTWISE_VALUES = 12.0
"""Values of d_model that norms, residual sums and activations move per token and layer: 9.9 to 13.3
fit single layers of three accelerators; every device of a tensor-parallel group moves all."""
GQA_EXPONENT = 0.1
"""KV reads slow down with the query heads that share one KV head, to this power."""
MOE_LAYER_S = 20e-6
"""Router, permutation and grouped products of a layer with experts: some six kernels more."""
MOE_ERROR_BAND = 0.31
"""Error of mixtures of experts under parameters of dense models, on points no fit has seen
(``ecoserve.accuracy``)."""

WEIGHT_BYTES = {"bf16": 2.0, "fp8": 1.0, "int8": 1.0, "int4": 0.5625}
"""Bytes per weight; 4-bit formats carry a scale of 8 bits for every 16 weights."""
KV_BYTES = {"bf16": 2.0, "fp8": 1.0, "int8": 1.0}
"""Bytes per value of the KV cache, which stays at 16 bits by the default of the stacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One instance of an LLM on ``tp`` devices, reduced to the constants of the form above."""

    tp: int
    layers: int
    d_attn: float
    """Values of all heads that attention of a prompt multiplies."""
    attention_layers: float
    """Layers that attend to the whole prompt."""
    flop_per_token: float
    """2N."""
    dense_bytes: float
    """Weight bytes every step reads."""
    expert_bytes: float
    """Weight bytes of all experts, of which a batch touches a part."""
    expert_hit_ratio: float
    """Share of the experts that one token uses; 1 for dense models."""
    moe_layer_s: float
    """Overhead of all layers for having experts, 0 for dense models."""
    resident_bytes: float
    kv_bytes_per_token: float
    kv_shards: int
    """min(tp, n_kv): over how many devices KV reads spread."""
    kv_copies: float
    """max(1, tp / n_kv): how often each KV entry is held."""
    kv_slowdown: float
    """How much longer KV reads take for the query heads that share a KV head."""
    elementwise_bytes_per_token: float
    """Traffic per device of norms, residual sums and activations."""
    memory_bytes: float
    """Usable by the engine, over all devices."""
    bytes_per_s: float
    """Peak, per device."""
    flop_per_s: float
    """Peak dense rate at the compute precision, per device."""
    n_allreduces: float
    """Per step, 0 on one device."""
    allreduce_bytes_per_token: float
    """Over the bus, all layers of a step."""
    bus_bytes_per_s: float
    link_latency_s: float
    """Least time of one all-reduce over this accelerator's link, 0 where that is its family's."""
    params: ServingParameters

    @property
    def error_band(self) -> float:
        """Relative error of TPOT to plan against, 0.1 = 10 %; wider for mixtures of experts."""
        if self.moe_layer_s > 0:
            return max(self.params.error_band, MOE_ERROR_BAND)
        return self.params.error_band

    @property
    def installed_bytes(self) -> float:
        """All memory of all accelerators, the part included that the engine leaves free."""
        return (self.memory_bytes + self.tp * ACTIVATION_BYTES) / MEMORY_USED_RATIO

    @property
    def allreduce_latency_s(self) -> float:
        """Of all layers of a step, 0 on one device."""
        latency: float = np.maximum(self.params.allreduce_latency_s, self.link_latency_s)
        return self.n_allreduces * latency

    @property
    def allreduce_s_per_token(self) -> float:
        """Time on the bus, 0 on one device."""
        bus = self.bus_bytes_per_s * self.params.bus_ratio
        return self.allreduce_bytes_per_token / bus


def compute_tflops(accelerator: Accelerator, precision: str, *, weight_only: bool = False) -> float:
    """Peak dense rate of matrix products with weights in ``precision``.

    Weights alone in few bits are widened to 16 before they are multiplied. 8- and 4-bit formats
    are widened too where the hardware multiplies them no faster than 16 bits, or not at all; a
    model in fp8 needs hardware that computes in fp8. Raises ``ValueError`` where it has none.
    """
    native = accelerator.rate_tflops(precision)
    if native is None and precision == "fp8":
        raise ValueError(f"{accelerator.id} has no native {precision}")
    if weight_only or native is None:
        return accelerator.bf16_tflops
    return max(native, accelerator.bf16_tflops)


def accelerator_replica(
    llm: Llm,
    accelerator: Accelerator,
    tp: int,
    precision: str,
    params: ServingParameters,
    kv_precision: str = "bf16",
    *,
    weight_only: bool = False,
) -> Replica:
    """A replica on ``tp`` accelerators of one node.

    ``weight_only``: only the weights have few bits, products are those of 16 bits.
    """
    bus = accelerator.allreduce_gb_per_s or LINK_EFFICIENCY * accelerator.link_gb_per_s
    usable = MEMORY_USED_RATIO * accelerator.memory_gb * BYTES_PER_GB - ACTIVATION_BYTES
    peak = compute_tflops(accelerator, precision, weight_only=weight_only)
    return _replica(
        llm, precision, kv_precision, params, tp=tp, memory_bytes=usable * tp,
        bytes_per_s=accelerator.memory_gb_per_s * BYTES_PER_GB,
        flop_per_s=peak * FLOP_PER_TFLOP, bus_bytes_per_s=bus * BYTES_PER_GB,
        link_latency_s=accelerator.allreduce_latency_s or 0.0,
    )  # fmt: skip


def host_replica(llm: Llm, host: Host, dram_gb: float, params: ServingParameters) -> Replica:
    """A replica on one CPU socket with its share ``dram_gb`` of the host's memory."""
    return socket_replica(
        llm, host.cpu.memory_gb_per_s, host.cpu.bf16_tflops, dram_gb, params, precision="bf16"
    )


def socket_replica(
    llm: Llm,
    memory_gb_per_s: float,
    bf16_tflops: float,
    dram_gb: float,
    params: ServingParameters,
    precision: str,
) -> Replica:
    """A replica on CPU sockets with these theoretical rates together."""
    usable = MEMORY_USED_RATIO * dram_gb * BYTES_PER_GB - ACTIVATION_BYTES
    return _replica(
        llm, precision, "bf16", params, tp=1, memory_bytes=usable,
        bytes_per_s=memory_gb_per_s * BYTES_PER_GB,
        flop_per_s=bf16_tflops * FLOP_PER_TFLOP, bus_bytes_per_s=math.inf,
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


def kv_values_per_token(llm: Llm) -> float:
    """Values of the KV cache per token: a key and a value per layer and KV head, or one latent."""
    tensors = 1.0 if llm.mla else 2.0
    return tensors * llm.layers * llm.n_kv_heads * llm.head_dim


def _replica(
    llm: Llm,
    precision: str,
    kv_precision: str,
    params: ServingParameters,
    *,
    tp: int,
    memory_bytes: float,
    bytes_per_s: float,
    flop_per_s: float,
    bus_bytes_per_s: float,
    link_latency_s: float = 0.0,
) -> Replica:
    weight_bytes = WEIGHT_BYTES[precision]
    hit_ratio = llm.experts_per_token / llm.n_experts if llm.n_experts else 1.0
    experts = expert_params(llm)
    message_bytes = llm.d_model * ACTIVATION_BYTES_PER_VALUE
    latent = llm.mla
    return Replica(
        tp=tp,
        layers=llm.layers,
        d_attn=llm.n_heads * (llm.prefill_head_dim or llm.head_dim),
        attention_layers=llm.attention_layers or llm.layers,
        flop_per_token=2.0 * matmul_params(llm),
        dense_bytes=(matmul_params(llm) - experts * hit_ratio) * weight_bytes,
        expert_bytes=experts * weight_bytes,
        expert_hit_ratio=hit_ratio,
        moe_layer_s=llm.layers * MOE_LAYER_S if llm.n_experts else 0.0,
        resident_bytes=llm.params_b * 1e9 * weight_bytes,
        kv_bytes_per_token=kv_values_per_token(llm) * KV_BYTES[kv_precision],
        kv_shards=min(tp, llm.n_kv_heads),
        kv_copies=max(1.0, tp / llm.n_kv_heads),
        kv_slowdown=1.0 if latent else (llm.n_heads / llm.n_kv_heads) ** GQA_EXPONENT,
        elementwise_bytes_per_token=ELEMENTWISE_VALUES * llm.layers * message_bytes,
        memory_bytes=memory_bytes,
        bytes_per_s=bytes_per_s,
        flop_per_s=flop_per_s,
        n_allreduces=2.0 * llm.layers if tp > 1 else 0.0,
        allreduce_bytes_per_token=2 * llm.layers * 2 * (tp - 1) / tp * message_bytes,
        bus_bytes_per_s=bus_bytes_per_s,
        link_latency_s=link_latency_s,
        params=params,
    )


def weight_bytes_read(replica: Replica, tokens: Array) -> Array:
    """Weight bytes a step with ``tokens`` tokens reads: the experts it touches and all the rest."""
    untouched = (1.0 - replica.expert_hit_ratio) ** tokens
    touched: Array = replica.expert_bytes * (1.0 - untouched)
    return replica.dense_bytes + touched


@dataclass(frozen=True, slots=True)
class StepTerms:
    """The parts of a decode step in seconds; arrays of one shape."""

    weights: Array
    compute: Array
    kv: Array
    allreduce: Array
    elementwise: Array
    launches: Array
    """Of all layers."""
    serial: Array
    """Per step and sequence: scheduling and sampling."""
    overlap_norm: float

    @property
    def total_s(self) -> Array:
        """The step: what the device does, kernel launches beside or after it, then the rest."""
        device = np.hypot(self.weights, self.compute) + self.kv + self.allreduce + self.elementwise
        return _overlapped(device, self.launches, self.overlap_norm) + self.serial


def _overlapped(device: Array, launches: Array, norm: float) -> Array:
    """q-norm of the two: their sum at 1, almost the larger one for large q."""
    if norm == 1.0:
        return device + launches
    # Scaled by the larger one, which keeps the powers finite.
    larger = np.maximum(device, launches)
    scaled = (device / larger) ** norm + (launches / larger) ** norm
    total: Array = larger * scaled ** (1.0 / norm)
    return total


def step_terms(replica: Replica, batch: Array, context_tokens: Array) -> StepTerms:
    """The parts of one decode step of ``batch`` sequences at a mean context; broadcasts."""
    p = replica.params
    device_bytes = replica.bytes_per_s * p.mbu
    kv = batch * context_tokens * replica.kv_bytes_per_token * replica.kv_slowdown
    ones = np.ones_like(batch)
    return StepTerms(
        weights=weight_bytes_read(replica, batch) / (replica.tp * device_bytes),
        compute=replica.flop_per_token * batch / (replica.tp * replica.flop_per_s * p.mfu_decode),
        kv=kv / (replica.kv_shards * replica.bytes_per_s * p.mbu_kv),
        allreduce=replica.allreduce_latency_s + replica.allreduce_s_per_token * batch,
        elementwise=replica.elementwise_bytes_per_token * batch / device_bytes,
        launches=ones * (replica.layers * p.t_layer_s + replica.moe_layer_s),
        serial=p.t0_s + batch * p.t_seq_s,
        overlap_norm=p.overlap_norm,
    )


def decode_step_s(replica: Replica, batch: Array, context_tokens: Array) -> Array:
    """Seconds of one decode step of ``batch`` sequences at a mean context; broadcasts."""
    return step_terms(replica, batch, context_tokens).total_s


def prefill_flop(replica: Replica, isl_tokens: Array, cached_ratio: Array | float = 0.0) -> Array:
    """FLOP of the prefill of one prompt: matmuls of its new tokens and causal attention.

    ``cached_ratio`` of the prompt is found in the prefix cache: its tokens are not multiplied
    again, but the new ones attend to them too.
    """
    width = 2.0 * replica.attention_layers * replica.d_attn
    attention = width * isl_tokens**2 * (1.0 - cached_ratio**2)
    return replica.flop_per_token * isl_tokens * (1.0 - cached_ratio) + attention


def prefill_s(
    replica: Replica,
    isl_tokens: Array,
    cached_ratio: Array | float = 0.0,
    prompts: Array | float = 1.0,
) -> Array:
    """Seconds of the isolated prefill of ``prompts`` prompts of one length together."""
    p = replica.params
    device_bytes = replica.bytes_per_s * p.mbu
    tokens = prompts * isl_tokens * (1.0 - cached_ratio)
    flop = prompts * prefill_flop(replica, isl_tokens, cached_ratio)
    compute = flop / (replica.tp * replica.flop_per_s * p.mfu_prefill)
    read = weight_bytes_read(replica, tokens) / (replica.tp * device_bytes)
    reduce = replica.allreduce_latency_s + replica.allreduce_s_per_token * tokens
    elementwise = replica.elementwise_bytes_per_token * tokens / device_bytes
    device = np.hypot(compute, read) + reduce + elementwise
    launches = np.ones_like(device) * (replica.layers * p.t_layer_s + replica.moe_layer_s)
    return _overlapped(device, launches, p.overlap_norm)


def first_token_s(
    replica: Replica, isl_tokens: Array, step_s: Array, cached_ratio: Array | float = 0.0
) -> Array:
    """TTFT without waiting: front end, own prefill and one step of the running batch."""
    return replica.params.t_request_s + prefill_s(replica, isl_tokens, cached_ratio) + step_s


def mean_context_tokens(isl_tokens: Array, osl_tokens: Array) -> Array:
    """Mean KV length of a sequence while it decodes: the prompt and half the answer."""
    return isl_tokens + osl_tokens / 2.0


def kv_batch_limit(
    replica: Replica, isl_tokens: Array, osl_tokens: Array, max_num_seqs: int = MAX_NUM_SEQS
) -> Array:
    """Most sequences that fit in memory and in the engine's limit; < 1 where not even one does."""
    held = np.maximum(mean_context_tokens(isl_tokens, osl_tokens), 0.87 * (isl_tokens + osl_tokens))
    return np.minimum(np.floor(kv_sequences(replica, held)), max_num_seqs)


def kv_sequences(replica: Replica, held_tokens: Array) -> Array:
    """How many sequences that hold this many tokens fit in memory beside the weights; >= 0."""
    free = np.maximum(replica.memory_bytes - replica.resident_bytes, 0.0)
    fits: Array = free / (replica.kv_bytes_per_token * replica.kv_copies * held_tokens)
    return fits
