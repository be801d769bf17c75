"""Fits to somebody's own measured points: which parameters a file speaks about, and their rows.

The parameters that the catalog has for a key are the centre of its priors, so that a few points
move what they speak about and leave the rest. Where the catalog has no plan for a key, what is
fixed (latency of an all-reduce, work per step) comes from another stack of the same hardware; its
efficiencies and overheads do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ecoserve.calibration import ServingFit, fit_serving, with_sibling_band
from ecoserve.calibration import rounded as rounded_speed
from ecoserve.catalog import OPERATOR_STACK, Catalog, serving_id
from ecoserve.errors import CatalogError, MissingDataError
from ecoserve.fit_points import key_of
from ecoserve.fitting import PRIORS
from ecoserve.points import MeasuredPoint
from ecoserve.power_calibration import PowerFit, fit_power, parameters_row
from ecoserve.power_rows import power_points_of, rounded, summary
from ecoserve.rows import CalibrationPlan, PowerParameters, ServingParameters

OWN_SOURCE = "your_overlay"
WORST_FIT = 1.0
"""Mean error on its own points beyond which a fit is a mistake in the file: 100 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSpeedFit:
    """Serving parameters of one key from the points of a file."""

    id: str
    fit: ServingFit
    is_new: bool
    """Whether the catalog had no parameters of this key."""
    moved_along: tuple[ServingParameters, ...]
    """Unmeasured rows of the same family and stack at other precisions, changed in proportion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPowerFit:
    """Power parameters of one family from the points of a file."""

    family: str
    fit: PowerFit
    row: PowerParameters


@dataclass(frozen=True, slots=True)
class NotFitted:
    """A key or family of the file without a fit, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFits:
    """All that a file of points gives."""

    speed: tuple[OwnSpeedFit, ...]
    power: tuple[OwnPowerFit, ...]
    not_fitted: tuple[NotFitted, ...]


def own_fits(points: Sequence[MeasuredPoint], catalog: Catalog) -> OwnFits:
    """Fits of every (family, stack, precision), and of power per family, that points speak about.

    Raises :class:`MissingDataError` with every reason where nothing at all could be fitted.
    """
    keys, not_fitted = _keys(points, catalog)
    speed: list[OwnSpeedFit] = []
    for key in keys:
        try:
            speed.append(_speed(points, catalog, key))
        except MissingDataError as error:
            not_fitted.append(NotFitted(serving_id(*key), str(error)))
    measured = {found.id for found in speed}
    speed = [
        replace(found, moved_along=tuple(r for r in found.moved_along if r.id not in measured))
        for found in speed
    ]
    rows = {found.id: found.fit.params for found in speed}
    known = replace(catalog, serving_parameters={**catalog.serving_parameters, **rows})
    power = _power(points, known, not_fitted)
    if not speed and not power:
        reasons = [f"{missing.id}: {missing.reason}" for missing in not_fitted]
        raise MissingDataError("\n".join(reasons))
    return OwnFits(speed=tuple(speed), power=tuple(power), not_fitted=tuple(not_fitted))


def _keys(
    points: Sequence[MeasuredPoint], catalog: Catalog
) -> tuple[list[tuple[str, str, str]], list[NotFitted]]:
    """The keys of the file, sorted, and the rows that have none."""
    keys: set[tuple[str, str, str]] = set()
    unknown: dict[str, int] = {}
    for point in points:
        try:
            keys.add(key_of(point, catalog))
        except CatalogError as error:
            unknown[str(error)] = unknown.get(str(error), 0) + 1
    return sorted(keys), [
        NotFitted(f"{count} rows", reason) for reason, count in sorted(unknown.items())
    ]


