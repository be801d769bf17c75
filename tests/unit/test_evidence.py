"""What the Evidence page counts and puts into words."""

from dataclasses import replace

import pytest

from app import evidence, evidence_speed
from ecoserve.footprints import FootprintCheck
from ecoserve.points import MeasuredPoint, PointConvention
from ecoserve.rows import CalibrationPlan, ProductFootprint
from tests import builders


def test_coefficients_alike_stand_in_one_row_and_switches_in_none():
    def row(set_id, item, key, value, unit="kg/GB"):
        return replace(
            next(iter(catalog.embodied_coefficients.values())),
            id=f"{set_id}/{item}/{key}", set=set_id, item=item, key=key, value=value, low=value,
            high=value, unit=unit,
        )  # fmt: skip

    catalog = builders.tiny_catalog()
    rows = [
        row(set_id, "memory_kg_per_gb", key, value)
        for set_id, value in (("pcf", 2.0), ("paper", 1.0))
        for key in ("hbm3", "hbm3e")
    ]
    rows += [row(set_id, "host_scales_with_size", "", 1.0, "0 or 1") for set_id in ("pcf", "paper")]
    rows += [row("pcf", "fans_kg", "", 3.0)]
    known = replace(catalog, embodied_coefficients={r.id: r for r in rows})
    bands = evidence.coefficient_rows(known)
    assert sorted((b.item, b.set_id, b.value) for b in bands) == [
        ("memory, HBM3 and HBM3E", "paper", 1.0),
        ("memory, HBM3 and HBM3E", "pcf", 2.0),
    ]


POINT = MeasuredPoint(
    source="bench", model="toy", hardware="big", tp=1, precision="fp16", stack="vllm-v1",
    phase="decode", batch=100.0, input_len=1000.0, output_len=200.0, context_len=None,
    latency_s=0.005, output_tokens_per_s=10_000.0, power_w=None, j_per_output_token=None,
    convention=PointConvention(source="bench", phase="decode"),
)  # fmt: skip


def test_points_stand_beside_predictions_in_the_units_of_the_page():
    catalog = replace(builders.tiny_catalog(), measured_points=(POINT,))
    found = evidence_speed.speed_evidence(catalog)
    latency, throughput = found.checks
    # the decode step on paper of test_profile.py: 5.6901900 ms for a batch of 100
    assert (latency.quantity, latency.measured) == ("latency", 5.0)
    assert latency.predicted == pytest.approx(5.6901900)
    # half a prefill a step: sqrt(8^2 + 1.98^2) + 0.24 + 1 = 9.4813834 ms
    assert throughput.predicted == pytest.approx(100 / (5.6901900e-3 + 0.5 * 9.4813834e-3))
    assert latency.lengths == "in 1,000, out 200"
    assert not latency.in_fit
    assert [(group.quantity, group.n) for group in found.groups] == [
        ("latency", 1),
        ("throughput", 1),
    ]


def test_rows_without_a_prediction_are_counted_by_reason():
    strange = replace(POINT, hardware="abacus")
    catalog = replace(
        builders.tiny_catalog(),
        measured_points=(POINT, strange, strange, replace(POINT, batch=None)),
    )
    found = evidence_speed.speed_evidence(catalog)
    assert [(group.n, group.hardware) for group in found.unpredicted] == [(2, "abacus"), (1, "big")]
    assert "abacus" in found.unpredicted[0].reason
    assert found.unpredicted[1].reason == "no batch"
    assert found.n_points == 4


def test_rows_of_a_calibrated_key_count_as_used_in_the_fit():
    family = builders.tiny_catalog().accelerator("big").family
    plan = CalibrationPlan(
        id=f"{family}/vllm_v1/bf16", family=family, stack="vllm_v1", precision="bf16", from_id=None,
        allreduce_latency_s=1e-5, t0_s=5e-4, overlap_norm=1.0, error_factor=1.0,
        source_id="paper_and_pencil", quality="modelled",
    )  # fmt: skip
    known = replace(
        builders.tiny_catalog(), measured_points=(POINT,), calibration_plans={plan.id: plan}
    )
    assert all(check.in_fit for check in evidence_speed.speed_evidence(known).checks)
    row = known.serving_parameters[plan.id]
    inherited = replace(known, serving_parameters={plan.id: replace(row, provenance="inherited")})
    assert not any(check.in_fit for check in evidence_speed.speed_evidence(inherited).checks)


def test_ones_own_rows_count_as_used_in_ones_own_fit_only():
    family = builders.tiny_catalog().accelerator("big").family
    plan = CalibrationPlan(
        id=f"{family}/vllm_v1/bf16", family=family, stack="vllm_v1", precision="bf16", from_id=None,
        allreduce_latency_s=1e-5, t0_s=5e-4, overlap_norm=1.0, error_factor=1.0,
        source_id="paper_and_pencil", quality="modelled",
    )  # fmt: skip
    points = (POINT, replace(POINT, is_own=True))
    known = replace(
        builders.tiny_catalog(), measured_points=points, calibration_plans={plan.id: plan}
    )
    ours = evidence_speed.speed_evidence(known).checks
    assert {(check.is_own, check.in_fit) for check in ours} == {(False, True), (True, False)}
    row = replace(known.serving_parameters[plan.id], source_id="your_overlay")
    fitted = replace(known, serving_parameters={plan.id: row})
    yours = evidence_speed.speed_evidence(fitted).checks
    assert {(check.is_own, check.in_fit) for check in yours} == {(False, False), (True, True)}


def check(set_id: str, published: float, *, in_sample: bool = False) -> FootprintCheck:
    """A published figure beside ours of 100 kg, 50 to 200."""
    row = ProductFootprint(
        id=f"p{published}", name="P", kind="teardown", boundary="", trust="A", kgco2e=published,
        low=published, high=published, accelerator_id="big", n_accelerators=1, host_id=None,
        dram_gb=0.0, ssd_gb=0.0, n_nics=0, fitted_sets=(), lines=(), **builders.ROW,
    )  # fmt: skip
    return FootprintCheck(
        footprint=row,
        coefficients=set_id,
        ours_kgco2e=100.0,
        low_kgco2e=50.0,
        high_kgco2e=200.0,
        in_sample=in_sample,
        lines=(),
    )


def test_the_headline_counts_what_the_set_was_not_fitted_to():
    checks = [
        check("pcf", 100.0, in_sample=True), check("pcf", 190.0), check("pcf", 300.0),
        check("paper", 150.0, in_sample=True),
    ]  # fmt: skip
    assert evidence.out_of_sample_words(checks, "pcf") == (
        "1 of 2 published footprints that set pcf was not fitted to lie in its band, typically"
        " high 4.0 x low"
    )
    assert evidence.out_of_sample_words(checks, "paper") == (
        "no published footprint here is one that set paper was not fitted to"
    )
