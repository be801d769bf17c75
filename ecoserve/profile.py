"""One replica on its own: how fast, how hungry and what holds it back, at a batch or at an SLO."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecoserve.catalog import Catalog
from ecoserve.errors import InfeasibleError, MissingDataError, Problem, ScenarioError
from ecoserve.options import TP_DEGREES
from ecoserve.performance import (
    MAX_NUM_SEQS,
    PREFILL_INTERFERENCE,
    WEIGHT_BYTES,
    Replica,
    accelerator_replica,
    decode_step_s,
    kv_batch_limit,
    mean_context_tokens,
    prefill_s,
    weight_bytes_read,
)
from ecoserve.power import PowerModel, busy_power
from ecoserve.rows import Accelerator, Llm, ServingParameters
from ecoserve.units import BYTES_PER_GB


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingProfile:
    """A mixed replica serving requests of one length, without queueing."""

    batch: int
    ttft_s: float
    """Own prefill and one step."""
    tpot_s: float
    tokens_per_s: float
    """Output tokens."""
    requests_per_s: float
    power_w: float
    """All accelerators of the replica, no host."""
    j_per_token: float
    """Per output token."""
    memory_gb: float
    """Weights and KV cache in use over all accelerators."""
    bound_by: str
    """The largest term of a decode step: weights, compute, kv, overhead, all-reduce or prefill."""
    error_band: float
    provenance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileQuery:
    """Which replica, and the length of its requests."""

    llm_id: str
    accelerator_id: str
    tp: int
    stack: str
    precision: str
    isl_tokens: float
    osl_tokens: float


def profile_at_batch(catalog: Catalog, query: ProfileQuery, batch: int) -> ServingProfile:
    """The profile at a given batch; raises :class:`InfeasibleError` where it does not fit."""
    setup = _setup(catalog, query)
    limit = _memory_limit(setup)
    if batch < 1:
        raise ScenarioError([Problem("batch", f"must be at least 1, got {batch}")])
    if batch > limit:
        raise InfeasibleError(
            f"memory: at most {limit} such requests fit on {query.tp} x {query.accelerator_id}"
            if limit
            else f"memory: {query.llm_id} does not fit on {query.tp} x {query.accelerator_id}"
        )
    return _profile(setup, batch)


def profile_at_slo(
    catalog: Catalog, query: ProfileQuery, ttft_s: float, tpot_s: float
) -> ServingProfile:
    """The profile at the largest batch that keeps both limits with the model's error margin."""
    setup = _setup(catalog, query)
    limit = _memory_limit(setup)
    if limit < 1:
        raise InfeasibleError(
            f"memory: {query.llm_id} does not fit on {query.tp} x {query.accelerator_id}"
        )
    margin = 1.0 + setup.params.error_band
    fitting = [
        profile
        for profile in (_profile(setup, batch) for batch in range(1, limit + 1))
        if profile.tpot_s * margin <= tpot_s and profile.ttft_s * margin <= ttft_s
    ]
    if not fitting:
        raise InfeasibleError(_why_not(_profile(setup, 1), ttft_s, tpot_s, margin))
    return fitting[-1]


def _why_not(alone: ServingProfile, ttft_s: float, tpot_s: float, margin: float) -> str:
    reasons = []
    if alone.ttft_s * margin > ttft_s:
        reasons.append(f"TTFT: {alone.ttft_s:.3g} s at batch 1, limit {ttft_s:.3g} s")
    if alone.tpot_s * margin > tpot_s:
        reasons.append(f"TPOT: {alone.tpot_s:.3g} s at batch 1, limit {tpot_s:.3g} s")
    return f"{'; '.join(reasons)} (with a margin of {margin - 1.0:.0%} for the model's error)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setup:
    llm: Llm
    accelerator: Accelerator
    replica: Replica
    params: ServingParameters
    isl: np.ndarray
    osl: np.ndarray
    catalog: Catalog


