"""One replica, by hand and against a stepper that plays out every step."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecoserve.performance import accelerator_replica, decode_step_s, prefill_s
from ecoserve.power import accelerator_w, decode_utilisation, power_model, prefill_pace
from ecoserve.runtime.pace import Pace, accelerator_pace
from ecoserve.runtime.sketch import Sketch
from tests.builders import BIG, TOY, serving, tiny_catalog
from tests.runtime_builders import (
    FLOOR_W,
    PER_PROMPT_TOKEN_S,
    PER_SEQUENCE_S,
    PER_TOKEN_J,
    PROMPT_W,
    STEP_J,
    STEP_S,
    Rig,
    Stepper,
    round_pace,
)


def toy_pace(cap: float = 1.0, **params: float) -> Pace:
    catalog = tiny_catalog()
    replica = accelerator_replica(TOY, BIG, 1, "bf16", serving("big_family", **params))
    return accelerator_pace(replica, power_model(BIG, catalog), 64, cap, 0.8)


def test_one_request_by_hand():
    # A prompt of 100 tokens takes 100 ms, then 5 steps of 10 + 1 ms.
    rig = Rig(round_pace(per_token_s=0.0))
    ((first, end),) = rig.serve([(2.0, 100, 5)])
    assert first == pytest.approx(2.0 + 0.100 + 0.011)
    assert end == pytest.approx(2.0 + 0.100 + 5 * 0.011)


def test_two_overlapping_requests_by_hand():
    # The second comes in the third step of the first, waits for its end at 0.133, is prefilled for
    # 50 ms and takes part in the step behind it; both share steps of 12 ms until the first ends.
    rig = Rig(round_pace(per_token_s=0.0))
    (first_a, end_a), (first_b, end_b) = rig.serve([(0.0, 100, 6), (0.125, 50, 10)])
    assert first_a == pytest.approx(0.111)
    assert first_b == pytest.approx(0.133 + 0.050 + 0.012)
    assert end_a == pytest.approx(0.133 + 0.050 + 3 * 0.012)
    assert end_b == pytest.approx(end_a + 7 * 0.011)


def test_context_lengthens_steps_by_hand():
    # Steps hold 100, 101, 102 tokens at 1 us each.
    rig = Rig(round_pace())
    ((_, end),) = rig.serve([(0.0, 100, 3)])
    assert end == pytest.approx(0.100 + 3 * 0.011 + 303e-6)


def test_full_memory_makes_the_next_one_wait_by_hand():
    # 100 tokens hold one request of 60 + 10, not two prompts of 60.
    rig = Rig(round_pace(capacity_tokens=100, per_token_s=0.0))
    (_, end_a), (first_b, _) = rig.serve([(0.0, 60, 10), (0.0, 60, 10)])
    assert end_a == pytest.approx(0.060 + 10 * 0.011)
    assert first_b == pytest.approx(end_a + 0.060 + 0.011)
    assert rig.station.preempted == 0


def test_memory_that_runs_out_puts_the_last_one_back_by_hand():
    # The second joins after one step of the first. Nine more fill 99 of 100 tokens; then the second
    # goes, the first makes its other 20, and the second is prefilled again with the 9 it has.
    rig = Rig(round_pace(capacity_tokens=100, per_token_s=0.0))
    (_, end_a), (first_b, end_b) = rig.serve([(0.0, 40, 30), (0.0, 40, 30)])
    assert rig.station.preempted == 1
    assert first_b == pytest.approx(0.051 + 0.040 + 0.012)
    assert end_a == pytest.approx(first_b + 8 * 0.012 + 20 * 0.011)
    assert end_b == pytest.approx(end_a + 0.049 + 21 * 0.011)


def test_long_prompt_goes_in_chunks_beside_the_batch_by_hand():
    # 250 tokens in chunks of 100: the running sequence gets a token after each.
    rig = Rig(round_pace(per_token_s=0.0), chunk_tokens=100)
    (_, end_a), (first_b, _) = rig.serve([(0.0, 100, 20), (0.100, 250, 2)])
    joins = 0.111
    assert first_b == pytest.approx(joins + 2 * (0.100 + 0.011) + 0.050 + 0.012)
    assert end_a == pytest.approx(first_b + 0.012 + 15 * 0.011)


lengths = st.tuples(st.floats(0, 3), st.integers(1, 300), st.integers(1, 60))


@settings(max_examples=120, deadline=None)
@given(
    rows=st.lists(lengths, min_size=1, max_size=14),
    capacity=st.integers(360, 2000),
    max_seqs=st.integers(1, 6),
    chunk=st.integers(20, 400),
)
def test_jumps_end_where_single_steps_do(rows, capacity, max_seqs, chunk):
    rows = [(t + 0.0137 * i, isl, osl) for i, (t, isl, osl) in enumerate(sorted(rows))]
    pace = round_pace(capacity, max_seqs)
    rig = Rig(pace, chunk_tokens=chunk)
    np.testing.assert_allclose(
        np.array(rig.serve(rows)), np.array(Stepper(rows, pace, chunk).run()), rtol=1e-6
    )
    (replica,) = rig.replicas
    assert (replica.batch, replica.held, replica.context, replica.count) == (0, 0, 0, 0)
    assert rig.seen.served == len(rows)
    assert rig.seen.output_tokens == sum(osl for _, _, osl in rows)


def test_energy_is_power_over_time_by_hand():
    # 0.1 s of prefill at 500 W; 3 steps of 2 J, 100 W and 1 mJ for each of 303 tokens held.
    rig = Rig(round_pace(per_token_s=0.0))
    rig.serve([(0.0, 100, 3)])
    wanted = 0.1 * PROMPT_W + 3 * STEP_J + 3 * 0.011 * FLOOR_W + 303 * PER_TOKEN_J
    assert sum(rig.bins.joules[0]) == pytest.approx(wanted)
    assert sum(rig.bins.busy_s) == pytest.approx(0.133)


def test_work_over_several_minutes_is_spread_over_them():
    rig = Rig(round_pace(per_token_s=0.0))
    rig.serve([(30.0, 1, 10_000)])  # 110 s of steps
    assert rig.bins.busy_s[:3] == pytest.approx([30.0, 60.0, 20.001], abs=0.02)
    assert rig.bins.joules[0][1] / 60 == pytest.approx(rig.bins.joules[0][0] / 30, rel=1e-3)


def test_tables_are_the_planners_step_and_power():
    catalog = tiny_catalog()
    replica = accelerator_replica(TOY, BIG, 1, "bf16", serving("big_family"))
    power = power_model(BIG, catalog)
    pace = toy_pace()
    for batch, context in ((1, 10.0), (7, 900.0), (64, 4000.0)):
        b, c, none = np.array([float(batch)]), np.array([context]), np.zeros(1)
        step = decode_step_s(replica, b, c)
        use = decode_utilisation(replica, b, c, none, step, prefills=False)
        joules = (accelerator_w(power, use) - power.idle_w) * step / 0.8
        first, slope, first_j, slope_j = pace.coefficients(batch, batch * context)
        held = batch * context
        assert first + slope * held == pytest.approx(float(step[0]), rel=1e-9)
        drawn = pace.floor_w * float(step[0]) + first_j + slope_j * held
        assert min(drawn, pace.cap_w * float(step[0])) == pytest.approx(float(joules[0]), rel=1e-9)


def test_prompts_are_the_planners_prefill():
    catalog = tiny_catalog()
    replica = accelerator_replica(TOY, BIG, 1, "bf16", serving("big_family"))
    tokens = np.array([777.0])
    seconds, joules = toy_pace().prompts(0.25).at(777)
    assert seconds == pytest.approx(float(prefill_s(replica, tokens, 0.25)[0]))
    planned = prefill_pace(power_model(BIG, catalog), replica, tokens, 0.25)
    assert joules == pytest.approx(float((planned.watts[0] - BIG.idle_w) * seconds / 0.8))


@pytest.mark.parametrize(("norm", "cap"), [(3.0, 1.0), (1.0, 0.6)])
def test_steps_that_are_not_affine_stay_within_a_thousandth(norm, cap):
    from ecoserve.power import step_pace

    catalog = tiny_catalog()
    replica = accelerator_replica(TOY, BIG, 1, "bf16", serving("big_family", overlap_norm=norm))
    pace = toy_pace(cap, overlap_norm=norm)
    for batch, context in ((1, 35.0), (20, 700.0), (60, 9000.0)):
        b, c, none = np.array([float(batch)]), np.array([context]), np.zeros(1)
        exact = step_pace(power_model(BIG, catalog), replica, b, c, none, cap)
        first, slope, first_j, slope_j = pace.coefficients(batch, batch * context)
        seconds = first + slope * batch * context
        assert seconds == pytest.approx(float(exact.seconds[0]), rel=1e-3)
        joules = first_j + slope_j * batch * context + pace.floor_w * seconds
        above_idle = (exact.watts[0] - BIG.idle_w) * exact.seconds[0] / 0.8
        assert min(joules, pace.cap_w * seconds) == pytest.approx(float(above_idle), rel=2e-3)


def mean_wait_s(lengths: np.ndarray, rate_rps: float, seed: int) -> tuple[float, float]:
    """Mean time in line before one replica that takes one prompt at a time, and its mean work."""
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(1.0 / rate_rps, len(lengths)))
    rig = Rig(round_pace(max_seqs=1, per_token_s=0.0))
    rows = list(zip(arrivals.tolist(), lengths.tolist(), [1] * len(lengths), strict=True))
    rig.serve(rows)
    service = float(lengths.mean()) * PER_PROMPT_TOKEN_S + STEP_S + PER_SEQUENCE_S
    return rig.seen.ttft.mean - service, service


def test_deterministic_prompts_wait_as_in_m_d_1():
    # rho D / (2 (1 - rho)) with D = 0.5 s and rho = 0.6.
    waited, service = mean_wait_s(np.full(20_000, 489), 0.6 / 0.5, seed=1)
    assert service == pytest.approx(0.5)
    assert waited == pytest.approx(0.6 * 0.5 / (2 * 0.4), rel=0.05)


def test_exponential_prompts_wait_as_in_m_m_1():
    # rho S / (1 - rho) with S = 2.011 s and rho = 0.5.
    tokens = np.random.default_rng(2).exponential(2000.0, 20_000).astype(int) + 1
    waited, service = mean_wait_s(tokens, 0.5 / 2.011, seed=3)
    assert waited == pytest.approx(0.5 * service / 0.5, rel=0.06)


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.floats(1e-5, 1e6), min_size=1, max_size=300), share=st.floats(0, 1))
def test_quantiles_of_the_sketch_are_within_one_per_cent(values, share):
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    rank = max(1, math.ceil(share * len(values) - 1e-9))
    assert sketch.quantile(share) == pytest.approx(sorted(values)[rank - 1], rel=0.0101)
    assert sketch.mean == pytest.approx(sum(values) / len(values))
