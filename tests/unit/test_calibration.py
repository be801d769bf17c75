"""Fits find the parameters that made the points, say what they know, and judge by what they did
not see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ecoserve.calibration import (
    SMALLEST_BAND,
    cross_validate,
    fit_serving,
    inherited,
    rounded,
    serving_rows,
    transferred,
)
from ecoserve.catalog import Catalog
from ecoserve.errors import MissingDataError
from ecoserve.fit_points import points_of
from ecoserve.fitting import priors_of
from ecoserve.points import MeasuredPoint
from ecoserve.prediction import Prediction, predict
from ecoserve.rows import CalibrationPlan, ServingParameters
from tests.builders import BIG, ROW, TOY, TOY_MOE, serving
from tests.unit.test_prediction import CPU, catalog, point

KEY = "big_family/vllm_v1/bf16"
PLAN = CalibrationPlan(
    id=KEY, family="big_family", stack="vllm_v1", precision="bf16", from_id=None,
    allreduce_latency_s=10e-6, t0_s=0.5e-3, overlap_norm=1.0, error_factor=2.0, **ROW,
)  # fmt: skip
TRUTH: dict[str, Any] = {
    "mbu": 0.8, "mbu_kv": 0.7, "mfu_decode": 0.6, "mfu_prefill": 0.5, "t_layer_s": 80e-6,
    "t_seq_s": 30e-6, "t_request_s": 0.01,
}  # fmt: skip
TOY_7B = replace(
    TOY, id="toy_7b", aliases=("toy-7b",), layers=30, d_model=4000, n_heads=32, n_kv_heads=8,
    head_dim=128, params_b=7.0, active_b=7.0,
)  # fmt: skip
TOY_20B = replace(
    TOY_7B, id="toy_20b", aliases=("toy-20b",), layers=50, d_model=6000, params_b=20.0,
    active_b=20.0,
)  # fmt: skip
MODELS = ("toy-1b", "toy-7b", "toy-20b")


def world(**params: Any) -> Catalog:
    """A catalog with three models whose Big serves with the given parameters."""
    base = catalog(**params)
    return replace(
        base,
        accelerators={**base.accelerators, "big": replace(BIG, memory_gb=400.0)},
        llms={**base.llms, "toy_7b": TOY_7B, "toy_20b": TOY_20B},
        calibration_plans={KEY: PLAN},
    )


def measured(some: MeasuredPoint, factor: float = 1.0, **truth: Any) -> MeasuredPoint:
    """The point with the latency that parameters ``truth`` predict, times a factor."""
    answer = predict(some, world(**(TRUTH | truth)))
    assert isinstance(answer, Prediction), answer
    return replace(some, latency_s=answer.latency_s * factor)


def points(models: tuple[str, ...] = MODELS, **truth: Any) -> list[MeasuredPoint]:
    """Decodes, prefills and whole runs over two decades of batch, as the truth has them."""
    decodes = [
        point(model=model, batch=float(batch), context_len=float(context))
        for model in models
        for batch in (1, 4, 16, 64, 250)
        for context in (500, 4000)
    ]
    prefills = [
        point("prefill", model=model, batch=1.0, input_len=float(isl), output_len=1.0)
        for model in models
        for isl in (200, 1000, 8000)
    ]
    return [measured(some, **truth) for some in decodes + prefills]


def test_points_without_noise_are_predicted_again_in_spite_of_the_priors():
    fit = fit_serving(points(), world(), PLAN)
    assert fit.in_sample_mape < 0.015
    assert fit.params.t_layer_s == pytest.approx(80e-6, rel=0.05)
    assert fit.params.t_seq_s == pytest.approx(30e-6, rel=0.1)
    assert fit.params.mfu_prefill == pytest.approx(0.5, rel=0.05)
    assert fit.params.t_request_s == pytest.approx(0.01, rel=0.05)


def test_a_fit_says_what_it_rests_on():
    fit = fit_serving(points(), world(), PLAN)
    assert (fit.n_points, fit.models, fit.hardware) == (39, tuple(sorted(MODELS)), ("Big-80GB",))
    assert fit.largest_batch_ratio == 250.0
    assert (fit.params.id, fit.params.provenance) == (KEY, "calibrated")
    assert fit.params.note.startswith("39 points of 3 models on Big-80GB; mean error ")
    assert not fit.rests_on_experts


def test_only_parameters_that_the_points_narrow_are_identified():
    # batch 1 alone tells a sequence's overhead from nothing, and no prompt was prefilled
    alone = [some for some in points() if some.phase == "decode" and some.batch == 1.0]
    fit = fit_serving(alone, world(), PLAN)
    assert "t_layer_s" in fit.identified
    assert {"t_seq_s", "mfu_prefill", "mfu_decode"}.isdisjoint(fit.identified)
    assert fit.params.mfu_decode == 0.65  # fixed: compute does not show below batch 128
    assert fit.params.mfu_prefill == 0.55
    everything = fit_serving(points(), world(), PLAN)
    assert {"t_layer_s", "t_seq_s", "mfu_prefill"} <= set(everything.identified)


def test_the_cross_validation_holds_whole_models_out():
    # one model of three is 30 % slower than its shape says: it spoils its own fold only
    spoilt = [
        replace(some, latency_s=some.latency_s * 1.3)
        if some.model == "toy-7b" and some.latency_s is not None
        else some
        for some in points()
    ]
    fit = fit_serving(spoilt, world(), PLAN)
    assert fit.held_out == "model"
    assert fit.cross_validated_mape is not None
    assert fit.cross_validated_mape > fit.in_sample_mape
    setups, _ = points_of(spoilt, world(), PLAN)
    errors = cross_validate(setups, PLAN, "model")
    assert len(errors) == 39
    held = [row.error for row in errors if row.point.model == "toy-7b"]
    assert np.median(held) == pytest.approx(1 / 1.3 - 1, abs=0.02)


def test_the_error_band_is_the_held_out_error_but_never_below_the_smallest():
    assert fit_serving(points(), world(), PLAN).params.error_band == SMALLEST_BAND
    wild = [
        replace(some, latency_s=(some.latency_s or 0.0) * (1.3 if i % 2 else 0.75))
        for i, some in enumerate(points())
    ]
    fit = fit_serving(wild, world(), PLAN)
    assert fit.cross_validated_mape is not None
    assert fit.params.error_band == pytest.approx(fit.cross_validated_mape, abs=0.01)
    assert fit.params.error_band >= fit.cross_validated_mape


def test_outliers_do_not_drag_the_fit():
    some = points()
    some[3] = replace(some[3], latency_s=10 * (some[3].latency_s or 0.0))
    assert fit_serving(some, world(), PLAN).params.t_layer_s == pytest.approx(80e-6, rel=0.15)


def test_hidden_overheads_are_found_behind_the_norm():
    plan = replace(PLAN, overlap_norm=4.0)
    fit = fit_serving(points(overlap_norm=4.0, t_layer_s=400e-6), world(), plan)
    assert fit.params.t_layer_s == pytest.approx(400e-6, rel=0.05)
    assert fit.params.overlap_norm == 4.0


def test_split_prefills_tell_the_share_of_the_bus():
    split = [
        measured(
            point("prefill", model="toy-20b", tp=4, batch=float(b), input_len=4000.0), bus_ratio=0.2
        )
        for b in (1, 2, 4, 8, 16, 32)
    ]
    more = [replace(some, tp=2) for some in split]
    more = [measured(some, bus_ratio=0.2) for some in more]
    fit = fit_serving([*points(), *split, *more], world(), PLAN)
    assert fit.params.bus_ratio == pytest.approx(0.2, rel=0.1)
    assert "bus_ratio" in fit.identified


def test_mean_ttfts_speak_about_the_front_end_alone():
    queued = [
        measured(point("prefill", "closed_loop", batch=float(batch)), t_request_s=0.2)
        for batch in (2, 8, 32)
    ]
    decodes = [some for some in points() if some.phase == "decode"]
    fit = fit_serving([*decodes, *queued], world(), PLAN)
    without = fit_serving(decodes, world(), PLAN)
    assert fit.params.t_layer_s == without.params.t_layer_s
    assert fit.params.t_request_s == pytest.approx(0.2, rel=0.1)
    assert fit.in_sample_mape == without.in_sample_mape


def test_mixtures_of_experts_are_left_out_where_there_are_dense_models():
    experts = [measured(point(model=TOY_MOE.id, batch=float(b))) for b in (1, 2, 4, 8, 16, 32)]
    fit = fit_serving([*points(), *experts], world(), PLAN)
    assert fit.n_points == 39
    assert fit.left_out == ("6 points of mixtures of experts",)
    alone = fit_serving(experts, world(), PLAN)
    assert alone.rests_on_experts
    assert alone.params.error_band >= 0.2


def test_points_that_cannot_be_used_are_named():
    bad = [point(batch=None), point(latency_s=None), point(stack="another")]
    setups, left_out = points_of([*points(), *bad], world(), PLAN)
    assert len(setups) == 39
    assert left_out == (
        "toy-1b on Big-80GB, decode: no batch",
        "toy-1b on Big-80GB, decode: no latency",
    )


def test_too_few_points_are_refused():
    with pytest.raises(MissingDataError, match="4 usable points, 5 are needed"):
        fit_serving(points()[:4], world(), PLAN)


def test_a_cpu_row_belongs_to_the_socket_family_whatever_its_stack():
    plan = replace(
        PLAN, id="cpu_family/cpu/bf16", family="cpu_family", stack="cpu", allreduce_latency_s=0.0
    )
    row = point(hardware=CPU.id, stack="llama.cpp", batch=1.0)
    setups, _ = points_of([row] * 3, world(), plan)
    assert len(setups) == 3
    assert priors_of(plan)["mbu_kv"].centre == 0.28


def neighbour() -> ServingParameters:
    row: ServingParameters = serving("other_family", mbu=0.7, t_layer_s=40e-6, error_band=0.1)
    return row


def test_a_key_without_points_takes_its_neighbour_over():
    row = inherited(replace(PLAN, allreduce_latency_s=40e-6, note="like the other"), neighbour())
    assert (row.id, row.family, row.provenance) == (KEY, "big_family", "inherited")
    assert (row.mbu, row.t_layer_s) == (0.7, 40e-6)
    assert row.allreduce_latency_s == 40e-6
    assert row.error_band == pytest.approx(0.2)
    assert row.note == "like the other"


def test_few_points_start_from_the_neighbour_and_keep_half_its_band():
    few = [some for some in points(("toy-1b",)) if some.phase == "decode"][:6]
    fit = fit_serving(few, world(), PLAN, neighbour())
    assert fit.params.mfu_prefill == 0.5  # untouched: the neighbour's
    # six of the twelve points that would do: half the smallest band of 8 %, half the neighbour's 20
    assert fit.params.error_band == pytest.approx(0.14)


def test_rows_of_all_plans_neighbours_first():
    heir = replace(PLAN, id="small_family/vllm_v1/bf16", family="small_family", from_id=KEY)
    both = replace(world(), calibration_plans={heir.id: heir, KEY: PLAN})
    first, second = serving_rows(points(), both)
    assert (first.id, first.provenance) == (KEY, "calibrated")
    assert (second.id, second.provenance) == (heir.id, "inherited")
    assert second.t_layer_s == first.t_layer_s
    assert second.error_band == pytest.approx(2 * first.error_band)
    assert serving_rows(points(), both) == (first, second)  # bit for bit


def test_a_plan_with_neither_points_nor_a_neighbour_is_an_error():
    with pytest.raises(MissingDataError, match=r"0 usable points"):
        serving_rows([], world())


def test_figures_are_kept_to_three_digits_and_bands_rounded_up():
    row = rounded(serving("big_family", mbu=0.85449, t_layer_s=61.2345e-6, error_band=0.0801))
    assert (row.mbu, row.t_layer_s, row.error_band) == (0.854, 61.2e-6, 0.09)


def test_parameters_carry_over_to_other_hardware_by_its_data_sheet():
    setups, _ = points_of(points(), world(), PLAN)
    train = [setup for setup in setups if setup.point.model != "toy-20b"]
    test = [setup for setup in setups if setup.point.model == "toy-20b"]
    errors = transferred(train, test, PLAN)
    assert len(errors) == len(test)
    assert max(abs(row.error) for row in errors) < 0.05