def _setup(catalog: Catalog, query: ProfileQuery) -> _Setup:
    llm, accelerator = catalog.llm(query.llm_id), catalog.accelerator(query.accelerator_id)
    problems = list(_problems(query))
    if problems:
        raise ScenarioError(problems)
    if accelerator.rate_tflops(query.precision) is None:
        raise MissingDataError(f"{accelerator.id} has no native {query.precision}")
    params = catalog.serving(accelerator.family, query.stack, query.precision)
    return _Setup(
        llm=llm,
        accelerator=accelerator,
        replica=accelerator_replica(llm, accelerator, query.tp, query.precision, params),
        params=params,
        isl=np.array([query.isl_tokens], dtype=float),
        osl=np.array([query.osl_tokens], dtype=float),
        catalog=catalog,
    )


def _problems(query: ProfileQuery) -> list[Problem]:
    problems = []
    if query.tp not in TP_DEGREES:
        known = ", ".join(str(tp) for tp in TP_DEGREES)
        problems.append(Problem("tp", f"must be one of {known}, got {query.tp}"))
    if query.precision not in WEIGHT_BYTES:
        known = ", ".join(WEIGHT_BYTES)
        problems.append(Problem("precision", f"must be one of {known}, got {query.precision!r}"))
    for name in ("isl_tokens", "osl_tokens"):
        if not 1 <= getattr(query, name) <= 1e7:
            problems.append(Problem(name, f"must be 1 to 1e7, got {getattr(query, name):g}"))
    return problems


def _memory_limit(setup: _Setup) -> int:
    return int(min(kv_batch_limit(setup.replica, setup.isl, setup.osl)[0], MAX_NUM_SEQS))


def _profile(setup: _Setup, batch: int) -> ServingProfile:
    replica, isl, osl = setup.replica, setup.isl, setup.osl
    b = np.array([float(batch)])
    prefill = prefill_s(replica, isl)
    step = decode_step_s(replica, b, mean_context_tokens(isl, osl))
    interference = PREFILL_INTERFERENCE * prefill / osl
    period = float((step + b * interference)[0])
    power = setup.catalog.power(setup.accelerator.family)
    model = PowerModel(params=power, tdp_w=setup.accelerator.tdp_w, idle_w=setup.accelerator.idle_w)
    busy = busy_power(model, replica, b, isl, osl, prefills=True)
    watts = replica.tp * float(busy.mean_w[0])
    context = float(mean_context_tokens(isl, osl)[0])
    kv_bytes = batch * context * replica.kv_bytes_per_token * replica.kv_copies
    return ServingProfile(
        batch=batch,
        ttft_s=float((prefill + step)[0]),
        tpot_s=float((step + (b - 1) * interference)[0]),
        tokens_per_s=batch / period,
        requests_per_s=batch / period / float(osl[0]),
        power_w=watts,
        j_per_token=watts * period / batch,
        memory_gb=(replica.resident_bytes + kv_bytes) / BYTES_PER_GB,
        bound_by=_bound_by(setup, batch, context, float((b * interference)[0])),
        error_band=setup.params.error_band,
        provenance=setup.params.provenance,
    )


def _bound_by(setup: _Setup, batch: int, context: float, prefill_share_s: float) -> str:
    replica, p = setup.replica, setup.params
    tokens = np.array([float(batch)])
    device_bytes_per_s = replica.tp * replica.bytes_per_s
    terms = {
        "weights": float(weight_bytes_read(replica, tokens)[0]) / (device_bytes_per_s * p.mbu),
        "compute": replica.flop_per_token * batch
        / (replica.tp * replica.flop_per_s * p.mfu_decode),
        "kv": batch * context * replica.kv_bytes_per_token
        / (replica.kv_shards * replica.bytes_per_s * p.mbu_kv),
        "all-reduce": replica.allreduce_latency_s + replica.allreduce_s_per_token * batch,
        "overhead": p.t0_s + replica.layers * p.t_layer_s + batch * p.t_seq_s,
        "prefill": prefill_share_s,
    }  # fmt: skip
    return max(terms, key=lambda name: terms[name])
