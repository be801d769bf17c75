"""What the model says about a measured point: the same forward model as the planner's.

Seconds by phase and load are those of :mod:`ecoserve.point_latency`; throughput and energy
count the prefill of the prompts that a row states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecoserve.catalog import OPERATOR_STACK, Catalog
from ecoserve.errors import CatalogError, MissingDataError
from ecoserve.performance import (
    ACTIVATION_BYTES_PER_VALUE,
    Replica,
    accelerator_replica,
    kv_batch_limit,
    matmul_params,
    prefill_s,
    socket_replica,
)
from ecoserve.point_latency import LATENCY, Work, latency_of, running
from ecoserve.points import (
    MeasuredPoint,
    is_weight_only,
    kv_precision_of,
    precision_id,
    stack_id,
)
from ecoserve.power import (
    BusyPower,
    PowerModel,
    accelerator_w,
    busy_power,
    power_model,
    prefill_utilisation,
)
from ecoserve.rows import Accelerator, Llm, ServingParameters

Array = NDArray[np.float64]

LARGEST_TP = 8
"""Accelerators of one node; rows beyond it mix kinds of parallelism that a tp does not describe."""
OPERATOR_PHASES = ("linear_layer", "allreduce")
"""Measured on their own: a tp beyond what pays in serving is a shard's size or a message's ring."""
LARGEST_LENGTH = 1e7
"""Tokens: longer than any context that is served."""
LARGEST_BATCH = 1e12
"""Elements of the largest message, the largest unit that a batch is counted in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A point the model can speak about: the replica that ran it and what it did."""

    point: MeasuredPoint
    replica: Replica
    batch: float
    isl: float
    osl: float
    context: float

    @property
    def prefills(self) -> bool:
        """A run whose prompts are stated had to prefill them, whatever its latency is that of."""
        return self.isl > 0.0 and self.osl > 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the model says about a point; None where the point's phase has no such quantity."""

    latency_s: float
    output_tokens_per_s: float | None
    power_w: float | None
    """Of one accelerator or of the replica, as the point's convention has it."""
    j_per_output_token: float | None
    """Of the whole replica."""
    error_band: float
    """Of the latency."""
    provenance: str


@dataclass(frozen=True, slots=True)
class Unpredicted:
    """Why there is no prediction."""

    reason: str


def predict(point: MeasuredPoint, catalog: Catalog) -> Prediction | Unpredicted:
    """The model's answer for one point with the catalog's parameters, or why there is none."""
    try:
        setup = setup_of(point, catalog)
    except CatalogError as error:
        return Unpredicted(str(error))
    latency = float(latency_of(point.phase, point.convention.load, *stacked([setup]))[0])
    tokens_per_s = _output_tokens_per_s(setup, latency)
    watts = _accelerator_w(setup, catalog)
    params, tp = setup.replica.params, point.tp
    total_w = None if watts is None else tp * watts
    return Prediction(
        latency_s=latency,
        output_tokens_per_s=tokens_per_s,
        power_w=watts if point.convention.power_scope == "per_gpu" else total_w,
        j_per_output_token=total_w / tokens_per_s if total_w and tokens_per_s else None,
        error_band=setup.replica.error_band,
        provenance=params.provenance,
    )


def setup_of(
    point: MeasuredPoint, catalog: Catalog, params: ServingParameters | None = None
) -> Setup:
    """The replica and the work of a point; with other parameters than the catalog's if given.

    Raises :class:`ecoserve.errors.CatalogError` with the reason where the point cannot be spoken
    about: an unknown model, hardware, precision or stack, or lengths that the row leaves blank.
    """
    _check_stack(point)
    batch = _batch(point)
    isl, osl, context = _lengths(point)
    if (point.phase, point.convention.load) not in LATENCY:
        raise MissingDataError(f"{point.phase} under {point.convention.load} is not modelled")
    if point.tp not in (1, 2, 4, LARGEST_TP):
        raise MissingDataError(f"tp {point.tp} is not 1, 2, 4 or {LARGEST_TP}")
    replica = replica_of(point, catalog, params)
    setup = Setup(point=point, replica=replica, batch=batch, isl=isl, osl=osl, context=context)
    if point.phase in ("decode", "e2e", "prefill"):
        _check_memory(setup)
    return setup


