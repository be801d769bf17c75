"""Local corrections: interpolated inside the measured grid, silent outside."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ecoserve.correction import Corrections, Grid, corrected, corrections_from, step_grid
from ecoserve.prediction import Prediction, predict
from tests.unit.test_prediction import catalog, point


def grid(*rows: tuple[float, float, float]) -> Grid:
    """(batch, tokens, ratio)"""
    batch, tokens, ratio = np.array(rows).T
    return Grid(np.log(np.stack([batch, tokens], axis=1)), np.log(ratio))


SQUARE = grid((1, 100, 1.0), (4, 100, 2.0), (1, 400, 1.0), (4, 400, 2.0))


def test_inside_the_logarithm_is_interpolated():
    assert SQUARE.ratio(1, 100) == pytest.approx(1.0)
    assert SQUARE.ratio(4, 400) == pytest.approx(2.0)
    assert SQUARE.ratio(2, 200) == pytest.approx(math.sqrt(2.0))


@pytest.mark.parametrize(("batch", "tokens"), [(0.9, 200), (5, 200), (2, 90), (2, 450)])
def test_outside_nothing_is_said(batch: float, tokens: float):
    assert SQUARE.ratio(batch, tokens) is None


def test_outside_the_hull_but_inside_the_box_nothing_is_said():
    triangle = grid((1, 100, 1.0), (4, 100, 1.0), (1, 400, 1.0))
    assert triangle.ratio(1.5, 120) == pytest.approx(1.0)
    assert triangle.ratio(3.9, 390) is None


def test_along_a_line_and_at_a_point():
    row = grid((1, 100, 1.0), (16, 100, 4.0))
    assert row.ratio(4, 100) == pytest.approx(2.0)
    assert row.ratio(4, 110) is None
    assert row.ratio(17, 100) is None
    assert grid((4, 100, 1.3)).ratio(4, 100) == pytest.approx(1.3)
    assert grid((4, 100, 1.3)).ratio(5, 100) is None


def test_time_and_energy_are_stretched_power_is_not():
    plain = Prediction(
        latency_s=0.01, output_tokens_per_s=100.0, power_w=300.0, j_per_output_token=3.0,
        error_band=0.1, provenance="calibrated",
    )  # fmt: skip
    slow = corrected(plain, 2.0)
    assert (slow.latency_s, slow.output_tokens_per_s, slow.power_w) == (0.02, 50.0, 300.0)
    assert slow.j_per_output_token == 6.0
    assert corrected(plain, None) is plain


def test_the_grid_of_one_configuration_is_not_that_of_another():
    known = catalog()
    said = predict(point(), known)
    assert isinstance(said, Prediction)
    measured = [point(latency_s=1.2 * said.latency_s), point(latency_s=1.2 * said.latency_s)]
    corrections = corrections_from(measured, known)
    assert corrections.ratio(point(), known) == pytest.approx(1.2)
    assert corrections.ratio(point(tp=2), known) is None
    assert corrections.ratio(point(model="who"), known) is None
    assert len(corrections.grids) == 1
    assert corrections_from([point(latency_s=None)], known) == Corrections({})


def test_a_profile_may_ask_for_the_step_alone():
    known = catalog()
    said = predict(point(), known)
    assert isinstance(said, Prediction)
    slow = point(latency_s=0.8 * said.latency_s)
    known = replace(known, measured_points=(slow, replace(slow, model="who"), replace(slow, tp=4)))
    grid = step_grid(known, ("toy", "big", 1, "vllm_v1", "bf16"))
    assert grid is not None
    assert grid.ratio(250.0, 1000.0) == pytest.approx(0.8)
    assert grid.ratio(500.0, 1000.0) is None
    assert step_grid(known, ("toy", "big", 2, "vllm_v1", "bf16")) is None
    assert step_grid(known, ("toy", "big", 1, "vllm_v1", "bf16"), "fp8") is None


def test_the_spread_is_that_of_the_neighbours():
    # ratios 1, 1.21 and 2 at batches 1, 4 and 16 of one length: at 2 the ratio is 1.1
    line = Grid(np.log([[1.0, 100.0], [4.0, 100.0], [16.0, 100.0]]), np.log([1.0, 1.21, 2.0]))
    ratios = line.ratios(np.array([2.0, 4.0, 32.0]), 100.0)
    assert ratios[:2] == pytest.approx([1.1, 1.21])
    assert np.isnan(ratios[2])
    assert line.ratios_and_spreads(np.array([2.0]), 100.0)[1][0] == pytest.approx(0.1)
    # a triangle: at its corner of 1 the neighbours are 1.1 and 1.3
    area = Grid(np.log([[1.0, 100.0], [4.0, 100.0], [1.0, 400.0]]), np.log([1.0, 1.1, 1.3]))
    assert area.ratios_and_spreads(np.array([1.0]), 100.0)[1][0] == pytest.approx(0.3)
