"""Serving parameters fitted to measured points, and how well they speak about what they never saw.

    minimise  sum_i rho(ln predicted_i - ln measured_i) + s sum_p ((ln p - ln p0) / width_p)^2

with rho the soft-L1 loss at a scale of 10 % and a prior per parameter, worth
:data:`PRIOR_POINTS` points, from micro-benchmarks of single operators or from a neighbouring key.
``t0`` and the latency of an all-reduce are fixed by the plan: points do not tell them from
``t_layer``.
``mfu_decode`` is fixed below batch 128, where it does not show. Points of mixtures of experts are
used only where no dense ones exist. Errors of a fit are those of models (else accelerators, else
tensor-parallel degrees) that were held out whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from ecoserve.catalog import OPERATOR_STACK, Catalog, serving_id
from ecoserve.errors import CatalogError, MissingDataError
from ecoserve.performance import Replica, compute_tflops
from ecoserve.points import (
    Load,
    MeasuredPoint,
    Phase,
    is_weight_only,
    precision_id,
    stack_id,
)
from ecoserve.prediction import Setup, Work, latency_of, setup_of, stacked
from ecoserve.rows import CalibrationPlan, PowerParameters, ServingParameters

Array = NDArray[np.float64]
HeldOut = Literal["model", "hardware", "tp"]
Parameters = TypeVar("Parameters", ServingParameters, PowerParameters)

LOSS_SCALE = 0.1
"""Relative error beyond which a point counts linearly, not by its square."""
PRIOR_POINTS = 3.0
SLOW_SIDE = 0.6
"""Share of the mean TTFTs under a closed loop that a fit must not undercut."""
MIN_POINTS = 5
LARGE_BATCH = 128
"""From here on compute shows in a decode step."""
MIN_SPLIT_PREFILLS = 10
"""Isolated prefills over several accelerators that the reached bus bandwidth needs."""
IDENTIFIED_RATIO = 0.5
"""A parameter is identified when the points narrow its prior to this share of the width."""
FEW_POINTS = 12
"""Below it the neighbour's error band tells more than errors of the points themselves."""
SMALLEST_BAND = 0.08
MOE_BAND = 0.2
"""Of fits that rest on mixtures of experts, which differ more from one another."""
SAME_MODEL_FACTOR = 1.5
"""How much wider a band is where no other model could be held out."""
SIGNIFICANT_DIGITS = 3
SLOW_START = 0.1
"""Second start of a descent: mfu at this share of its prior, for stacks whose products are slow."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What is known of a parameter before the points: centre, width of its logarithm, bounds."""

    centre: float
    width: float
    low: float
    high: float


