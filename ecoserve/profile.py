"""One replica on its own: how fast, how hungry and what holds it back, at a batch or at an SLO."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecoserve.calibration import SMALLEST_BAND
from ecoserve.catalog import Catalog
from ecoserve.correction import Grid, step_grid
from ecoserve.errors import InfeasibleError, Problem, ScenarioError
from ecoserve.operating_point import largest_batch
from ecoserve.performance import (
    PREFILL_INTERFERENCE,
    Replica,
    accelerator_replica,
    first_token_s,
    kv_batch_limit,
    mean_context_tokens,
    prefill_s,
    step_terms,
)
from ecoserve.plan import Note
from ecoserve.power import (
    BusyPower,
    PowerModel,
    busy_power,
    decode_utilisation,
    is_measured,
    part_load,
    power_model,
    request_energy,
)
from ecoserve.profile_query import ProfileQuery, check_runs, query_problems
from ecoserve.standing import profile_notes
from ecoserve.units import BYTES_PER_GB

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingProfile:
    """A mixed replica serving requests of one length, without queueing."""

    batch: int
    ttft_s: float
    """Front end, own prefill and one step."""
    tpot_s: float
    tokens_per_s: float
    """Output tokens."""
    requests_per_s: float
    power_w: float
    """All accelerators of the replica, no host."""
    j_per_token: float
    """Per output token, prefill and decode."""
    prefill_j_per_token: float
    """Of that, per output token: the prefill of the prompts."""
    decode_j_per_token: float
    memory_gb: float
    """Weights and KV cache in use over all accelerators."""
    bound_by: str
    """The largest part of a step period: weights, compute, KV reads, all-reduce, activations,
    launch overhead, sequences or prefill."""
    error_band: float
    """Relative error of TPOT."""
    provenance: str
    parameters: str
    """The serving parameters behind it: family, stack and precision."""
    power_error_band: float
    power_provenance: str
    power_fitted: bool
    """Whether power was fitted on this accelerator at such a phase, precision and utilisation."""
    notes: tuple[Note, ...]
    """What is inherited, assumed, outside what was fitted, or corrected by measurements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPower:
    """Watts of all accelerators of a replica that gets a part of the requests it could serve."""

    packed_w: float
    """Mean over replicas where routing packs: some at their planned batch, the others idle. Plans
    count with it."""
    spread_w: float
    """Where routing spreads the requests thinly over all replicas."""
    spread_batch: float
    """Mean sequences running then."""


def profile_at_batch(catalog: Catalog, query: ProfileQuery, batch: int) -> ServingProfile:
    """The profile at a given batch; raises :class:`InfeasibleError` where it does not fit."""
    setup = _setup(catalog, query)
    _check_batch(setup, batch)
    return _profile(setup, batch)


def profile_at_slo(
    catalog: Catalog, query: ProfileQuery, ttft_s: float, tpot_s: float
) -> ServingProfile:
    """The profile at the largest batch that keeps both limits with the model's error margin.

    Where steps are corrected by measurements, at the batch of those within the limits that serves
    most. Raises :class:`InfeasibleError` with the reason where there is none.
    """
    setup = _setup(catalog, query)
    limit = _memory_limit(setup)
    if limit < 1:
        raise _does_not_fit(setup)

    def keeps(batch: Array) -> NDArray[np.bool_]:
        margin = 1.0 + _error_band(setup, batch)
        paces = _tpot_s(setup, batch) * margin <= tpot_s
        return np.asarray(paces & (_ttft_s(setup, batch) * margin <= ttft_s))

    if setup.local is None:
        batch = int(largest_batch(keeps, np.array([float(limit)]))[0])
    else:
        batch = _best_batch(setup, keeps, limit)
    if not keeps(np.array([float(batch)]))[0]:
        alone = _profile(setup, 1)
        raise InfeasibleError(_why_not(alone, ttft_s, tpot_s, 1.0 + alone.error_band))
    return _profile(setup, batch)


def _best_batch(setup: _Setup, keeps: Callable[[Array], NDArray[np.bool_]], limit: int) -> int:
    """Of all batches that keep the limits the one with most tokens per second, 1 if none does.

    Corrected times need not grow with the batch, so every batch is tried: a looser limit then
    only adds to the choice and never lowers the throughput.
    """
    every = np.arange(1.0, limit + 1.0)
    rate = np.where(keeps(every), every / _busy(setup, every).period_s, 0.0)
    return int(every[np.argmax(rate)])


