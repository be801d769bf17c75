"""Predictions beside measured points, row by row, and what the parameters rest on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.figures_evidence import PointCheck
from ecoserve.catalog import Catalog
from ecoserve.errors import CatalogError
from ecoserve.fit_points import points_of
from ecoserve.own_fits import OWN_SOURCE
from ecoserve.points import MeasuredPoint
from ecoserve.prediction import Prediction, Unpredicted, predict
from ecoserve.rows import PowerParameters, ServingParameters
from ecoserve.validation import QUANTITIES, ErrorGroup, compared, error_groups, unpredicted_rows

MS_PER_S = 1000.0
POWER_QUANTITIES = ("power", "energy")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpredictedGroup:
    """Rows about which the model says nothing, for one reason."""

    reason: str
    n: int
    source: str
    hardware: str
    model: str
    """Of the first such row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedEvidence:
    """All measured points of a catalog beside their predictions."""

    checks: tuple[PointCheck, ...]
    groups: tuple[ErrorGroup, ...]
    unpredicted: tuple[UnpredictedGroup, ...]
    n_points: int


def speed_evidence(catalog: Catalog) -> SpeedEvidence:
    """Every measured point predicted; some 2 s for 2,000 points."""
    points = catalog.measured_points
    predictions = [predict(point, catalog) for point in points]
    fitted = _fitted(catalog)
    checks = tuple(
        check
        for point, prediction in zip(points, predictions, strict=True)
        if isinstance(prediction, Prediction)
        for check in _checks(point, prediction, catalog, in_speed_fit=id(point) in fitted)
    )
    return SpeedEvidence(
        checks=checks,
        groups=error_groups(points, predictions),
        unpredicted=_unpredicted(points, predictions),
        n_points=len(points),
    )


def _fitted(catalog: Catalog) -> frozenset[int]:
    """Identities of the points that calibrated parameters were fitted to."""
    plans = [
        plan
        for plan in catalog.calibration_plans.values()
        if plan.id in catalog.serving_parameters
        and catalog.serving_parameters[plan.id].provenance == "calibrated"
    ]
    used = ((plan.id, points_of(catalog.measured_points, catalog, plan)[0]) for plan in plans)
    return frozenset(
        id(setup.point)
        for plan_id, setups in used
        for setup in setups
        if setup.point.is_own == _is_own_fit(catalog.serving_parameters[plan_id])
    )


def _is_own_fit(row: ServingParameters | PowerParameters) -> bool:
    """Whether the user fitted it: to their own points, as ours are to ours."""
    return row.source_id == OWN_SOURCE


def _checks(
    point: MeasuredPoint, prediction: Prediction, catalog: Catalog, *, in_speed_fit: bool
) -> Iterator[PointCheck]:
    for quantity in QUANTITIES:
        said, was = compared(point, prediction, quantity)
        if said is None or not was:
            continue
        scale = MS_PER_S if quantity == "latency" else 1.0
        of_power = quantity in POWER_QUANTITIES
        yield PointCheck(
            quantity=quantity, source=point.source, model=point.model, hardware=point.hardware,
            tp=point.tp, precision=point.precision, stack=point.stack, phase=point.phase,
            batch=point.batch, lengths=_lengths(point), measured=scale * was,
            predicted=scale * said,
            in_fit=_in_power_fit(point, catalog) if of_power else in_speed_fit,
            is_own=point.is_own,
        )  # fmt: skip


def _in_power_fit(point: MeasuredPoint, catalog: Catalog) -> bool:
    try:
        family = catalog.accelerator(point.hardware).family
        row = catalog.power(family)
        return row.provenance == "calibrated" and _is_own_fit(row) == point.is_own
    except CatalogError:
        return False


def _lengths(point: MeasuredPoint) -> str:
    """The lengths that a row states."""
    stated = (
        ("in", point.input_len), ("out", point.output_len), ("context", point.context_len),
    )  # fmt: skip
    return ", ".join(f"{name} {value:,.0f}" for name, value in stated if value)


def _unpredicted(
    points: Sequence[MeasuredPoint], predictions: Sequence[Prediction | Unpredicted]
) -> tuple[UnpredictedGroup, ...]:
    """The reasons, the most frequent first."""
    rows: dict[str, list[int]] = {}
    for row in unpredicted_rows(predictions):
        rows.setdefault(row.reason, []).append(row.row)
    return tuple(
        UnpredictedGroup(
            reason=reason, n=len(own), source=points[own[0]].source,
            hardware=points[own[0]].hardware, model=points[own[0]].model,
        )
        for reason, own in sorted(rows.items(), key=lambda item: (-len(item[1]), item[0]))
    )  # fmt: skip
