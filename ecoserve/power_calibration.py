"""Fits the parameters of :mod:`ecoserve.power` to measured points, and says how well they predict.

Utilisations are taken from measured latencies, so that the fit does not lean on the speed model.
Fixed, because the points do not identify them beside the rest: the floor P0 (one model on
2, 4 and 8 A100 extrapolates to 0.30 of TDP at no traffic), the cap, and b, at
which compute-bound work draws the cap (:data:`ecoserve.power.COMPUTE_FULL_RATIO`). Fitted by
robust least squares on the logarithm of power: a (memory) and s (per sequence and layer).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, least_squares

from ecoserve.errors import MissingDataError
from ecoserve.performance import Replica, kv_batch_limit
from ecoserve.points import MeasuredPoint, Phase, precision_id
from ecoserve.power import (
    COMPUTE_FULL_RATIO,
    PowerModel,
    PowerPhase,
    Utilisation,
    accelerator_w,
    decode_utilisation,
)
from ecoserve.rows import Accelerator, PowerParameters, Provenance, Quality

Array = NDArray[np.float64]

FLOOR_RATIO = 0.30
"""P0 of TDP: clocks up, nothing moving."""
CAP_RATIO = 0.985
"""Highest mean power over TDP that was measured."""
LOSS_SCALE = 0.1
"""Log residual from which the loss grows linearly: 10 %."""
LARGEST_A_RATIO, LARGEST_SEQUENCE_LAYER_S = 3.0, 20e-6
IDENTIFIED_RATIO = 0.5
"""A parameter counts as identified when its standard error is below this share of its value."""
MIN_POINTS = 6
MIXED_RATIO = 0.2
"""Share of the prompts in the FLOP from which a point tells of mixed rather than decode pools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerPoint:
    """One measurement of power, reduced to what the form needs."""

    source: str
    model: str
    hardware: str
    accelerator_id: str
    phase: Phase
    """As the source names it; both kinds hold prefill and decode."""
    precision: str
    tp: int
    running: float
    """Sequences decoding at once."""
    prefill_ratio: float
    """Share of the prompts in the FLOP."""
    tdp_w: float
    accelerator_w: float
    period_s: float
    """Measured: from one decode step to the next, prefill between them included."""
    u_mem: float
    u_cmp: float
    sequence_layers_per_s: float
    """Utilisations at the measured period."""

    @property
    def j_per_output_token(self) -> float:
        """Measured: all accelerators of the replica."""
        return self.tp * self.accelerator_w * self.period_s / self.running


def power_point(point: MeasuredPoint, replica: Replica, accelerator: Accelerator) -> PowerPoint:
    """The utilisations behind a measured power.

    ``decode`` rows are steady serving, prefill of newcomers between the steps: the period is batch
    over output rate where the rate is known, else the latency. ``e2e`` rows run a static batch
    from prompt to last token; what does not fit in memory runs in later waves, so that a step
    carries the sequences that fit. Raises :class:`MissingDataError` for rows that cannot be used.
    """
    power, batch, isl, osl = _known(point)
    running = batch
    if point.phase == "e2e":
        running = min(batch, float(kv_batch_limit(replica, np.array(isl), np.array(osl))))
        if running < 1:
            raise MissingDataError(f"{point.model} does not fit on {point.tp} x {point.hardware}")
    period = _period_s(point, batch, running, osl)
    use = decode_utilisation(
        replica, np.array(running), np.array(isl), np.array(osl), np.array(period), prefills=True
    )
    return PowerPoint(
        source=point.source, model=point.model, hardware=point.hardware,
        accelerator_id=accelerator.id, phase=point.phase, tp=point.tp, running=running,
        precision=precision_id(point.precision),
        prefill_ratio=1.0 - osl / (isl + osl), tdp_w=accelerator.tdp_w, period_s=period,
        accelerator_w=power / (point.tp if point.convention.power_scope == "replica" else 1),
        u_mem=float(use.memory), u_cmp=float(use.compute),
        sequence_layers_per_s=float(use.sequence_layers_per_s),
    )  # fmt: skip


