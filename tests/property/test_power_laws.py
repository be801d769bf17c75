"""Laws of power: never above TDP, never below idle, and never a gain from a cap."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ecoserve.performance import accelerator_replica
from ecoserve.power import (
    PowerModel,
    Utilisation,
    accelerator_w,
    busy_power,
    capped_power,
    part_load,
    request_energy,
)
from tests.builders import BIG, TOY, TOY_MOE, power, serving

TDP_W, IDLE_W = 500.0, 100.0
share = st.floats(0.0, 1.0)
rate = st.floats(0.0, 1e6)
batches = st.integers(1, 256)
lengths = st.tuples(st.floats(1.0, 8000.0), st.floats(1.0, 2000.0))
models = st.builds(
    lambda a, b, s, idle: PowerModel(
        params=power("big_family", a_ratio=a, b_ratio=b, sequence_layer_s=s),
        tdp_w=TDP_W,
        idle_w=idle,
    ),
    *(st.floats(0.0, 1.0), st.floats(0.0, 3.0), st.floats(0.0, 2e-6), st.floats(1.0, 200.0)),
)
replicas = st.builds(
    lambda llm, tp: accelerator_replica(llm, BIG, tp, "bf16", serving("big_family")),
    st.sampled_from([TOY, TOY_MOE]),
    st.sampled_from([1, 2, 4]),
)


def use(*values: float) -> Utilisation:
    return Utilisation(*(np.array([value]) for value in values))


def one(value: float) -> np.ndarray:
    return np.array([float(value)])


@given(models, share, share, rate)
def test_power_lies_between_idle_and_tdp(model, u_mem, u_cmp, q):
    watts = accelerator_w(model, use(u_mem, u_cmp, q))[0]
    assert model.idle_w * (1 - 1e-12) <= watts <= TDP_W  # idle/TDP x TDP may round below idle


@given(models, st.lists(share, min_size=2, max_size=2), st.lists(share, min_size=2, max_size=2))
def test_more_work_never_draws_less(model, memory, compute):
    (low_mem, high_mem), (low_cmp, high_cmp) = sorted(memory), sorted(compute)
    low = accelerator_w(model, use(low_mem, low_cmp, 0.0))[0]
    assert low <= accelerator_w(model, use(high_mem, high_cmp, 1e5))[0]


@given(models, replicas, batches, lengths, st.booleans())
def test_energy_is_power_times_time(model, replica, batch, length, prefills):
    isl, osl = one(length[0]), one(length[1])
    busy = busy_power(model, replica, one(batch), isl, osl, prefills=prefills)
    energy = request_energy(busy, one(batch), osl)
    steps = osl[0] / batch
    expected = replica.tp * busy.mean_w[0] * busy.period_s[0] * steps
    assert np.isclose(energy.prefill_j[0] + energy.decode_j[0], expected)
    assert np.isclose(energy.j_per_output_token[0] * osl[0], expected)


@given(models, replicas, batches, lengths, st.lists(share, min_size=2, max_size=2))
def test_more_load_runs_more_sequences_and_none_draws_idle(model, replica, batch, length, loads):
    args = (model, replica, one(batch), one(length[0]), one(length[1]))
    idle = part_load(*args, one(0.0), prefills=True)
    low, high = (part_load(*args, one(load), prefills=True) for load in sorted(loads))
    assert idle.mean_w[0] == model.idle_w
    # A floor at idle is idle/TDP x TDP, which may be a rounding below idle.
    assert model.idle_w * (1 - 1e-12) <= low.mean_w[0] <= TDP_W
    running = low.busy_ratio[0] * low.batch[0]
    assert running <= high.busy_ratio[0] * high.batch[0] * (1 + 1e-9)


@given(models, replicas, batches, lengths, share)
def test_a_replica_is_busy_for_at_least_its_share_of_the_load(model, replica, batch, length, load):
    args = (model, replica, one(batch), one(length[0]), one(length[1]))
    assert part_load(*args, one(load), prefills=True).busy_ratio[0] >= load - 1e-9


@given(models, share, share, rate, st.floats(0.45, 1.0), st.floats(0.45, 1.0))
def test_a_cap_never_speeds_up_and_is_kept(model, u_mem, u_cmp, q, one_cap, other_cap):
    work, (tight, loose) = use(u_mem, u_cmp, q), sorted((one_cap, other_cap))
    slow, fast = capped_power(model, work, tight), capped_power(model, work, loose)
    free = accelerator_w(model, work)[0]
    assert slow.slowdown[0] >= fast.slowdown[0] - 1e-9
    assert fast.slowdown[0] >= 1.0
    assert slow.watts[0] <= tight * TDP_W * (1 + 1e-9)
    assert slow.watts[0] <= free * (1 + 1e-9)
