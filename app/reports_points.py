"""What the terminal shows of measured points: errors of predictions, and fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from app.reports import Report, percent, table
from app.text import number

if TYPE_CHECKING:
    from ecoserve.own_fits import OwnFits, OwnPowerFit, OwnSpeedFit
    from ecoserve.validation import ErrorGroup, UnpredictedRow

LEGEND = (
    "MAPE: mean of the absolute errors. Bias: median of the signed errors; above 0 the prediction"
    " is too slow or too high. Energy is per output token, of the accelerators alone."
)
CORRECTED = (
    "Corrected by the catalog's measured points inside their grids; rows among these points are"
    " corrected by themselves, so this is no test of the model."
)
MAX_EXAMPLES = 3


def validation_report(
    groups: Sequence[ErrorGroup],
    unpredicted: Sequence[UnpredictedRow],
    title: str,
    with_corrections: bool,
) -> Report:
    """Errors by group, then the rows without a prediction by reason."""
    report: Report = [Text(title, style="bold")]
    if groups:
        rows = [
            (g.source, g.hardware, g.phase, g.quantity, f"{g.n:,}", *map(percent, _errors(g)))
            for g in groups
        ]
        heads = ("source", "hardware", "phase", "quantity", "n >", "MAPE >", "median >", "bias >")
        report += [table("Errors", heads, rows), Text(LEGEND)]
    if with_corrections:
        report.append(Text(CORRECTED))
    if unpredicted:
        report.append(_reasons(unpredicted))
    return report


def _errors(group: ErrorGroup) -> tuple[float, float, float]:
    return group.mape, group.median_error, group.bias


def _reasons(unpredicted: Sequence[UnpredictedRow]) -> RenderableType:
    by_reason: dict[str, list[int]] = {}
    for row in unpredicted:
        by_reason.setdefault(row.reason, []).append(row.row + 1)
    ordered = sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0]))
    rows = [
        (f"{len(found):,}", reason, ", ".join(map(str, found[:MAX_EXAMPLES])))
        for reason, found in ordered
    ]
    return table("Not predicted", ("rows >", "why", "first rows, from 1"), rows)


def fits_report(fits: OwnFits, title: str) -> Report:
    """Every fit: what it rests on, what it is worth, and its parameters."""
    report: Report = [Text(title, style="bold")]
    for speed in fits.speed:
        report.append(_speed(speed))
        if speed.moved_along:
            names = ", ".join(row.id for row in speed.moved_along)
            report.append(Text(f"changed in proportion, since nothing measured them: {names}"))
        report += [Text(f"left out: {reason}") for reason in speed.fit.left_out]
    report += [_power(found) for found in fits.power]
    if fits.not_fitted:
        rows = [(missing.id, missing.reason) for missing in fits.not_fitted]
        report.append(table("Not fitted", ("what", "why"), rows))
    return report


def _speed(found: OwnSpeedFit) -> RenderableType:
    fit, p = found.fit, found.fit.params
    figures = (
        ("mbu", p.mbu, 1, "of the memory bandwidth, weights"),
        ("mbu_kv", p.mbu_kv, 1, "of the memory bandwidth, KV cache"),
        ("mfu_decode", p.mfu_decode, 1, "of the peak rate, decode"),
        ("mfu_prefill", p.mfu_prefill, 1, "of the peak rate, prefill"),
        ("t_layer_s", p.t_layer_s, 1e6, "us per layer"),
        ("t_seq_s", p.t_seq_s, 1e6, "us per sequence"),
        ("t_request_s", p.t_request_s, 1e3, "ms per request"),
        ("bus_ratio", p.bus_ratio, 1, "of the all-reduce bandwidth"),
    )
    rows = [
        ("points", f"{fit.n_points:,}", f"of {', '.join(fit.models)} on {', '.join(fit.hardware)}"),
        ("batch", number(fit.largest_batch_ratio), "times the smallest is the largest"),
        ("error on these points", percent(fit.in_sample_mape), ""),
        ("error, held out", *_held_out(found)),
        ("error band", percent(p.error_band), "to plan with"),
    ]
    rows += [
        (name, number(value * scale), f"{unit}{_how(name, fit.identified)}")
        for name, value, scale, unit in figures
    ]
    new = ", new" if found.is_new else ""
    return table(f"Speed, {found.id}{new}", ("figure", "value >", ""), rows)


def _held_out(found: OwnSpeedFit) -> tuple[str, str]:
    fit = found.fit
    if fit.cross_validated_mape is None:
        return "unknown", "one model on one accelerator at one tp: nothing to hold out"
    return percent(fit.cross_validated_mape), f"each {fit.held_out} predicted without it"


def _how(name: str, identified: Sequence[str]) -> str:
    return ", identified" if name in identified else ", not told apart by your points"


def _power(found: OwnPowerFit) -> RenderableType:
    fit, row = found.fit, found.row
    rows = [
        ("points", f"{fit.n_points:,}", f"of {', '.join(fit.models)} on {', '.join(fit.hardware)}"),
        ("error on these points", percent(fit.fit_mape), ""),
        ("error, held out", percent(fit.held_out_mape), "each model predicted without it"),
        ("a_ratio", number(row.a_ratio), "of TDP at full bandwidth" + _fitted("a_ratio", fit)),
        (
            "sequence_layer_s",
            number(row.sequence_layer_s * 1e6),
            "us of TDP per sequence and layer" + _fitted("sequence_layer_s", fit),
        ),
    ]
    return table(f"Power, {found.family}", ("figure", "value >", ""), rows)


def _fitted(name: str, fit: Any) -> str:
    return ", identified" if name in fit.identified else ", not identified"


def fits_record(fits: OwnFits) -> dict[str, Any]:
    """The keys of ``ecoserve calibrate --json``."""
    return {
        "fits": [_speed_record(found) for found in fits.speed],
        "power": [_power_record(found) for found in fits.power],
        "not_fitted": [asdict(missing) for missing in fits.not_fitted],
    }


def _speed_record(found: OwnSpeedFit) -> dict[str, Any]:
    fit = found.fit
    return {
        "id": found.id,
        "is_new": found.is_new,
        "n_points": fit.n_points,
        "models": list(fit.models),
        "hardware": list(fit.hardware),
        "batch_ratio": fit.largest_batch_ratio,
        "identified": list(fit.identified),
        "in_sample_mape": fit.in_sample_mape,
        "held_out": fit.held_out,
        "cross_validated_mape": fit.cross_validated_mape,
        "left_out": list(fit.left_out),
        "parameters": asdict(fit.params),
        "moved_along": [asdict(row) for row in found.moved_along],
    }


def _power_record(found: OwnPowerFit) -> dict[str, Any]:
    fit = found.fit
    return {
        "id": found.family,
        "n_points": fit.n_points,
        "models": list(fit.models),
        "hardware": list(fit.hardware),
        "identified": list(fit.identified),
        "in_sample_mape": fit.fit_mape,
        "cross_validated_mape": fit.held_out_mape,
        "parameters": asdict(found.row),
    }
