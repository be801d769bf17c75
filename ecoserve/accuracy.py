"""How far predictions of speed are off for models and accelerators that the fit never saw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ecoserve.calibration import (
    HeldOut,
    PointError,
    cross_validate,
    is_queued,
    plan_of,
    points_of,
    transferred,
)
from ecoserve.catalog import Catalog
from ecoserve.prediction import Setup
from ecoserve.rows import CalibrationPlan

Key = tuple[str, str, str]

A100, H100, B200, A40 = "ampere_hbm", "hopper_sxm", "blackwell_sxm", "ga102"
SERVING_FP8: tuple[Key, ...] = tuple(
    (family, stack, "fp8") for family in (H100, B200) for stack in ("vllm_v1", "trtllm")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyRow:
    """One line of the table: errors of points whose model or accelerator was held out."""

    quantity: str
    wanted: float
    at_least: float
    mape: float
    bias: float
    n: int
    held_out: str


def speed_rows(catalog: Catalog) -> tuple[AccuracyRow, ...]:
    """The table, from the catalog's measured points; dense models but for the last line."""
    return (
        _row("linear layer, A100, H100 and A40", 0.06, 0.09, _layers(catalog), "model"),
        _row("decode step, A100 and H100", 0.08, 0.12, _decodes(catalog), "model, else tp"),
        _row(
            "decode step, B200", 0.11, 0.14,
            _crossed(catalog, (B200, "vllm_v1", "bf16"), ("decode",)), "model",
        ),
        _row("end to end, A100 and H100", 0.08, 0.10, _runs(catalog), "model"),
        _row("unseen accelerator by data sheet", 0.08, 0.12, _swaps(catalog), "hardware"),
        _row("TPOT in a closed loop, one set", 0.10, 0.13, _one_set(catalog), "model and hardware"),
        _row("isolated prefill", 0.12, 0.15, _prefills(catalog), "model, else tp"),
        _row("mean TTFT under load", 0.25, 0.40, _queued(catalog), "model, else tp"),
    )  # fmt: skip


def _row(
    quantity: str, wanted: float, at_least: float, errors: Iterable[PointError], held_out: str
) -> AccuracyRow:
    values = np.array([row.error for row in errors])
    return AccuracyRow(
        quantity=quantity, wanted=wanted, at_least=at_least, held_out=held_out, n=len(values),
        mape=float(np.mean(np.abs(values))), bias=float(np.median(values)),
    )  # fmt: skip


def _setups(catalog: Catalog, key: Key) -> tuple[tuple[Setup, ...], CalibrationPlan]:
    plan = plan_of(catalog, *key)
    return points_of(catalog.measured_points, catalog, plan)[0], plan


def _crossed(
    catalog: Catalog, key: Key, phases: Sequence[str], by: HeldOut = "model"
) -> list[PointError]:
    setups, plan = _setups(catalog, key)
    errors = cross_validate(setups, plan, by)
    return [row for row in errors if row.point.phase in phases and not is_queued(row.point)]


def _layers(catalog: Catalog) -> list[PointError]:
    keys = [(family, "operator", "bf16") for family in (A100, H100, A40)]
    return [row for key in keys for row in _crossed(catalog, key, ("linear_layer",))]


def _decodes(catalog: Catalog) -> list[PointError]:
    keys = [(H100, "vllm_v1", "bf16"), (A100, "vllm_v0", "bf16"), (H100, "vllm_v0", "bf16")]
    errors = [row for key in keys for row in _crossed(catalog, key, ("decode",))]
    for family in (A100, H100):
        errors += _crossed(catalog, (family, "vllm_2023", "bf16"), ("decode",), "tp")
    return errors


def _runs(catalog: Catalog) -> list[PointError]:
    keys = [(family, stack, "bf16") for family in (A100, H100) for stack in ("vllm_v0", "trtllm")]
    return [row for key in keys for row in _crossed(catalog, key, ("e2e",))]


def _swaps(catalog: Catalog) -> list[PointError]:
    pairs = [
        (source, target, stack)
        for source, target in ((A100, H100), (H100, A100))
        for stack in ("vllm_v0", "trtllm")
    ]
    pairs += [(H100, B200, "vllm_v1"), (B200, H100, "vllm_v1")]
    errors: list[PointError] = []
    for source, target, stack in pairs:
        train, plan = _setups(catalog, (source, stack, "bf16"))
        errors += transferred(train, _setups(catalog, (target, stack, "bf16"))[0], plan)
    for stack in ("vllm_v1", "trtllm"):
        train, plan = _setups(catalog, (H100, stack, "fp8"))
        h200 = [s for s in _tpots(train) if s.point.hardware == "H200"]
        b200 = _tpots(_setups(catalog, (B200, stack, "fp8"))[0])
        errors += transferred(h200, b200, plan)
    return errors


def _tpots(setups: Iterable[Setup]) -> list[Setup]:
    return [setup for setup in setups if not is_queued(setup.point)]


def _one_set(catalog: Catalog) -> list[PointError]:
    every = [s for key in SERVING_FP8 for s in _tpots(_setups(catalog, key)[0])]
    plan = plan_of(catalog, *SERVING_FP8[0])
    errors: list[PointError] = []
    for group in sorted({(s.point.model, s.point.hardware) for s in every}):
        inside = [s for s in every if (s.point.model, s.point.hardware) == group]
        outside = [s for s in every if (s.point.model, s.point.hardware) != group]
        errors += transferred(outside, inside, plan)
    return errors


def _prefills(catalog: Catalog) -> list[PointError]:
    errors: list[PointError] = []
    for family in (A100, H100):
        errors += _crossed(catalog, (family, "vllm_2023", "bf16"), ("prefill",), "tp")
        for stack in ("vllm_v0", "trtllm"):
            errors += _crossed(catalog, (family, stack, "bf16"), ("prefill",))
    return errors


def _queued(catalog: Catalog) -> list[PointError]:
    errors: list[PointError] = []
    for key in SERVING_FP8:
        setups, plan = _setups(catalog, key)
        by: HeldOut = "model" if len({s.point.model for s in setups}) > 1 else "tp"
        errors += [row for row in cross_validate(setups, plan, by) if is_queued(row.point)]
    return errors
