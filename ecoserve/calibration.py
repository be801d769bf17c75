"""Serving parameters fitted to measured points, and how well they speak about what they never saw.

:mod:`ecoserve.fitting` finds them. Points of mixtures of experts are used only where no dense ones
exist. Errors of a fit are those of models (else accelerators, else tensor-parallel degrees) that
were held out whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ecoserve.catalog import OPERATOR_STACK, Catalog, serving_id
from ecoserve.errors import MissingDataError
from ecoserve.fit_points import MIN_POINTS, points_of
from ecoserve.fitting import PRIORS, best_parameters, is_queued, priors_of, relative_errors
from ecoserve.points import (
    MeasuredPoint,
)
from ecoserve.prediction import Setup
from ecoserve.rows import CalibrationPlan, PowerParameters, ServingParameters

Array = NDArray[np.float64]
HeldOut = Literal["model", "hardware", "tp"]
Parameters = TypeVar("Parameters", ServingParameters, PowerParameters)

FEW_POINTS = 12
"""Below it the neighbour's error band tells more than errors of the points themselves."""
SMALLEST_BAND = 0.08
MOE_BAND = 0.2
"""Of fits that rest on mixtures of experts, which differ more from one another."""
SAME_MODEL_FACTOR = 1.5
"""How much wider a band is where no other model could be held out."""
SIGNIFICANT_DIGITS = 3


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
    params, identified = best_parameters(setups, plan, priors)
    in_sample = _mape(relative_errors(setups, params), setups)
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
        params, _ = best_parameters(outside, plan, priors_of(plan, neighbour, alone))
        errors += [
            PointError(point=setup.point, error=error)
            for setup, error in zip(inside, relative_errors(inside, params), strict=True)
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
        for setup, error in zip(test, relative_errors(test, params), strict=True)
    )


def fitted(
    setups: Sequence[Setup],
    plan: CalibrationPlan,
    layers: Layers | None = None,
    without: str | None = None,
) -> ServingParameters:
    """Parameters of a plan from these points alone, and ``layers`` without one model."""
    alone = layers.params(without) if layers else None
    return best_parameters(setups, plan, priors_of(plan, None, alone))[0]


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