def _speed(
    points: Sequence[MeasuredPoint], catalog: Catalog, key: tuple[str, str, str]
) -> OwnSpeedFit:
    plan = plan_for(catalog, *key)
    known = catalog.serving_parameters.get(plan.id)
    neighbour = known or catalog.serving_parameters.get(plan.from_id or "")
    fit = fit_serving(points, catalog, plan, neighbour)
    if fit.in_sample_mape > WORST_FIT:
        raise MissingDataError(
            f"the best fit is off by {fit.in_sample_mape:.0%} on its own points: check the units "
            "(latency_ms in milliseconds), the tp and the context_len"
        )
    unseen = unseen_error_of(catalog.serving_parameters.values())
    # Nothing tells how another model would fare.
    band = max(fit.params.error_band, unseen if len(fit.models) == 1 else 0.0)
    own = replace(fit.params, source_id=OWN_SOURCE, provenance="calibrated", error_band=band)
    params = with_sibling_band(own, unseen)
    return OwnSpeedFit(
        id=plan.id, fit=replace(fit, params=params), is_new=known is None,
        moved_along=() if known is None else tuple(_moved_along(catalog, known, params)),
    )  # fmt: skip


def unseen_error_of(rows: Iterable[ServingParameters | PowerParameters]) -> float:
    """The error of unseen accelerators that the catalog's rows carry; 0 where none does."""
    return min((row.sibling_error_band for row in rows if row.sibling_error_band), default=0.0)


def _moved_along(
    catalog: Catalog, known: ServingParameters, own: ServingParameters
) -> Iterator[ServingParameters]:
    """Rows of other precisions that no point stands behind, changed as this one was.

    Without it a plan would prefer the precision nobody measured for its optimism alone.
    """
    for _, row in sorted(catalog.serving_parameters.items()):
        is_sibling = (row.family, row.stack) == (own.family, own.stack) and row.id != own.id
        if not is_sibling or row.provenance == "calibrated":
            continue
        changed: dict[str, Any] = {
            name: min(
                max(getattr(row, name) * getattr(own, name) / getattr(known, name), prior.low),
                prior.high,
            )
            for name, prior in PRIORS.items()
        }
        band = max(row.error_band, own.error_band)
        note = f"Changed in proportion to {own.id}, which was fitted to your measurements."
        yield rounded_speed(
            replace(row, source_id=OWN_SOURCE, error_band=band, note=note, **changed)
        )


def plan_for(catalog: Catalog, family: str, stack: str, precision: str) -> CalibrationPlan:
    """The catalog's plan of a key, else one with the fixed terms of another stack of the family.

    Raises :class:`MissingDataError` where the family has none.
    """
    own_id = serving_id(family, stack, precision)
    found = catalog.calibration_plans.get(own_id)
    if found is not None:
        return found
    others = [
        plan
        for _, plan in sorted(catalog.calibration_plans.items())
        if plan.family == family and plan.stack != OPERATOR_STACK
    ]
    if not others:
        raise MissingDataError(
            f"no calibration plan for any stack of {family}: add a row to calibration_plans.csv of"
            " an overlay"
        )
    same = [plan for plan in others if plan.precision == precision]
    like = (same or others)[0]
    note = f"All-reduce latency and time per step as in {like.id}."
    return replace(
        like, id=own_id, stack=stack, precision=precision, from_id=None, overlap_norm=1.0,
        note=note,
    )  # fmt: skip


def _power(
    points: Sequence[MeasuredPoint], catalog: Catalog, not_fitted: list[NotFitted]
) -> list[OwnPowerFit]:
    usable = power_points_of(points, catalog)
    not_fitted += [NotFitted("power", reason) for reason in usable.left_out]
    fits: list[OwnPowerFit] = []
    for family, mine in usable.by_family.items():
        try:
            fit = fit_power(mine)
        except MissingDataError as error:
            not_fitted.append(NotFitted(f"power of {family}", str(error)))
            continue
        row = parameters_row(
            fit, family, seen=mine, error_band=fit.held_out_mape, provenance="calibrated",
            source_id=OWN_SOURCE, note=summary(fit),
        )  # fmt: skip
        unseen = unseen_error_of(catalog.power_parameters.values())
        row = with_sibling_band(rounded(row), unseen)
        fits.append(OwnPowerFit(family=family, fit=fit, row=row))
    return fits