PRIORS = {
    "mbu": Prior(0.85, 0.08, 0.1, 1.0),
    "mbu_kv": Prior(0.78, 0.15, 0.03, 1.0),
    "mfu_decode": Prior(0.65, 0.15, 0.01, 1.0),
    "mfu_prefill": Prior(0.55, 0.2, 0.01, 1.0),
    "t_layer_s": Prior(60e-6, 0.6, 1e-6, 5e-3),
    "t_seq_s": Prior(50e-6, 0.6, 1e-7, 5e-3),
    "t_request_s": Prior(15e-3, 0.6, 1e-4, 1.0),
    "bus_ratio": Prior(1.0, 0.7, 0.02, 1.0),
}
"""Efficiencies from products and attention measured alone on A100 to B200, overheads from the range
of published serving stacks."""
NARROW_PRIORS = {
    "mfu_decode": Prior(0.5, 0.15, 0.01, 1.0),
    "mfu_prefill": Prior(0.5, 0.2, 0.01, 1.0),
}
"""For weights of 8 bits and fewer, whose kernels do not reach the nominal peak."""
CPU_PRIORS = {
    "mbu": Prior(0.75, 0.15, 0.1, 1.0),
    "mbu_kv": Prior(0.28, 0.3, 0.03, 1.0),
    "mfu_decode": Prior(0.2, 0.4, 0.01, 1.0),
    "mfu_prefill": Prior(0.2, 0.4, 0.01, 1.0),
    "t_layer_s": Prior(10e-6, 0.6, 1e-7, 5e-3),
    "t_seq_s": Prior(50e-6, 0.6, 1e-7, 5e-3),
    "t_request_s": Prior(15e-3, 0.6, 1e-4, 1.0),
    "bus_ratio": Prior(1.0, 0.3, 0.02, 1.0),
}
"""Sockets: bandwidth as the usual stream tests reach it, sustained rates of the matrix units."""
CPU_STACK = "cpu"
LIBRARY_STACKS = ("vllm_2023", "vllm_v0", "vllm_v1", "trtllm", "sglang")
"""Those whose prompts run through the vendor's libraries, as layers measured alone do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointError:
    """A measured point and the relative error of its prediction, 0.1 = 10 % too slow."""

    point: MeasuredPoint
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingFit:
    """Fitted parameters with what they rest on."""

    params: ServingParameters
    identified: tuple[str, ...]
    """Parameters that the points narrowed; the others stay near what is known from elsewhere."""
    n_points: int
    models: tuple[str, ...]
    hardware: tuple[str, ...]
    largest_batch_ratio: float
    """Largest over smallest batch."""
    rests_on_experts: bool
    """Whether all points are of mixtures of experts."""
    in_sample_mape: float
    """This and the cross-validated error leave mean TTFT under a closed loop out."""
    held_out: HeldOut | None
    """What the cross-validation held out; None where there is only one of everything."""
    cross_validated_mape: float | None
    left_out: tuple[str, ...]
    """Points that were not used, with the reason."""

    @property
    def summary(self) -> str:
        """In one sentence what the parameters rest on."""
        crossed = self.cross_validated_mape
        held_out = "" if crossed is None else f", {crossed:.1%} with each {self.held_out} held out"
        known = ", ".join(self.identified) or "none"
        return (
            f"{self.n_points} points of {len(self.models)} models on {', '.join(self.hardware)}; "
            f"mean error {self.in_sample_mape:.1%}{held_out}. Identified: {known}."
        )


@dataclass(frozen=True, slots=True)
class _Group:
    """Stacked points of one phase under one load."""

    phase: Phase
    load: Load
    replica: Replica
    work: Work
    measured_s: Array

    def predicted_s(self, params: ServingParameters) -> Array:
        replica = replace(self.replica, params=params)
        return latency_of(self.phase, self.load, replica, self.work)

    def log_errors(self, params: ServingParameters) -> Array:
        return np.log(self.predicted_s(params) / self.measured_s)


def plan_of(catalog: Catalog, family: str, stack: str, precision: str) -> CalibrationPlan:
    """The plan of a key; raises :class:`MissingDataError` where there is none."""
    found = catalog.calibration_plans.get(f"{family}/{stack}/{precision}")
    if found is None:
        raise MissingDataError(f"no calibration plan for {family} with {stack} at {precision}")
    return found


def points_of(
    points: Sequence[MeasuredPoint], catalog: Catalog, plan: CalibrationPlan
) -> tuple[tuple[Setup, ...], tuple[str, ...]]:
    """The points of a plan's key that the model can speak about, and why not of the others.

    Points of other keys are passed over in silence, as are all-reduces: latency and bandwidth of
    links are figures of the accelerator.
    """
    base = _start(plan, priors_of(plan))
    found: list[Setup] = []
    left_out: list[str] = []
    for point in points:
        if not _has_key(point, catalog, plan):
            continue
        try:
            if point.latency_s is None:
                raise MissingDataError("no latency")
            _check_arithmetic(point, catalog)
            found.append(setup_of(point, catalog, base))
        except CatalogError as error:
            left_out.append(f"{point.model} on {point.hardware}, {point.phase}: {error}")
    dense = [setup for setup in found if setup.replica.expert_bytes == 0.0]
    if len(dense) >= MIN_POINTS and len(dense) < len(found):
        left_out.append(f"{len(found) - len(dense)} points of mixtures of experts")
        found = dense
    return tuple(found), tuple(left_out)


def _check_arithmetic(point: MeasuredPoint, catalog: Catalog) -> None:
    """A share of the peak means something else where products run at another rate than plans'."""
    if point.hardware in catalog.measured_cpus or not is_weight_only(point.precision):
        return
    accelerator, precision = catalog.accelerator(point.hardware), precision_id(point.precision)
    if compute_tflops(accelerator, precision) > accelerator.bf16_tflops:
        raise MissingDataError(
            f"{point.precision} multiplies at 16 bits, {precision} in plans natively"
        )