def _known(point: MeasuredPoint) -> tuple[float, float, float, float]:
    if point.phase not in ("decode", "e2e"):
        raise MissingDataError(f"power of a {point.phase} row: no form for it")
    values = (point.power_w, point.batch, point.input_len, point.output_len)
    names = ("power_w", "batch", "input_len", "output_len")
    missing = [name for name, value in zip(names, values, strict=True) if value is None]
    if missing:
        raise MissingDataError(
            f"no {', '.join(missing)}: a row tells about power only with batch, input_len and "
            "output_len, since prefills draw more than decode steps"
        )
    power, batch, isl, osl = (float(value) for value in values if value is not None)
    return power, batch, isl, osl


def _period_s(point: MeasuredPoint, batch: float, running: float, osl: float) -> float:
    if point.output_tokens_per_s is not None:
        return running / point.output_tokens_per_s
    if point.latency_s is None:
        raise MissingDataError(f"no latency or output rate in a row of {point.source}")
    per_token = point.latency_s / (osl if point.phase == "e2e" else 1.0)
    return per_token * running / batch


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCoefficients:
    """The four numbers of the form and its cap, ratios of TDP."""

    p0_ratio: float
    a_ratio: float
    b_ratio: float
    sequence_layer_s: float
    cap_ratio: float = CAP_RATIO


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerFit:
    """A fit, what it rests on and what it is worth on models it has not seen."""

    coefficients: PowerCoefficients
    n_points: int
    hardware: tuple[str, ...]
    models: tuple[str, ...]
    precisions: tuple[str, ...]
    phases: tuple[PowerPhase, ...]
    u_mem_max: float
    u_cmp_max: float
    identified: tuple[str, ...]
    """Fitted parameters whose standard error is below half their value."""
    fixed: tuple[str, ...]
    fit_mape: float
    held_out_mape: float
    """Power of each model, predicted by a fit without it."""


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def fit_power(points: Sequence[PowerPoint]) -> PowerFit:
    """Parameters from the points, and their error on models left out one by one.

    Every (model, hardware, source) weighs the same, however many points it has. Raises
    :class:`MissingDataError` below six points or two models: nothing could be held out.
    """
    models = tuple(sorted({point.model for point in points}))
    if len(points) < MIN_POINTS or len(models) < 2:
        raise MissingDataError(
            f"{_counted(len(points), 'usable point')} of {_counted(len(models), 'model')}; power "
            f"needs at least {MIN_POINTS} points of 2 models, so that one can be held out"
        )
    solution = _solve(points)
    coefficients = _coefficients(solution.x)
    held_out = held_out_coefficients(points, lambda point: point.model)
    return PowerFit(
        coefficients=coefficients,
        n_points=len(points),
        hardware=tuple(sorted({point.hardware for point in points})),
        models=models,
        precisions=tuple(sorted({point.precision for point in points})),
        phases=_phases(points),
        u_mem_max=max(point.u_mem for point in points),
        u_cmp_max=max(point.u_cmp for point in points),
        identified=_identified(solution),
        fixed=("p0_ratio", "b_ratio", "cap_ratio"),
        fit_mape=_mape(power_errors(points, [coefficients] * len(points))),
        held_out_mape=_mape(power_errors(points, held_out)),
    )


def parameters_row(
    fit: PowerFit,
    family: str,
    *,
    seen: Sequence[PowerPoint],
    error_band: float,
    provenance: Provenance,
    source_id: str,
    note: str = "",
) -> PowerParameters:
    """The catalog row of a family: the fit's coefficients, and the ranges of its own points.

    ``seen`` are the points of the family itself, none where it inherits from others: no phase and
    no precision then counts as measured.
    """
    c = fit.coefficients
    quality: Quality = "assumed" if provenance == "assumed" else "modelled"
    return PowerParameters(
        id=family, source_id=source_id, quality=quality, note=note, family=family,
        p0_ratio=c.p0_ratio, a_ratio=c.a_ratio, b_ratio=c.b_ratio,
        sequence_layer_s=c.sequence_layer_s, cap_ratio=c.cap_ratio, phases=_phases(seen),
        precisions=tuple(sorted({point.precision for point in seen})),
        u_mem_min=min((point.u_mem for point in seen), default=0.0),
        u_cmp_min=min((point.u_cmp for point in seen), default=0.0),
        u_mem_max=max((point.u_mem for point in seen), default=fit.u_mem_max),
        u_cmp_max=max((point.u_cmp for point in seen), default=fit.u_cmp_max),
        error_band=error_band, provenance=provenance,
        measured_on=tuple(sorted({point.accelerator_id for point in seen})),
    )  # fmt: skip


