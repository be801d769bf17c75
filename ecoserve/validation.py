"""Predictions beside measured points: errors by source, hardware, phase and quantity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecoserve.points import MeasuredPoint
from ecoserve.prediction import Prediction, Unpredicted

QUANTITIES = ("latency", "throughput", "power", "energy")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGroup:
    """Relative errors of one quantity over the rows of one source, hardware and phase."""

    source: str
    hardware: str
    phase: str
    quantity: str
    n: int
    mape: float
    """Mean of the absolute relative errors, 0.1 = 10 %."""
    median_error: float
    """Median of the absolute relative errors."""
    bias: float
    """Median of the signed relative errors; above 0 the model is too slow (or too high)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpredictedRow:
    """A row, counted from 0, about which the model says nothing."""

    row: int
    reason: str


def error_groups(
    points: Sequence[MeasuredPoint], predictions: Sequence[Prediction | Unpredicted]
) -> tuple[ErrorGroup, ...]:
    """Errors of the predicted points, in alphabetical order of the groups.

    ``points`` and ``predictions`` belong together by position.
    """
    errors: dict[tuple[str, str, str, str], list[float]] = {}
    for point, prediction in zip(points, predictions, strict=True):
        if isinstance(prediction, Unpredicted):
            continue
        for quantity in QUANTITIES:
            said, was = compared(point, prediction, quantity)
            if said is not None and was:
                key = (point.source, point.hardware, point.phase, quantity)
                errors.setdefault(key, []).append(said / was - 1.0)
    return tuple(_group(key, errors[key]) for key in sorted(errors))


def unpredicted_rows(
    predictions: Sequence[Prediction | Unpredicted],
) -> tuple[UnpredictedRow, ...]:
    """The rows without a prediction, with the reason."""
    return tuple(
        UnpredictedRow(row=row, reason=prediction.reason)
        for row, prediction in enumerate(predictions)
        if isinstance(prediction, Unpredicted)
    )


def compared(
    point: MeasuredPoint, prediction: Prediction, quantity: str
) -> tuple[float | None, float | None]:
    """Predicted and measured value of one of :data:`QUANTITIES`; None where there is none."""
    pairs = {
        "latency": (prediction.latency_s, point.latency_s),
        "throughput": (prediction.output_tokens_per_s, point.output_tokens_per_s),
        "power": (prediction.power_w, point.power_w),
        "energy": (prediction.j_per_output_token, point.j_per_output_token),
    }
    return pairs[quantity]


def _group(key: tuple[str, str, str, str], errors: Sequence[float]) -> ErrorGroup:
    source, hardware, phase, quantity = key
    return ErrorGroup(
        source=source, hardware=hardware, phase=phase, quantity=quantity, n=len(errors),
        mape=float(np.mean(np.abs(errors))), median_error=float(np.median(np.abs(errors))),
        bias=float(np.median(errors)),
    )  # fmt: skip