def _has_key(point: MeasuredPoint, catalog: Catalog, plan: CalibrationPlan) -> bool:
    if point.phase == "allreduce":
        return False
    try:
        key = key_of(point, catalog)
    except CatalogError:
        return False
    return key == (plan.family, plan.stack, plan.precision)


def key_of(point: MeasuredPoint, catalog: Catalog) -> tuple[str, str, str]:
    """Family, stack and precision of a point; raises :class:`CatalogError` for what is unknown."""
    precision = precision_id(point.precision)
    cpu = catalog.measured_cpus.get(point.hardware)
    if cpu is not None:
        return cpu.family, CPU_STACK, precision
    if not point.stack.strip():
        raise MissingDataError("no stack")
    return catalog.accelerator(point.hardware).family, stack_id(point.stack), precision


def fit_serving(
    points: Sequence[MeasuredPoint],
    catalog: Catalog,
    plan: CalibrationPlan,
    neighbour: ServingParameters | None = None,
) -> ServingFit:
    """Fit the parameters of a plan's key to its points and cross-validate them.

    ``neighbour`` are the parameters of ``plan.from_id``, the centre of the priors if given.
    Raises :class:`MissingDataError` where fewer than :data:`MIN_POINTS` points can be used.
    """
    setups, left_out = points_of(points, catalog, plan)
    if len(setups) < MIN_POINTS:
        why = "".join(f"; {reason}" for reason in dict.fromkeys(left_out))
        raise MissingDataError(f"{len(setups)} usable points, {MIN_POINTS} are needed{why}")
    layers = layers_of(catalog, plan) if neighbour is None else None
    priors = priors_of(plan, neighbour, layers.params() if layers else None)
    params, identified = _fit(setups, plan, priors)
    in_sample = _mape(_errors(setups, params), setups)
    held_out = _largest_partition(setups)
    crossed = cross_validate(setups, plan, held_out, neighbour, layers) if held_out else ()
    cross_mape = _mape([row.error for row in crossed], crossed) if crossed else None
    fit = ServingFit(
        params=params,
        identified=identified,
        n_points=len(setups),
        models=tuple(sorted({setup.point.model for setup in setups})),
        hardware=tuple(sorted({setup.point.hardware for setup in setups})),
        largest_batch_ratio=max(s.batch for s in setups) / min(s.batch for s in setups),
        rests_on_experts=all(setup.replica.expert_bytes > 0.0 for setup in setups),
        in_sample_mape=in_sample,
        held_out=held_out,
        cross_validated_mape=cross_mape,
        left_out=left_out,
    )
    band = _error_band(fit, plan, neighbour)
    rests_on = _measured_on(setups, catalog)
    row = replace(params, error_band=band, note=fit.summary, measured_on=rests_on)
    return replace(fit, params=rounded(row))


def _measured_on(setups: Sequence[Setup], catalog: Catalog) -> tuple[str, ...]:
    """Ids of the accelerators behind the points, sorted; none for CPUs, which hold by family."""
    names = {s.point.hardware for s in setups} - set(catalog.measured_cpus)
    return tuple(sorted({catalog.accelerator(name).id for name in names}))


def with_sibling_band(row: Parameters, unseen_error: float) -> Parameters:
    """The row with what to plan with on accelerators of its family that were not measured.

    ``unseen_error``: that of accelerators whose data sheet alone was known
    (:mod:`ecoserve.accuracy`).
    """
    if not row.measured_on:
        return row
    return replace(row, sibling_error_band=band_of(max(row.error_band, unseen_error)))


def band_of(error: float) -> float:
    """An error as a band: up to a whole per cent, at most 1.

    >>> band_of(0.0981)
    0.1
    """
    return min(1.0, math.ceil(error * 100 - 1e-9) / 100)


def _error_band(
    fit: ServingFit, plan: CalibrationPlan, neighbour: ServingParameters | None
) -> float:
    """What to plan with: the held-out error; the fewer points, the more the neighbour's band."""
    band = _own_band(fit)
    if fit.n_points < FEW_POINTS and neighbour is not None:
        factor = 1.0 if neighbour.id == plan.id else plan.error_factor
        share = fit.n_points / FEW_POINTS
        mixed = share * band + (1.0 - share) * neighbour.error_band * factor
        band = max(fit.in_sample_mape, mixed)
    return min(1.0, band)