def _phases(points: Sequence[PowerPoint]) -> tuple[PowerPhase, ...]:
    ratios = np.array([point.prefill_ratio for point in points])
    decode, mixed = bool((ratios < MIXED_RATIO).any()), bool((ratios >= MIXED_RATIO).any())
    seen: dict[PowerPhase, bool] = {"decode": decode, "mixed": mixed}
    return tuple(phase for phase, is_seen in seen.items() if is_seen)


def held_out_coefficients(
    points: Sequence[PowerPoint], key: Callable[[PowerPoint], str]
) -> list[PowerCoefficients]:
    """For each point the coefficients fitted to all points that do not share its key."""
    without = {
        name: _coefficients(_solve([point for point in points if key(point) != name]).x)
        for name in sorted({key(point) for point in points})
    }
    return [without[key(point)] for point in points]


def power_errors(points: Sequence[PowerPoint], coefficients: Sequence[PowerCoefficients]) -> Array:
    """Predicted over measured watts minus one, at the measured utilisations."""
    pairs = zip(points, coefficients, strict=True)
    return np.array([_watts(p, c) / p.accelerator_w - 1.0 for p, c in pairs])


def _watts(point: PowerPoint, c: PowerCoefficients) -> float:
    use = Utilisation(
        np.array(point.u_mem), np.array(point.u_cmp), np.array(point.sequence_layers_per_s)
    )
    return float(accelerator_w(model_of(c, point.tdp_w), use))


def model_of(c: PowerCoefficients, tdp_w: float) -> PowerModel:
    """These coefficients as parameters, for the one place that knows the form."""
    params = PowerParameters(
        id="fit", source_id="fit", quality="modelled", family="fit", p0_ratio=c.p0_ratio,
        a_ratio=c.a_ratio, b_ratio=c.b_ratio, sequence_layer_s=c.sequence_layer_s,
        cap_ratio=c.cap_ratio, phases=(), precisions=(), u_mem_max=1.0, u_cmp_max=1.0,
        error_band=1.0, provenance="calibrated",
    )  # fmt: skip
    return PowerModel(params=params, tdp_w=tdp_w, idle_w=0.0)


def _coefficients(x: Array) -> PowerCoefficients:
    return PowerCoefficients(
        p0_ratio=FLOOR_RATIO,
        a_ratio=float(x[0]),
        b_ratio=(CAP_RATIO - FLOOR_RATIO) / COMPUTE_FULL_RATIO,
        sequence_layer_s=float(x[1]) * 1e-6,
    )


def _solve(points: Sequence[PowerPoint]) -> OptimizeResult:
    """Least squares over (a_ratio, microseconds per sequence and layer)."""
    use = Utilisation(
        np.array([p.u_mem for p in points]),
        np.array([p.u_cmp for p in points]),
        np.array([p.sequence_layers_per_s for p in points]),
    )
    measured = np.array([p.accelerator_w / p.tdp_w for p in points])
    groups = [(p.model, p.hardware, p.source) for p in points]
    weight = np.array([groups.count(group) for group in groups]) ** -0.5

    def residual(x: Array) -> Array:
        predicted = accelerator_w(model_of(_coefficients(x), 1.0), use)
        return np.asarray(np.log(predicted / measured) * weight / LOSS_SCALE)

    bounds = ([0.0, 0.0], [LARGEST_A_RATIO, LARGEST_SEQUENCE_LAYER_S * 1e6])
    return least_squares(residual, [0.5, 1.0], bounds=bounds, loss="soft_l1")


def _identified(solution: OptimizeResult) -> tuple[str, ...]:
    """Names of the fitted parameters that the points pin down."""
    jacobian, residuals = np.asarray(solution.jac), np.asarray(solution.fun)
    information = jacobian.T @ jacobian
    if np.linalg.matrix_rank(information) < 2:
        return ()
    freedom = max(len(residuals) - 2, 1)
    variance = np.linalg.inv(information) * float(residuals @ residuals) / freedom
    small = np.sqrt(np.diag(variance)) < IDENTIFIED_RATIO * np.asarray(solution.x)
    names = ("a_ratio", "sequence_layer_s")
    return tuple(name for name, is_small in zip(names, small, strict=True) if is_small)


def _mape(errors: Array) -> float:
    return float(np.mean(np.abs(errors)))
