"""Error groups, worked out by hand."""

from __future__ import annotations

import pytest

from ecoserve.prediction import Prediction, Unpredicted
from ecoserve.validation import ErrorGroup, UnpredictedRow, error_groups, unpredicted_rows
from tests.unit.test_prediction import point


def said(
    latency_s: float, tokens_per_s: float | None = None, power_w: float | None = None
) -> Prediction:
    return Prediction(
        latency_s=latency_s, output_tokens_per_s=tokens_per_s, power_w=power_w,
        j_per_output_token=None if power_w is None else 0.02, error_band=0.1,
        provenance="calibrated",
    )  # fmt: skip


def test_errors_by_source_hardware_phase_and_quantity():
    # latencies 10 ms: +10 %, -20 %, +30 %; throughputs 20,000: -10 %
    points = [point(), point(), point(), point(hardware="Abacus")]
    answers = [said(0.011, 18_000.0), said(0.008), said(0.013), Unpredicted("no such thing")]
    latency, throughput = error_groups(points, answers)
    assert latency == ErrorGroup(
        source="paper", hardware="Big-80GB", phase="decode", quantity="latency", n=3,
        mape=pytest.approx(0.2), median_error=pytest.approx(0.2), bias=pytest.approx(0.1),
    )  # fmt: skip
    assert (throughput.quantity, throughput.n) == ("throughput", 1)
    assert throughput.bias == pytest.approx(-0.1)


def test_a_row_without_the_measured_quantity_is_not_judged():
    assert error_groups([point(latency_s=None, output_tokens_per_s=None)], [said(1.0, 1.0)]) == ()


def test_rows_without_a_prediction_keep_their_number_and_reason():
    answers = [said(1.0), Unpredicted("no batch"), said(1.0), Unpredicted("no input_len")]
    assert unpredicted_rows(answers) == (
        UnpredictedRow(row=1, reason="no batch"),
        UnpredictedRow(row=3, reason="no input_len"),
    )


def test_points_and_predictions_must_belong_together():
    with pytest.raises(ValueError, match="zip"):
        error_groups([point()], [])


def test_power_and_energy_are_judged_where_both_are_known():
    groups = error_groups(
        [point(power_w=400.0, j_per_output_token=0.025)], [said(0.01, 20_000.0, 440.0)]
    )
    biases = {group.quantity: group.bias for group in groups}
    assert biases["power"] == pytest.approx(0.1)
    assert biases["energy"] == pytest.approx(-0.2)