def load_power(
    catalog: Catalog, query: ProfileQuery, batch: int, load_ratio: float = 0.25
) -> LoadPower:
    """Power at ``load_ratio`` of the requests that ``batch`` serves, packed and spread.

    Raises :class:`InfeasibleError` where the batch does not fit.
    """
    setup = _setup(catalog, query)
    _check_batch(setup, batch)
    if not 0.0 <= load_ratio <= 1.0:
        raise ScenarioError([Problem("load_ratio", f"must be 0 to 1, got {load_ratio:g}")])
    planned, cached = np.array([float(batch)]), query.prefix_cache_hit
    spread = part_load(
        setup.power, setup.replica, planned, setup.isl, setup.osl, np.array([load_ratio]),
        prefills=True, cached_ratio=cached,
    )  # fmt: skip
    busy_w, idle_w = float(_busy(setup, planned).mean_w[0]), setup.power.idle_w
    return LoadPower(
        packed_w=query.tp * (idle_w + load_ratio * (busy_w - idle_w)),
        spread_w=query.tp * float(spread.mean_w[0]),
        spread_batch=float(spread.batch[0]),
    )


def _check_batch(setup: _Setup, batch: int) -> None:
    if batch < 1:
        raise ScenarioError([Problem("batch", f"must be at least 1, got {batch}")])
    limit, query = _memory_limit(setup), setup.query
    if batch > query.max_num_seqs:
        raise InfeasibleError(
            f"max_num_seqs: {query.stack} runs at most {query.max_num_seqs} requests at once; ask "
            "for a smaller batch or raise max_num_seqs"
        )
    if limit < 1:
        raise _does_not_fit(setup)
    if batch > limit:
        raise InfeasibleError(
            f"memory: at most {limit} such requests fit on {query.tp} x {query.accelerator_id}; "
            f"ask for a batch of {limit}"
        )


def _does_not_fit(setup: _Setup) -> InfeasibleError:
    query, replica = setup.query, setup.replica
    place = f"{query.tp} x {query.accelerator_id}"
    if replica.resident_bytes >= replica.memory_bytes:
        return InfeasibleError(f"memory: {query.llm_id} does not fit on {place}")
    tokens = query.isl_tokens + query.osl_tokens
    return InfeasibleError(
        f"memory: {query.llm_id} fits on {place}, but not one request of {tokens:,.0f} tokens"
    )


def _why_not(alone: ServingProfile, ttft_s: float, tpot_s: float, margin: float) -> str:
    reasons = []
    if alone.ttft_s * margin > ttft_s:
        reasons.append(f"TTFT: {alone.ttft_s:.3g} s at batch 1, limit {ttft_s:.3g} s")
    if alone.tpot_s * margin > tpot_s:
        reasons.append(f"TPOT: {alone.tpot_s:.3g} s at batch 1, limit {tpot_s:.3g} s")
    return f"{'; '.join(reasons)} (with a margin of {margin - 1.0:.0%} for the model's error)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setup:
    query: ProfileQuery
    replica: Replica
    power: PowerModel
    isl: Array
    osl: Array
    local: _Local | None
    """None where nothing was measured with exactly this configuration."""
    notes: Callable[[bool], Sequence[Note]]
    """Remarks, given whether power was fitted at the operating point."""


def _setup(catalog: Catalog, query: ProfileQuery) -> _Setup:
    llm, accelerator = catalog.llm(query.llm_id), catalog.accelerator(query.accelerator_id)
    problems = query_problems(query)
    if problems:
        raise ScenarioError(problems)
    check_runs(accelerator, query)
    params = catalog.serving_on(accelerator, query.stack, query.precision)
    key = (llm.id, accelerator.id, query.tp, query.stack, query.precision)

    def notes(power_fitted: bool) -> Sequence[Note]:
        return tuple(
            profile_notes(
                catalog, llm, accelerator, query.stack, query.precision, power_fitted=power_fitted
            )
        )

    replica = accelerator_replica(
        llm, accelerator, query.tp, query.precision, params, query.kv_precision
    )
    grid = step_grid(catalog, key, query.kv_precision)
    return _Setup(
        query=query,
        replica=replica,
        power=power_model(accelerator, catalog),
        isl=np.array([query.isl_tokens], dtype=float),
        osl=np.array([query.osl_tokens], dtype=float),
        local=None if grid is None else _local(grid, query, replica.error_band),
        notes=notes,
    )


def _memory_limit(setup: _Setup) -> int:
    seqs = setup.query.max_num_seqs
    return int(kv_batch_limit(setup.replica, setup.isl, setup.osl, seqs)[0])


def _step_s(setup: _Setup, batch: Array) -> Array:
    context = mean_context_tokens(setup.isl, setup.osl)
    return step_terms(setup.replica, batch, context).total_s * _ratio(setup, batch)


def _ratio(setup: _Setup, batch: Array) -> Array:
    """Measured over predicted step, 1 outside what was measured; shape of ``batch``."""
    if setup.local is None:
        return np.ones_like(batch)
    return np.asarray(setup.local.ratio[batch.astype(int)])