def _own_band(fit: ServingFit) -> float:
    smallest = MOE_BAND if fit.rests_on_experts else SMALLEST_BAND
    if fit.cross_validated_mape is None:
        return max(smallest, 2.0 * fit.in_sample_mape)
    factor = 1.0 if fit.held_out == "model" else SAME_MODEL_FACTOR
    return max(smallest, factor * fit.cross_validated_mape)


def serving_rows(
    points: Sequence[MeasuredPoint], catalog: Catalog
) -> tuple[ServingParameters, ...]:
    """The parameters of all plans of the catalog, sorted by id: fitted where there are points.

    Raises :class:`MissingDataError` where a plan has neither points nor a neighbour.
    """
    rows: dict[str, ServingParameters] = {}

    def row(plan: CalibrationPlan) -> ServingParameters:
        if plan.id not in rows:
            source = catalog.calibration_plans.get(plan.from_id) if plan.from_id else None
            neighbour = row(source) if source is not None else None
            try:
                rows[plan.id] = fit_serving(points, catalog, plan, neighbour).params
            except MissingDataError:
                if neighbour is None:
                    raise
                rows[plan.id] = inherited(plan, neighbour)
        return rows[plan.id]

    return tuple(row(plan) for _, plan in sorted(catalog.calibration_plans.items()))


def cross_validate(
    setups: Sequence[Setup],
    plan: CalibrationPlan,
    by: HeldOut,
    neighbour: ServingParameters | None = None,
    layers: Layers | None = None,
) -> tuple[PointError, ...]:
    """Errors of each model, accelerator or tp under parameters fitted without it.

    A model that is held out is held out of ``layers`` too.
    """
    errors: list[PointError] = []
    for value in sorted({_group_value(setup, by) for setup in setups}):
        inside = [setup for setup in setups if _group_value(setup, by) == value]
        outside = [setup for setup in setups if _group_value(setup, by) != value]
        if len(outside) < MIN_POINTS:
            continue
        alone = layers.params(value if by == "model" else None) if layers else None
        params, _ = _fit(outside, plan, priors_of(plan, neighbour, alone))
        errors += [
            PointError(point=setup.point, error=error)
            for setup, error in zip(inside, _errors(inside, params), strict=True)
        ]
    return tuple(errors)


def transferred(
    train: Sequence[Setup],
    test: Sequence[Setup],
    plan: CalibrationPlan,
    layers: Layers | None = None,
) -> tuple[PointError, ...]:
    """Errors of ``test`` under parameters fitted to ``train``: data-sheet figures swapped only."""
    params = fitted(train, plan, layers)
    return tuple(
        PointError(point=setup.point, error=error)
        for setup, error in zip(test, _errors(test, params), strict=True)
    )


def fitted(
    setups: Sequence[Setup],
    plan: CalibrationPlan,
    layers: Layers | None = None,
    without: str | None = None,
) -> ServingParameters:
    """Parameters of a plan from these points alone, and ``layers`` without one model."""
    alone = layers.params(without) if layers else None
    return _fit(setups, plan, priors_of(plan, None, alone))[0]


@dataclass(frozen=True, slots=True)
class Layers:
    """Single layers measured alone on the family of a plan.

    Their products over many tokens are those of a prefill, so the share of the peak that they
    reach is where the search for ``mfu_prefill`` starts from.
    """

    plan: CalibrationPlan
    setups: tuple[Setup, ...]

    def params(self, without: str | None = None) -> ServingParameters | None:
        """Fitted to all models but one; None where too few points are left."""
        kept = [setup for setup in self.setups if setup.point.model != without]
        return fitted(kept, self.plan) if len(kept) >= MIN_POINTS else None


def layers_of(catalog: Catalog, plan: CalibrationPlan) -> Layers | None:
    """The catalog's layers of a plan's family at its precision; None where there are none."""
    found = catalog.calibration_plans.get(serving_id(plan.family, OPERATOR_STACK, plan.precision))
    if found is None or plan.stack not in LIBRARY_STACKS:
        return None
    return Layers(found, points_of(catalog.measured_points, catalog, found)[0])


def inherited(plan: CalibrationPlan, source: ServingParameters) -> ServingParameters:
    """The row of a key without points of its own: another row with this key's fixed terms."""
    band = min(1.0, source.error_band * plan.error_factor)
    return rounded(
        replace(
            source, id=plan.id, family=plan.family, stack=plan.stack, precision=plan.precision,
            allreduce_latency_s=plan.allreduce_latency_s, t0_s=plan.t0_s,
            overlap_norm=plan.overlap_norm, error_band=band, provenance="inherited",
            measured_on=(), sibling_error_band=0.0, source_id=plan.source_id,
            quality=plan.quality, note=plan.note,
        )
    )  # fmt: skip