def _batch(point: MeasuredPoint) -> float:
    batch = _stated(point.batch, "batch")
    if batch < 1.0:
        raise MissingDataError(f"batch {batch:g} is below 1")
    if batch > LARGEST_BATCH:
        raise MissingDataError(f"batch {batch:g} is beyond {LARGEST_BATCH:g}")
    is_bytes = point.convention.batch_means == "bytes"
    return batch / ACTIVATION_BYTES_PER_VALUE if is_bytes else batch


def _lengths(point: MeasuredPoint) -> tuple[float, float, float]:
    """Input, output and context as far as the row's phase needs them, else 0 where blank."""
    needs_lengths = point.phase in ("prefill", "e2e") or point.convention.load == "closed_loop"
    isl = _stated(point.input_len, "input_len") if needs_lengths else point.input_len or 0.0
    needs_osl = point.phase == "e2e" or point.convention.load == "closed_loop"
    osl = _stated(point.output_len, "output_len") if needs_osl else point.output_len or 0.0
    for name, value, needed in (("input_len", isl, needs_lengths), ("output_len", osl, needs_osl)):
        if needed and value <= 0.0:
            raise MissingDataError(f"{name} is 0")
    context = point.context_len
    if point.phase == "decode" and context is None:
        context = _stated(point.input_len, "context_len") + osl / 2
    for name, value in (("input_len", isl), ("output_len", osl), ("context_len", context or 0.0)):
        if value > LARGEST_LENGTH:
            raise MissingDataError(f"{name} {value:g} is beyond {LARGEST_LENGTH:,.0f} tokens")
    return isl, osl, context or 0.0


def _stated(value: float | None, column: str) -> float:
    if value is None:
        raise MissingDataError(f"no {column}")
    return value


def _check_stack(point: MeasuredPoint) -> None:
    if not point.stack.strip():
        raise MissingDataError("no stack")
    if stack_id(point.stack) == OPERATOR_STACK and point.phase not in OPERATOR_PHASES:
        raise MissingDataError(
            f"stack {OPERATOR_STACK} is single layers measured alone: it has no {point.phase}"
        )


def _check_memory(setup: Setup) -> None:
    replica, point = setup.replica, setup.point
    place = f"{point.tp} x {point.hardware}"
    if replica.resident_bytes >= replica.memory_bytes:
        raise MissingDataError(f"{point.model} does not fit on {place}")
    if (point.phase, point.convention.load) != ("decode", "isolated"):
        return
    # Somebody who measured may have given the engine more of the memory than its default.
    held = setup.batch * setup.context * replica.kv_bytes_per_token * replica.kv_copies
    if replica.resident_bytes + held > replica.installed_bytes:
        raise MissingDataError(
            f"{setup.batch:g} sequences of {setup.context:g} tokens do not fit on {place}"
        )


def replica_of(
    point: MeasuredPoint, catalog: Catalog, params: ServingParameters | None = None
) -> Replica:
    """The replica behind a point; raises :class:`CatalogError` where the catalog lacks a part."""
    llm = _ALLREDUCE_LLM if point.phase == "allreduce" else catalog.llm(point.model.lower())
    if point.phase == "linear_layer":
        llm = one_layer(llm)
    precision, stack = precision_id(point.precision), stack_id(point.stack)
    cpu = catalog.measured_cpus.get(point.hardware)
    if cpu is not None:
        found = params or catalog.serving(cpu.family, "cpu", precision)
        return socket_replica(
            llm, cpu.memory_gb_per_s, cpu.bf16_tflops, cpu.dram_gb, found, precision
        )
    accelerator = catalog.accelerator(point.hardware)
    if point.phase not in OPERATOR_PHASES and point.tp > accelerator.max_tp:
        raise MissingDataError(
            f"tp {point.tp} is beyond the {accelerator.max_tp} that pay on {accelerator.id}"
        )
    found = params or catalog.serving_on(accelerator, stack, precision)
    return _on_accelerator(point, llm, accelerator, precision, found)


def _on_accelerator(
    point: MeasuredPoint,
    llm: Llm,
    accelerator: Accelerator,
    precision: str,
    params: ServingParameters,
) -> Replica:
    kv_precision = kv_precision_of(point)
    try:
        return accelerator_replica(
            llm, accelerator, point.tp, precision, params, kv_precision,
            weight_only=is_weight_only(point.precision),
        )  # fmt: skip
    except ValueError as error:
        raise MissingDataError(str(error)) from error