def _error_band(setup: _Setup, batch: Array) -> Array:
    """Relative error of TPOT; shape of ``batch``."""
    if setup.local is None:
        return np.full_like(batch, setup.replica.error_band)
    return np.asarray(setup.local.error_band[batch.astype(int)])


@dataclass(frozen=True, slots=True)
class _Local:
    """What measurements of exactly this configuration say at each whole batch, 0 first."""

    ratio: Array
    """Measured over predicted step, 1 outside what was measured."""
    error_band: Array
    """The parameters' own, or where steps are corrected how far the neighbouring measurements lie
    apart."""


def _local(grid: Grid, query: ProfileQuery, own_band: float) -> _Local:
    every = np.maximum(np.arange(query.max_num_seqs + 1.0), 1.0)
    context = query.isl_tokens + query.osl_tokens / 2.0
    ratio, spread = grid.ratios_and_spreads(every, context)
    return _Local(
        np.where(np.isnan(ratio), 1.0, ratio),
        np.where(np.isnan(spread), own_band, np.maximum(spread, SMALLEST_BAND)),
    )


def _interference_s(setup: _Setup) -> Array:
    """What the prefill of each other sequence adds to a token."""
    prefill = prefill_s(setup.replica, setup.isl, setup.query.prefix_cache_hit)
    return PREFILL_INTERFERENCE * prefill / setup.osl


def _ttft_s(setup: _Setup, batch: Array) -> Array:
    cached = setup.query.prefix_cache_hit
    return first_token_s(setup.replica, setup.isl, _step_s(setup, batch), cached)


def _tpot_s(setup: _Setup, batch: Array) -> Array:
    return _step_s(setup, batch) + (batch - 1) * _interference_s(setup)


def _busy(setup: _Setup, batch: Array) -> BusyPower:
    busy = busy_power(
        setup.power, setup.replica, batch, setup.isl, setup.osl, prefills=True,
        cached_ratio=setup.query.prefix_cache_hit,
    )  # fmt: skip
    return replace(busy, step_s=busy.step_s * _ratio(setup, batch))


def _profile(setup: _Setup, batch: int) -> ServingProfile:
    replica, isl, osl, power = setup.replica, setup.isl, setup.osl, setup.power
    b = np.array([float(batch)])
    busy = _busy(setup, b)
    period = float(busy.period_s[0])
    energy = request_energy(busy, b, osl)
    kv_bytes = b * mean_context_tokens(isl, osl) * replica.kv_bytes_per_token * replica.kv_copies
    use = decode_utilisation(
        replica, b, isl, osl, busy.period_s, prefills=True,
        cached_ratio=setup.query.prefix_cache_hit,
    )  # fmt: skip
    fitted = is_measured(power.params, replica, "mixed", setup.query.precision, use)
    return ServingProfile(
        batch=batch,
        ttft_s=float(_ttft_s(setup, b)[0]),
        tpot_s=float(_tpot_s(setup, b)[0]),
        tokens_per_s=batch / period,
        requests_per_s=batch / period / float(osl[0]),
        power_w=replica.tp * float(busy.mean_w[0]),
        j_per_token=float(energy.j_per_output_token[0]),
        prefill_j_per_token=float(energy.prefill_j_per_output_token[0]),
        decode_j_per_token=float(energy.decode_j_per_output_token[0]),
        memory_gb=float((replica.resident_bytes + kv_bytes)[0]) / BYTES_PER_GB,
        bound_by=_bound_by(setup, b, float(busy.prefill_s[0])),
        error_band=float(_error_band(setup, b)[0]),
        provenance=replica.params.provenance,
        parameters=replica.params.id,
        power_error_band=power.params.error_band,
        power_provenance=power.params.provenance,
        power_fitted=bool(fitted[0]),
        notes=(*setup.notes(bool(fitted[0])), *_corrected(setup, b)),
    )


def _corrected(setup: _Setup, batch: Array) -> Iterator[Note]:
    ratio = float(_ratio(setup, batch)[0])
    if ratio != 1.0:
        yield Note(
            "corrected_locally",
            f"the decode step is the predicted one x {ratio:.3f}, as measurements of this model, "
            "accelerator, tp, stack and precision around this batch and length say",
        )


def _bound_by(setup: _Setup, batch: Array, prefill_share_s: float) -> str:
    params = setup.replica.params
    terms = step_terms(setup.replica, batch, mean_context_tokens(setup.isl, setup.osl))
    parts = {
        "weights": float(terms.weights[0]),
        "compute": float(terms.compute[0]),
        "KV reads": float(terms.kv[0]),
        "all-reduce": float(terms.allreduce[0]),
        "activations": float(terms.elementwise[0]),
        "launch overhead": float(terms.launches[0]) + params.t0_s,
        "sequences": float(batch[0]) * params.t_seq_s,
        "prefill": prefill_share_s,
    }
    return max(parts, key=lambda name: parts[name])