def rounded(params: ServingParameters) -> ServingParameters:
    """The figures to three significant digits, the error band up to a whole per cent."""
    digits: dict[str, Any] = {name: _significant(getattr(params, name)) for name in PRIORS}
    return replace(params, **digits, error_band=band_of(params.error_band))


def _significant(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def priors_of(
    plan: CalibrationPlan,
    neighbour: ServingParameters | None = None,
    layers: ServingParameters | None = None,
) -> dict[str, Prior]:
    """The priors of a plan's key, centred on a neighbour's parameters if given.

    Without one, that of ``mfu_prefill`` on the rate which ``layers`` reach.
    """
    known = CPU_PRIORS if plan.stack == CPU_STACK else PRIORS
    if plan.stack != CPU_STACK and plan.precision != "bf16":
        known = {**known, **NARROW_PRIORS}
    if neighbour is None:
        if layers is None:
            return known
        prefill = replace(known["mfu_prefill"], centre=layers.mfu_decode)
        return {**known, "mfu_prefill": prefill}
    return {
        name: replace(prior, centre=min(max(getattr(neighbour, name), prior.low), prior.high))
        for name, prior in known.items()
    }


def _start(plan: CalibrationPlan, priors: Mapping[str, Prior]) -> ServingParameters:
    centres: dict[str, Any] = {name: prior.centre for name, prior in priors.items()}
    return ServingParameters(
        id=plan.id, family=plan.family, stack=plan.stack, precision=plan.precision,
        allreduce_latency_s=plan.allreduce_latency_s, t0_s=plan.t0_s,
        overlap_norm=plan.overlap_norm, error_band=1.0, provenance="calibrated",
        source_id=plan.source_id, quality="modelled", note=plan.note, **centres,
    )  # fmt: skip


def _fit(
    setups: Sequence[Setup], plan: CalibrationPlan, priors: Mapping[str, Prior]
) -> tuple[ServingParameters, tuple[str, ...]]:
    """The best parameters, and which of them the points identify.

    Mean TTFT under a closed loop is mostly waiting, so those rows speak about ``t_request`` only,
    once the rest is known, and on the slow side.
    """
    queued = [setup for setup in setups if is_queued(setup.point)]
    plain = [setup for setup in setups if not is_queued(setup.point)]
    params = replace(_start(plan, priors), overlap_norm=1.0)
    identified: tuple[str, ...] = ()
    if plain:
        free, groups = _free(plain), _groups(plain)
        params, identified = _descend(params, {name: priors[name] for name in free}, groups)
        if plan.overlap_norm != 1.0:
            # Hidden overheads have no slope: their sum with the rest is where to start from.
            params = replace(params, overlap_norm=plan.overlap_norm)
            params, identified = _descend(params, {name: priors[name] for name in free}, groups)
    if queued:
        (group,) = _groups(queued)
        waited = group.measured_s - group.predicted_s(replace(params, t_request_s=0.0))
        bounds = priors["t_request_s"]
        request = np.clip(np.quantile(waited, SLOW_SIDE), bounds.low, bounds.high)
        params = replace(params, t_request_s=float(request))
        identified += ("t_request_s",)
    return params, identified


def is_queued(point: MeasuredPoint) -> bool:
    """Whether a row shows a mean TTFT under a closed loop."""
    return point.phase == "prefill" and point.convention.load == "closed_loop"


def _free(setups: Sequence[Setup]) -> tuple[str, ...]:
    """Parameters that rows of these kinds can speak about."""
    phases = {setup.point.phase for setup in setups}
    if phases == {"linear_layer"}:
        return ("mbu", "mfu_decode", "t_layer_s")
    names = ["mbu", "t_layer_s"]
    if phases & {"decode", "e2e"}:
        names += ["mbu_kv", "t_seq_s"]
        if max(s.batch for s in setups if s.point.phase in ("decode", "e2e")) >= LARGE_BATCH:
            names.append("mfu_decode")
    if phases & {"prefill", "e2e"} or any(s.point.convention.load != "isolated" for s in setups):
        names.append("mfu_prefill")
    isolated = [setup for setup in setups if setup.point.phase == "prefill"]
    if isolated:
        names.append("t_request_s")
    if sum(setup.replica.tp > 1 for setup in isolated) >= MIN_SPLIT_PREFILLS:
        names.append("bus_ratio")
    return tuple(sorted(names))


def _descend(
    start: ServingParameters, priors: Mapping[str, Prior], groups: Sequence[_Group]
) -> tuple[ServingParameters, tuple[str, ...]]:
    free = tuple(priors)
    centre = np.log([prior.centre for prior in priors.values()])
    width = np.array([prior.width for prior in priors.values()])
    strength = LOSS_SCALE * np.sqrt(PRIOR_POINTS)

    def at(logs: Array) -> ServingParameters:
        return replace(start, **dict(zip(free, np.exp(logs).tolist(), strict=True)))

    def residuals(logs: Array) -> Array:
        params = at(logs)
        data = [group.log_errors(params) for group in groups]
        return np.concatenate([*data, strength * (logs - centre) / width])

    low = np.log([prior.low for prior in priors.values()])
    high = np.log([prior.high for prior in priors.values()])
    first = np.log([getattr(start, name) for name in free])
    slower = first + np.where([name.startswith("mfu") for name in free], np.log(SLOW_START), 0.0)
    runs = [
        least_squares(
            residuals, np.clip(logs, low + 1e-6, high - 1e-6), bounds=(low, high), loss="soft_l1",
            f_scale=LOSS_SCALE, xtol=1e-10, ftol=1e-10, gtol=1e-10,
        )
        for logs in (first, slower)
    ]  # fmt: skip
    found = min(runs, key=lambda run: float(f"{run.cost:.6g}"))
    return at(found.x), _identified(free, width, residuals, found.x)


def _identified(
    free: tuple[str, ...], width: Array, residuals: Callable[[Array], Array], logs: Array
) -> tuple[str, ...]:
    """Parameters whose logarithm is known much better than the width of its prior, by the
    curvature of the squared residuals at the optimum."""
    step = 1e-4
    units = step * np.eye(len(logs))
    moved = [residuals(logs + unit) - residuals(logs - unit) for unit in units]
    jacobian = np.array(moved).T / (2 * step * LOSS_SCALE)
    spread = np.sqrt(np.diag(np.linalg.inv(jacobian.T @ jacobian)))
    return tuple(
        name
        for name, now, before in zip(free, spread, width, strict=True)
        if now < IDENTIFIED_RATIO * before
    )


def _groups(setups: Sequence[Setup]) -> tuple[_Group, ...]:
    groups = []
    for key in sorted({(s.point.phase, s.point.convention.load) for s in setups}):
        mine = [s for s in setups if (s.point.phase, s.point.convention.load) == key]
        replica, work = stacked(mine)
        measured = [s.point.latency_s for s in mine]
        groups.append(_Group(*key, replica, work, np.array(measured, dtype=float)))
    return tuple(groups)


def _errors(setups: Sequence[Setup], params: ServingParameters) -> list[float]:
    """Relative error of each point, in order."""
    order: dict[int, float] = {}
    for key in sorted({(s.point.phase, s.point.convention.load) for s in setups}):
        mine = [s for s in setups if (s.point.phase, s.point.convention.load) == key]
        replica, work = stacked(mine)
        predicted = latency_of(*key, replace(replica, params=params), work)
        for setup, value in zip(mine, predicted, strict=True):
            assert setup.point.latency_s is not None
            order[id(setup)] = float(value) / setup.point.latency_s - 1.0
    return [order[id(setup)] for setup in setups]


def _largest_partition(setups: Sequence[Setup]) -> HeldOut | None:
    """Hold out models where there are several, else accelerators, else tp degrees."""
    candidates: tuple[HeldOut, ...] = ("model", "hardware", "tp")
    for by in candidates:
        if len({_group_value(setup, by) for setup in setups}) > 1:
            return by
    return None


def _group_value(setup: Setup, by: HeldOut) -> str:
    return str(getattr(setup.point, by))


def _mape(errors: Sequence[float], rows: Sequence[Setup | PointError]) -> float:
    """Mean absolute error without mean TTFTs under a closed loop, unless there is nothing else."""
    plain = [e for e, row in zip(errors, rows, strict=True) if not is_queued(row.point)]
    return float(np.mean(np.abs(plain or errors)))
