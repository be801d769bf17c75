"""One replica alone, on paper. Toy on one Big, 1,000 tokens in and 200 out, 100 at once:

step: weights 1.98 and compute 0.792 -> 2.1325253; KV 100 x 1,100 x 8,000 / 1e12 = 0.88 x 5^0.1 =
1.0336647; elementwise 0.024; overhead 0.5 + 1 + 1 = 2.5: 5.6901900 ms; prefill 9.4813834 ms; period
5.6901900 + 100/200 x 9.4813834 = 10.4308817.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ecoserve.errors import InfeasibleError, MissingDataError, ScenarioError, UnknownIdError
from ecoserve.points import MeasuredPoint, PointConvention
from ecoserve.prediction import Prediction, predict
from ecoserve.profile import load_power, profile_at_batch, profile_at_slo
from ecoserve.profile_query import ProfileQuery
from tests.builders import STACK, power, serving, tiny_catalog

CATALOG = tiny_catalog()
QUERY = ProfileQuery(
    llm_id="toy", accelerator_id="big", tp=1, stack="vllm_v1", precision="bf16",
    isl_tokens=1000.0, osl_tokens=200.0,
)  # fmt: skip


def query(**changes: Any) -> ProfileQuery:
    return replace(QUERY, **changes)


def test_a_profile_at_a_batch():
    found = profile_at_batch(CATALOG, QUERY, 100)
    assert found.ttft_s == pytest.approx(0.0151715734)  # prefill and one step
    assert found.tpot_s == pytest.approx(0.0103834748)  # step and 99/200 prefills
    assert found.tokens_per_s == pytest.approx(9586.9173)  # 100 / period
    assert found.requests_per_s == pytest.approx(47.934587)
    # decode: u_mem (1.98e9 + 0.88e9) / (2e12 x step) = 0.2513097, u_cmp 0.0695934: 0.5648417 x 500
    # = 282.4208 W; prefill beyond the cap: 492.5 W for 4.7406917 ms of the period
    assert found.power_w == pytest.approx(377.89894)
    assert found.j_per_token == pytest.approx(377.89894 * 0.0104308817 / 100)
    # 2e9 of weights and 100 x 1,100 x 8,000 of KV
    assert found.memory_gb == pytest.approx(2.88)
    assert found.bound_by == "prefill"  # 5.49 ms of the period, more than any term of the step
    assert (found.batch, found.error_band, found.provenance) == (100, 0.1, "calibrated")


def test_several_accelerators_hold_two_copies_of_the_kv_and_draw_together():
    # tp 4 over 2 KV heads: 2e9 + 2 x 0.88e9
    found = profile_at_batch(CATALOG, query(tp=4), 100)
    assert found.memory_gb == pytest.approx(3.76)
    one = profile_at_batch(CATALOG, QUERY, 100)
    assert found.power_w > one.power_w


@pytest.mark.parametrize(
    ("batch", "isl", "osl", "bound_by"),
    [
        (1, 1.0, 1000.0, "weights"),  # 1.98 ms, then launches and t0 1.5
        (256, 1.0, 1000.0, "sequences"),  # 2.56; compute 2.03, launches and t0 1.5
        (64, 20_000.0, 20_000.0, "KV reads"),  # 64 x 30,000 x 8,000 / 1e12 = 15.4
    ],
)
def test_what_holds_a_replica_back(batch: int, isl: float, osl: float, bound_by: str):
    found = profile_at_batch(CATALOG, query(isl_tokens=isl, osl_tokens=osl), batch)
    assert found.bound_by == bound_by


@pytest.mark.parametrize("tpot_s", [0.006, 0.008, 0.012])
def test_the_batch_at_an_slo_is_the_largest_that_keeps_it_with_margin(tpot_s: float):
    found = profile_at_slo(CATALOG, QUERY, ttft_s=2.0, tpot_s=tpot_s)
    assert found.tpot_s * 1.1 <= tpot_s
    assert profile_at_batch(CATALOG, QUERY, found.batch + 1).tpot_s * 1.1 > tpot_s


def test_ttft_bounds_the_batch_too():
    # 15.1715734 ms at 100, 10 % margin: 16.6887307
    found = profile_at_slo(CATALOG, QUERY, ttft_s=0.016689, tpot_s=1.0)
    assert found.batch == 100


def test_memory_bounds_the_batch():
    # 68.25e9 / (8,000 x 110,000) = 77.6
    long = query(isl_tokens=100_000.0, osl_tokens=20_000.0)
    assert profile_at_slo(CATALOG, long, ttft_s=600.0, tpot_s=60.0).batch == 77
    with pytest.raises(InfeasibleError, match="at most 77 such requests fit"):
        profile_at_batch(CATALOG, long, 78)


def test_an_impossible_slo_says_by_how_much():
    with pytest.raises(InfeasibleError, match=r"TTFT: 0\.013 s at batch 1, limit") as caught:
        profile_at_slo(CATALOG, QUERY, ttft_s=0.001, tpot_s=0.001)
    assert "TPOT: 0.0035 s at batch 1" in str(caught.value)


def test_a_model_that_does_not_fit_says_so():
    large = replace(CATALOG.llm("toy"), params_b=60.0, active_b=60.0)
    with pytest.raises(InfeasibleError, match="toy does not fit on 1 x big"):
        profile_at_batch(tiny_catalog(large), QUERY, 1)


def test_bad_queries_are_refused_whole():
    bad = query(tp=3, precision="int3", isl_tokens=float("nan"), osl_tokens=0.0)
    with pytest.raises(ScenarioError) as caught:
        profile_at_batch(CATALOG, bad, 1)
    fields = {problem.field for problem in caught.value.problems}
    assert fields == {"tp", "precision", "isl_tokens", "osl_tokens"}
    with pytest.raises(ScenarioError, match="at least 1, got 0"):
        profile_at_batch(CATALOG, QUERY, 0)


def test_what_the_catalog_lacks_is_not_made_up():
    with pytest.raises(MissingDataError, match="small has no native fp8"):
        profile_at_batch(CATALOG, query(accelerator_id="small", precision="fp8"), 1)
    with pytest.raises(MissingDataError, match="no serving parameters for big_family with other"):
        profile_at_batch(CATALOG, query(stack="other"), 1)
    with pytest.raises(UnknownIdError, match="nearest: big"):
        profile_at_batch(CATALOG, query(accelerator_id="bigg"), 1)


def test_energy_by_phase_adds_up():
    found = profile_at_batch(CATALOG, QUERY, 100)
    # decode: 5.6901900 ms at 282.4208 W; prefill: half of 9.4813834 ms at 492.5 W; for 100 tokens
    assert found.decode_j_per_token == pytest.approx(0.005690190 * 282.4208 / 100, rel=1e-6)
    assert found.prefill_j_per_token == pytest.approx(0.0047406917 * 492.5 / 100, rel=1e-6)
    assert found.prefill_j_per_token + found.decode_j_per_token == pytest.approx(found.j_per_token)
    assert found.j_per_token * found.tokens_per_s == pytest.approx(found.power_w)


def test_a_profile_says_how_sure_it_is():
    found = profile_at_batch(CATALOG, QUERY, 1)
    assert found.parameters == "big_family/vllm_v1/bf16"
    assert (found.power_error_band, found.power_provenance) == (0.05, "calibrated")
    assert found.power_fitted
    assert not profile_at_batch(CATALOG, query(precision="fp8"), 1).power_fitted


def test_a_quarter_of_the_load_is_cheapest_where_replicas_are_filled():
    # Packed: 100 + (377.89894 - 100) / 4
    found = load_power(CATALOG, QUERY, 100)
    assert found.packed_w == pytest.approx(169.47474)
    assert found.packed_w < found.spread_w < profile_at_batch(CATALOG, QUERY, 100).power_w
    assert 1.0 <= found.spread_batch < 25.0
    nothing = load_power(CATALOG, QUERY, 100, 0.0)
    assert nothing.packed_w == nothing.spread_w == 100.0
    whole = load_power(CATALOG, QUERY, 100, 1.0)
    assert whole.packed_w == pytest.approx(377.89894)
    assert whole.spread_w == pytest.approx(377.89894)
    with pytest.raises(ScenarioError, match="load_ratio"):
        load_power(CATALOG, QUERY, 100, 1.5)


def test_a_front_end_counts_in_ttft_only():
    slow = tiny_catalog(serving("big_family", t_request_s=0.1))
    found, usual = profile_at_batch(slow, QUERY, 100), profile_at_batch(CATALOG, QUERY, 100)
    assert found.ttft_s == pytest.approx(usual.ttft_s + 0.1)
    assert found.tpot_s == usual.tpot_s


def test_a_cached_prefix_and_a_narrow_kv_cache():
    usual = profile_at_batch(CATALOG, QUERY, 100)
    cached = profile_at_batch(CATALOG, query(prefix_cache_hit=0.5), 100)
    assert cached.ttft_s < usual.ttft_s
    assert cached.memory_gb == usual.memory_gb
    narrow = profile_at_batch(CATALOG, query(kv_precision="fp8"), 100)
    assert narrow.memory_gb == pytest.approx(2.44)  # 2e9 and half of 0.88e9
    with pytest.raises(MissingDataError, match="small has no native fp8 for the KV cache"):
        profile_at_batch(CATALOG, query(accelerator_id="small", kv_precision="fp8"), 1)


def test_the_engines_limit_is_named_where_it_binds():
    with pytest.raises(InfeasibleError, match="vllm_v1 runs at most 64 requests at once"):
        profile_at_batch(CATALOG, query(max_num_seqs=64), 65)
    assert profile_at_slo(CATALOG, query(max_num_seqs=64), ttft_s=9.0, tpot_s=9.0).batch == 64


def test_a_tp_beyond_what_pays_is_refused():
    with pytest.raises(MissingDataError, match="tp 2 is beyond the 1 that pay on small"):
        profile_at_batch(CATALOG, query(accelerator_id="small", tp=2), 1)


def test_single_layers_serve_nothing():
    with pytest.raises(ScenarioError, match="operator is single layers measured alone"):
        profile_at_batch(CATALOG, query(stack="operator"), 1)


def test_a_request_that_does_not_fit_is_not_blamed_on_the_model():
    long = query(isl_tokens=9_900_000.0)
    with pytest.raises(InfeasibleError, match="toy fits on 1 x big, but not one request of 9,900"):
        profile_at_batch(CATALOG, long, 1)


def test_an_unknown_stack_gets_the_known_ones():
    with pytest.raises(MissingDataError, match=r"stacks are .*vllm_v1; did you mean vllm_v1\?"):
        profile_at_batch(CATALOG, query(stack="vllm"), 1)


SIBLING = tiny_catalog(
    serving("big_family", measured_on=("huge",), sibling_error_band=0.25),
    power("big_family", measured_on=("huge",), sibling_error_band=0.3),
)


def test_an_accelerator_that_was_not_measured_inherits_from_its_family():
    found = profile_at_batch(SIBLING, QUERY, 100)
    assert (found.provenance, found.error_band) == ("inherited", 0.25)
    assert (found.power_provenance, found.power_error_band) == ("inherited", 0.3)
    assert not found.power_fitted
    notes = {note.code: note.message for note in found.notes}
    assert set(notes) == {"speed_inherited", "power_inherited", "power_outside_fit"}
    assert "measured on huge of its family; error band 25%" in notes["speed_inherited"]
    assert profile_at_batch(CATALOG, QUERY, 100).notes == ()


def test_power_below_the_smallest_use_that_was_measured_is_flagged():
    known = tiny_catalog(power("big_family", u_mem_min=0.4))
    assert not profile_at_batch(known, QUERY, 100).power_fitted


def corrected_catalog(*ratios: tuple[float, float]) -> Any:
    """Steps measured at batches of one context, times a ratio."""
    rows = []
    for batch, ratio in ratios:
        row = MeasuredPoint(
            source="s", model="toy", hardware="big", tp=1, precision="bf16", stack=STACK,
            phase="decode", batch=batch, input_len=None, output_len=None, context_len=1100.0,
            latency_s=1.0, output_tokens_per_s=None, power_w=None, j_per_output_token=None,
            convention=PointConvention(source="s", phase="decode"),
        )  # fmt: skip
        said = predict(row, CATALOG)
        assert isinstance(said, Prediction)
        rows.append(replace(row, latency_s=ratio * said.latency_s))
    return replace(CATALOG, measured_points=tuple(rows))


def test_a_step_is_corrected_inside_what_was_measured_only():
    known = corrected_catalog((10.0, 1.5), (50.0, 1.2))
    inside, outside = (profile_at_batch(known, QUERY, batch) for batch in (50, 102))
    bare = profile_at_batch(CATALOG, QUERY, 50)
    # 49 / 200 of 9.4813834 ms lie between the tokens of one user; the rest is the step
    others_s = 49 / 200 * 9.4813834e-3
    assert inside.tpot_s - others_s == pytest.approx(1.2 * (bare.tpot_s - others_s), rel=1e-6)
    assert inside.power_w / inside.tokens_per_s == pytest.approx(inside.j_per_token)
    assert [note.code for note in inside.notes] == ["corrected_locally"]
    # the neighbour at 10 says 1.5: 25 % more
    assert inside.error_band == pytest.approx(0.25)
    assert outside == profile_at_batch(CATALOG, QUERY, 102)


@pytest.mark.parametrize("ratios", [(0.5, 0.5, 0.5), (0.6, 2.0, 0.6), (2.0, 1.0, 0.7)])
def test_a_looser_slo_never_lowers_the_throughput_of_corrected_steps(ratios):
    known = corrected_catalog(*zip((4.0, 40.0, 160.0), ratios, strict=True))
    rates = []
    for tpot_s in np.linspace(0.004, 0.05, 47):
        try:
            found = profile_at_slo(known, QUERY, ttft_s=1.0, tpot_s=float(tpot_s))
        except InfeasibleError:
            rates.append(0.0)
            continue
        assert found.tpot_s * (1 + found.error_band) <= tpot_s
        rates.append(found.tokens_per_s)
    assert rates[-1] > 0
    assert (np.diff(rates) >= 0).all()
