"""Fits of the power parameters: what comes back from points made with known ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecoserve.errors import MissingDataError
from ecoserve.performance import accelerator_replica
from ecoserve.points import MeasuredPoint, PointConvention
from ecoserve.power_calibration import (
    CAP_RATIO,
    PowerCoefficients,
    PowerPoint,
    fit_power,
    held_out_coefficients,
    parameters_row,
    power_errors,
    power_point,
)
from tests.builders import BIG, TOY, serving

REPLICA = accelerator_replica(TOY, BIG, 1, "bf16", serving("big_family"))
PAIR = accelerator_replica(TOY, BIG, 2, "bf16", serving("big_family"))
ROW = MeasuredPoint(
    source="paper", model="toy", hardware="big", tp=1, precision="fp16", stack="vllm_v1",
    phase="decode", batch=250.0, input_len=900.0, output_len=200.0, context_len=None,
    latency_s=0.008, output_tokens_per_s=25_000.0, power_w=300.0, j_per_output_token=None,
    convention=PointConvention(source="paper", phase="decode"),
)  # fmt: skip
TRUE = PowerCoefficients(
    p0_ratio=0.3, a_ratio=0.5, b_ratio=(CAP_RATIO - 0.3) / 0.45, sequence_layer_s=1e-6
)


def point(model: str, u_mem: float, u_cmp: float, rate: float, factor: float = 1.0) -> PowerPoint:
    """A point that draws what the true coefficients say, times ``factor``."""
    ratio = min(CAP_RATIO, 0.3 + 0.5 * u_mem + TRUE.b_ratio * u_cmp + 1e-6 * rate)
    return PowerPoint(
        source="paper", model=model, hardware="Big-80GB", accelerator_id="big", phase="decode",
        precision="bf16", tp=2, running=10.0, prefill_ratio=0.1, tdp_w=500.0,
        accelerator_w=500.0 * ratio * factor, period_s=0.02, u_mem=u_mem, u_cmp=u_cmp,
        sequence_layers_per_s=rate,
    )  # fmt: skip


def points(*factors: float) -> list[PowerPoint]:
    """Four points for each of as many models as there are factors."""
    return [
        point(f"model{i}", u_mem, 0.02 * (i + 1), 1e5 * k, factor)
        for i, factor in enumerate(factors)
        for k, u_mem in enumerate((0.6, 0.5, 0.3, 0.1))
    ]


def test_a_serving_row_takes_its_period_from_the_output_rate():
    # 250 / 25,000 = 10 ms, not the 8 ms between two tokens of one user: see test_power for the rest
    found = power_point(ROW, REPLICA, BIG)
    assert found.period_s == pytest.approx(0.01)
    assert found.u_mem == pytest.approx(0.199)
    assert found.u_cmp == pytest.approx(0.54855)
    assert found.sequence_layers_per_s == pytest.approx(250_000.0)
    assert found.prefill_ratio == pytest.approx(900 / 1100)
    assert found.precision == "bf16"
    assert found.j_per_output_token == pytest.approx(300.0 / 25_000.0)


def test_without_an_output_rate_the_latency_is_the_period():
    found = power_point(replace(ROW, output_tokens_per_s=None), REPLICA, BIG)
    assert found.period_s == pytest.approx(0.008)


@pytest.mark.parametrize(("scope", "expected"), [("replica", 150.0), ("per_gpu", 300.0)])
def test_power_is_of_one_accelerator_whatever_the_source_sums(scope, expected):
    convention = replace(ROW.convention, power_scope=scope)
    found = power_point(replace(ROW, tp=2, convention=convention), PAIR, BIG)
    assert found.accelerator_w == expected


def test_a_static_batch_beyond_memory_runs_in_waves():
    # 70.25e9 - 2e9 bytes free, 8,000 bytes x 0.87 x 200,000 tokens each: 49.03 fit, 100 asked for.
    # 49 running at 100,000 tokens each over 100 s: 49 x 100 s / (100 x 100,000)
    row = replace(
        ROW, phase="e2e", batch=100.0, input_len=100_000.0, output_len=100_000.0, latency_s=100.0,
        output_tokens_per_s=None,
    )  # fmt: skip
    found = power_point(row, REPLICA, BIG)
    assert found.running == 49.0
    assert found.period_s == pytest.approx(49 * 100.0 / 1e7)


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"power_w": None}, "power_w"),
        ({"batch": None, "output_len": None}, "batch, output_len"),
        ({"latency_s": None, "output_tokens_per_s": None}, "no latency"),
        ({"phase": "prefill"}, "prefill"),
        ({"phase": "e2e", "input_len": 1e8}, "does not fit"),
    ],
)
def test_a_row_that_says_too_little_is_refused(changes, missing):
    with pytest.raises(MissingDataError, match=missing):
        power_point(replace(ROW, **changes), REPLICA, BIG)


def test_a_fit_finds_the_parameters_its_points_were_made_with():
    fit = fit_power(points(1.0, 1.0, 1.0))
    assert fit.coefficients.a_ratio == pytest.approx(0.5, rel=1e-4)
    assert fit.coefficients.sequence_layer_s == pytest.approx(1e-6, rel=1e-4)
    assert fit.coefficients.p0_ratio == 0.3
    assert fit.fit_mape < 1e-4
    assert fit.held_out_mape < 1e-4
    assert fit.identified == ("a_ratio", "sequence_layer_s")


def test_a_fit_says_what_it_has_seen():
    fit = fit_power([*points(1.0, 1.0), replace(point("m", 0.7, 0.2, 0.0), prefill_ratio=0.5)])
    assert (fit.n_points, fit.models) == (9, ("m", "model0", "model1"))
    assert (fit.phases, fit.precisions, fit.hardware) == (
        ("decode", "mixed"),
        ("bf16",),
        ("Big-80GB",),
    )
    assert (fit.u_mem_max, fit.u_cmp_max) == (0.7, 0.2)


def test_a_wild_model_does_not_carry_the_others_away():
    # Nine honest models, one at half its power.
    fit = fit_power(points(*[1.0] * 9, 0.5))
    assert fit.coefficients.a_ratio == pytest.approx(0.5, rel=0.05)


def test_the_error_is_that_of_models_left_out():
    # Two models that disagree by a fifth: each is predicted from the other alone.
    data = points(1.0, 1.2)
    fit = fit_power(data)
    held_out = held_out_coefficients(data, lambda p: p.model)
    assert held_out[0].a_ratio != held_out[-1].a_ratio
    assert fit.held_out_mape == pytest.approx(float(np.abs(power_errors(data, held_out)).mean()))
    assert fit.held_out_mape > 1.3 * fit.fit_mape


def test_memory_is_not_identified_where_it_never_moves():
    data = [point(f"model{i}", 0.0, 0.02, 1e5 * (k + 1)) for i in range(2) for k in range(4)]
    assert fit_power(data).identified == ()


@pytest.mark.parametrize("factors", [(1.0,), (1.0, 1.0)])
def test_too_few_points_or_models_are_refused(factors):
    with pytest.raises(MissingDataError, match="power needs at least 6 points of 2 models"):
        fit_power(points(*factors)[:5])


def test_errors_of_power_are_signed():
    assert power_errors([point("m", 0.4, 0.1, 0.0, 0.8)], [TRUE])[0] == pytest.approx(0.25)


def test_a_row_carries_the_ranges_of_the_familys_own_points():
    fit = fit_power(points(1.0, 1.0))
    own = [replace(point("m", 0.2, 0.05, 0.0), precision="fp8")]
    row = parameters_row(
        fit, "f", seen=own, error_band=0.1, provenance="inherited", source_id="s", note="n"
    )
    assert (row.u_mem_max, row.u_cmp_max, row.precisions) == (0.2, 0.05, ("fp8",))
    assert (row.u_mem_min, row.u_cmp_min, row.measured_on) == (0.2, 0.05, ("big",))
    assert (row.a_ratio, row.quality) == (fit.coefficients.a_ratio, "modelled")


def test_a_family_without_points_has_nothing_measured():
    fit = fit_power(points(1.0, 1.0))
    row = parameters_row(
        fit, "f", seen=(), error_band=0.2, provenance="assumed", source_id="s", note="n"
    )
    assert (row.phases, row.precisions, row.quality) == ((), (), "assumed")
    assert (row.u_mem_max, row.u_cmp_max) == (fit.u_mem_max, fit.u_cmp_max)