def one_layer(llm: Llm) -> Llm:
    """A model of one of the layers alone, without embeddings and LM head.

    Raises :class:`MissingDataError` for a mixture of experts, whose layers were never measured.
    """
    if llm.n_experts:
        raise MissingDataError(f"{llm.name}: single layers of mixtures of experts are not modelled")
    weights = (matmul_params(llm) - llm.vocab * llm.d_model) / llm.layers / 1e9
    return replace(llm, layers=1, params_b=weights, active_b=weights, tied_embeddings=True)


_ALLREDUCE_LLM = Llm(
    id="allreduce", source_id="", quality="assumed", name="one all-reduce", aliases=(), layers=1,
    d_model=1, n_heads=1, n_kv_heads=1, head_dim=1, vocab=1, params_b=0.0, active_b=0.0,
    n_experts=0, experts_per_token=0, tied_embeddings=True, mla=False, native_dtype="bf16",
)  # fmt: skip
"""A message of ``batch`` values, reduced twice."""


def stacked(setups: Sequence[Setup]) -> tuple[Replica, Work]:
    """Many points as one replica whose figures are arrays of shape (points,), and their work.

    All must have the parameters of the first.
    """
    figures: dict[str, Any] = {
        field.name: np.array([getattr(setup.replica, field.name) for setup in setups], dtype=float)
        for field in fields(Replica)
        if field.name != "params"
    }
    work = Work(
        *(
            np.array([getattr(setup, name) for setup in setups], dtype=float)
            for name in ("batch", "isl", "osl", "context")
        )
    )
    return Replica(**figures, params=setups[0].replica.params), work


def _output_tokens_per_s(setup: Setup, latency_s: float) -> float | None:
    if setup.point.phase == "e2e":
        return setup.batch * setup.osl / latency_s
    if setup.point.phase != "decode":
        return None
    replica, work = stacked([setup])
    prefill = float(prefill_s(replica, work.isl)[0]) if setup.prefills else 0.0
    if setup.point.convention.load == "isolated":
        # The row's latency is the bare step; its replica prefilled the prompts between the steps.
        return setup.batch / (latency_s + setup.batch * prefill / max(setup.osl, 1.0))
    batch = float(running(replica, work)[0])
    return batch / (latency_s + prefill / setup.osl)


def _accelerator_w(setup: Setup, catalog: Catalog) -> float | None:
    """Watts of one accelerator, mean over the phases of the row; None where nobody fitted them."""
    point = setup.point
    if point.hardware in catalog.measured_cpus or point.phase in ("linear_layer", "allreduce"):
        return None
    accelerator = catalog.accelerator(point.hardware)
    if accelerator.family not in catalog.power_parameters:
        return None
    return _mean_w(power_model(accelerator, catalog), setup)


def _mean_w(model: PowerModel, setup: Setup) -> float:
    if setup.point.phase == "prefill":
        replica, work = stacked([setup])
        duration = prefill_s(replica, work.isl)
        return float(accelerator_w(model, prefill_utilisation(replica, work.isl, duration))[0])
    return float(at_work(model, setup).mean_w[0])


def at_work(model: PowerModel, setup: Setup) -> BusyPower:
    """The replica of a decode or end-to-end row from step to step; arrays of shape (1,)."""
    replica, work = stacked([setup])
    # Lengths whose mean context is the measured one.
    osl = np.maximum(work.osl, 1.0)
    isl = np.where(work.isl > 0.0, work.isl, np.maximum(work.context - osl / 2.0, 1.0))
    batch = np.array([decoding(setup)])
    return busy_power(model, replica, batch, isl, osl, prefills=setup.prefills)


def decoding(setup: Setup) -> float:
    """Sequences that a decode or end-to-end row decodes at once."""
    replica, work = stacked([setup])
    if setup.point.phase == "e2e":
        return float(np.clip(kv_batch_limit(replica, work.isl, work.osl), 1.0, work.batch)[0])
    if setup.point.convention.load == "closed_loop":
        return float(running(replica, work)[0])
    return setup.batch
