"""The catalog's power parameters from measured points, family by family.

A plan says whose points are fitted together. A family with points of its own among them is
``calibrated``; one with points that the fit has not seen is ``inherited`` and its error is the one
on these; one without any is ``assumed``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecoserve.calibration import band_of
from ecoserve.catalog import Catalog
from ecoserve.errors import CatalogError, MissingDataError
from ecoserve.points import MeasuredPoint
from ecoserve.power_calibration import (
    PowerCoefficients,
    PowerFit,
    PowerPoint,
    fit_power,
    parameters_row,
    power_errors,
    power_point,
)
from ecoserve.prediction import replica_of
from ecoserve.rows import PowerParameters, PowerPlan, Provenance

LARGEST_OF_TDP = 1.2
"""Mean draw over TDP beyond which a measurement is not of one accelerator."""
DIGITS = 4
"""Decimals of the coefficients."""
RANGE_DIGITS = 3
SECOND_DIGITS = 10
"""Decimals of seconds per sequence and layer: a ten-thousandth of a microsecond."""


@dataclass(frozen=True, slots=True)
class PowerPoints:
    """Points by family, and why others tell nothing about power."""

    by_family: Mapping[str, tuple[PowerPoint, ...]]
    left_out: tuple[str, ...]


def power_points_of(points: Iterable[MeasuredPoint], catalog: Catalog) -> PowerPoints:
    """The points with a power that the form can use, by hardware family.

    Mixtures of experts are left out: their kernels draw more or less than utilisation says.
    """
    found: dict[str, list[PowerPoint]] = {}
    left_out: dict[str, int] = {}
    for point in points:
        if point.power_w is None:
            continue
        try:
            family, made = _usable(point, catalog)
        except CatalogError as error:
            left_out[str(error)] = left_out.get(str(error), 0) + 1
        else:
            found.setdefault(family, []).append(made)
    return PowerPoints(
        {family: tuple(found[family]) for family in sorted(found)},
        tuple(f"{count} points: {reason}" for reason, count in sorted(left_out.items())),
    )


def _usable(point: MeasuredPoint, catalog: Catalog) -> tuple[str, PowerPoint]:
    if point.hardware in catalog.measured_cpus:
        raise MissingDataError("power of CPUs is a figure of the host, not of a fit")
    replica = replica_of(point, catalog)
    if replica.expert_bytes:
        raise MissingDataError("a mixture of experts, whose power utilisation does not tell")
    accelerator = catalog.accelerator(point.hardware)
    made = power_point(point, replica, accelerator)
    if made.accelerator_w > LARGEST_OF_TDP * accelerator.tdp_w:
        raise MissingDataError(
            f"{made.accelerator_w:,.0f} W on one {accelerator.id} of {accelerator.tdp_w:,.0f} W: "
            "check power_scope (per_gpu or replica) and tp"
        )
    return accelerator.family, made


def power_rows(points: Iterable[MeasuredPoint], catalog: Catalog) -> tuple[PowerParameters, ...]:
    """The parameters of all power plans of the catalog, sorted by family.

    Raises :class:`MissingDataError` where a plan's families have too few points.
    """
    known = power_points_of(points, catalog).by_family
    plans = sorted(catalog.power_plans.items())
    fits = {
        families: fit_power([point for family in families for point in known.get(family, ())])
        for families in sorted({plan.families for _, plan in plans})
    }
    return tuple(_row(plan, fits[plan.families], known.get(plan.id, ())) for _, plan in plans)


def _row(plan: PowerPlan, fit: PowerFit, own: Sequence[PowerPoint]) -> PowerParameters:
    provenance, band, note = _standing(plan, fit, own)
    row = parameters_row(
        fit, plan.id, seen=own, error_band=band, provenance=provenance, source_id=plan.source_id,
        note=" ".join(filter(None, (note, plan.note))),
    )  # fmt: skip
    return rounded(replace(row, p0_ratio=plan.p0_ratio))


def _standing(
    plan: PowerPlan, fit: PowerFit, own: Sequence[PowerPoint]
) -> tuple[Provenance, float, str]:
    """Provenance, error band and what to say of them."""
    if plan.id in plan.families:
        return "calibrated", fit.held_out_mape, summary(fit)
    joint = f"Joint fit of {' and '.join(plan.families)} ({fit.n_points} points)"
    if not own:
        return "assumed", plan.unseen_error_band, f"{joint}; no measured point of its own."
    error = _error_on(own, fit.coefficients)
    said = f"{joint}; mean error {error:.1%} on {len(own)} points of its own that it has not seen."
    return "inherited", error, said


def _error_on(points: Sequence[PowerPoint], coefficients: PowerCoefficients) -> float:
    return float(np.mean(np.abs(power_errors(points, [coefficients] * len(points)))))


def summary(fit: PowerFit) -> str:
    """In one sentence what a fit rests on."""
    known = ", ".join(fit.identified) or "none"
    return (
        f"{fit.n_points} points of {len(fit.models)} models on {', '.join(fit.hardware)}; "
        f"mean error {fit.fit_mape:.1%}, {fit.held_out_mape:.1%} with each model held out. "
        f"Identified: {known}. Floor, b and cap fixed."
    )


def rounded(row: PowerParameters) -> PowerParameters:
    """Coefficients to four decimals, ranges to three, the error band up to a whole per cent."""
    return replace(
        row, a_ratio=round(row.a_ratio, DIGITS), b_ratio=round(row.b_ratio, DIGITS),
        sequence_layer_s=round(row.sequence_layer_s, SECOND_DIGITS),
        u_mem_min=_down(row.u_mem_min), u_mem_max=round(row.u_mem_max, RANGE_DIGITS),
        u_cmp_min=_down(row.u_cmp_min), u_cmp_max=round(row.u_cmp_max, RANGE_DIGITS),
        error_band=band_of(row.error_band),
    )  # fmt: skip


def _down(ratio: float) -> float:
    """Rounded so that the smallest point stays inside the range."""
    scale = 10.0**RANGE_DIGITS
    return math.floor(ratio * scale) / scale
