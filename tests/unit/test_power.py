"""Watts, on paper. Toy on one Big: 1.98e9 bytes of weights, 8,000 bytes of KV per token."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecoserve.performance import Replica, accelerator_replica
from ecoserve.power import (
    BusyPower,
    PowerModel,
    Utilisation,
    accelerator_w,
    busy_power,
    capped_power,
    cpu_pool_w,
    decode_utilisation,
    host_on_w,
    host_w,
    is_measured,
    nameplate_w,
    part_load,
    prefill_utilisation,
    request_energy,
    server_idle_w,
    wall_w,
)
from tests.builders import BIG, BIG_SERVER, HALF_SERVER, TOY, TOY_MOE, power, serving, tiny_catalog

CATALOG = tiny_catalog()
REPLICA = accelerator_replica(TOY, BIG, 1, "bf16", serving("big_family"))


def one(value: float) -> np.ndarray:
    return np.array([value])


def model(idle_w: float = 100.0, **params: float) -> PowerModel:
    return PowerModel(params=power("big_family", **params), tdp_w=500.0, idle_w=idle_w)


def used(u_mem: float, u_cmp: float, sequence_layers_per_s: float = 0.0) -> Utilisation:
    return Utilisation(one(u_mem), one(u_cmp), one(sequence_layers_per_s))


def watts(u_mem: float, u_cmp: float, **params: float) -> float:
    return float(accelerator_w(model(**params), used(u_mem, u_cmp))[0])


def test_between_floor_and_cap():
    # 500 W x (0.3 + 0.5 x 0.4 + 2 x 0.1)
    assert watts(0.4, 0.1) == pytest.approx(350.0)


def test_each_sequence_and_layer_costs_its_share_of_tdp():
    # 500 x (0.3 + 1e-6 x 200,000)
    use = used(0.0, 0.0, 200_000.0)
    assert accelerator_w(model(sequence_layer_s=1e-6), use)[0] == pytest.approx(250.0)


def test_the_floor_is_drawn_at_no_utilisation():
    assert watts(0.0, 0.0) == pytest.approx(150.0)


def test_the_floor_is_never_below_idle():
    # 0.4 of TDP idle instead of P0 = 0.3: 500 x (0.4 + 0.5 x 0.2)
    assert watts(0.2, 0.0, idle_w=200.0) == pytest.approx(250.0)


def test_the_cap_is_below_tdp():
    # 0.3 + 0.4 + 0.6 = 1.3 > 0.985
    assert watts(0.8, 0.3) == pytest.approx(492.5)


def test_decode_utilisation_with_and_without_prefills():
    # B = 250 at 900 + 200/2 tokens, 10 ms: (1.98e9 + 2e9) / (2e12 x 0.01) = 0.199;
    # 250 x 1.98e9 / (5e14 x 0.01) = 0.099; prompts 250/200 x (900 x 1.98e9 + 2 x 10 x 1000 x 900^2)
    # = 2.24775e12 more, / 5e12; 250 x 10 layers / 0.01 s
    args = (REPLICA, one(250.0), one(900.0), one(200.0), one(0.01))
    alone = decode_utilisation(*args, prefills=False)
    mixed = decode_utilisation(*args, prefills=True)
    assert (alone.memory[0], alone.compute[0]) == pytest.approx((0.199, 0.099))
    assert (mixed.memory[0], mixed.compute[0]) == pytest.approx((0.199, 0.54855))
    assert alone.sequence_layers_per_s[0] == pytest.approx(250_000.0)


def test_utilisation_on_more_accelerators_than_kv_heads():
    # Weights spread over four, KV over two heads: (1.98e9 / 4 + 2e9 / 2) / (2e12 x 0.01);
    # FLOP and layers over four
    replica = accelerator_replica(TOY, BIG, 4, "bf16", serving("big_family"))
    use = decode_utilisation(replica, one(250.0), one(900.0), one(200.0), one(0.01), prefills=False)
    assert use.memory[0] == pytest.approx(0.07475)
    assert use.compute[0] == pytest.approx(0.02475)
    assert use.sequence_layers_per_s[0] == pytest.approx(62_500.0)


def test_utilisation_never_exceeds_one():
    use = decode_utilisation(REPLICA, one(250.0), one(900.0), one(200.0), one(0.001), prefills=True)
    assert (use.memory[0], use.compute[0]) == (1.0, 1.0)  # 1.99 and 5.5 otherwise


def test_prefill_utilisation():
    # 1.98e9 / (2e12 x 0.01); 2.0e12 / (5e14 x 0.01)
    use = prefill_utilisation(REPLICA, one(1000.0), one(0.01))
    assert (use.memory[0], use.compute[0]) == pytest.approx((0.099, 0.4))
    assert use.sequence_layers_per_s[0] == 0.0


def test_cached_tokens_are_not_multiplied_again():
    # Half of 1,000 tokens cached: 500 x 1.98e9 + 2 x 10 x 1000 x 1e6 x (1 - 0.25) = 1.005e12
    use = prefill_utilisation(REPLICA, one(1000.0), one(0.01), 0.5)
    assert use.compute[0] == pytest.approx(0.201)


@pytest.mark.parametrize(
    ("phase", "precision", "u_mem", "u_cmp", "expected"),
    [
        ("mixed", "bf16", 0.7, 0.4, True),
        ("mixed", "bf16", 0.71, 0.4, False),
        ("mixed", "bf16", 0.7, 0.41, False),
        ("prefill", "bf16", 0.1, 0.1, False),
        ("decode", "fp8", 0.1, 0.1, False),
    ],
)
def test_only_what_the_fit_has_seen_is_measured(phase, precision, u_mem, u_cmp, expected):
    seen = is_measured(power("big_family"), REPLICA, phase, precision, used(u_mem, u_cmp))
    assert bool(seen[0]) is expected


def test_mixtures_of_experts_are_not_measured():
    replica = accelerator_replica(TOY_MOE, BIG, 1, "bf16", serving("big_family"))
    assert not is_measured(power("big_family"), replica, "mixed", "bf16", used(0.1, 0.1))[0]


# A step of 10 ms at 300 W and 30 ms of prefill per step at 480 W, on two accelerators.
BUSY = BusyPower(
    tp=2, step_s=one(0.01), decode_w=one(300.0), prefill_s=one(0.03), prefill_w=one(480.0)
)


def test_a_replica_draws_the_mean_of_its_phases_over_time():
    # (10 x 300 + 30 x 480) / 40
    assert BUSY.period_s[0] == pytest.approx(0.04)
    assert BUSY.mean_w[0] == pytest.approx(435.0)


def test_energy_of_a_request_by_phase():
    # 20 sequences of 100 tokens: 100 periods shared by 20, on two accelerators:
    # 2 x 100/20 x 0.03 x 480 and 2 x 100/20 x 0.01 x 300; per output token a hundredth
    energy = request_energy(BUSY, one(20.0), one(100.0))
    assert energy.prefill_j[0] == pytest.approx(144.0)
    assert energy.decode_j[0] == pytest.approx(30.0)
    assert energy.prefill_j_per_output_token[0] == pytest.approx(1.44)
    assert energy.decode_j_per_output_token[0] == pytest.approx(0.3)
    assert energy.j_per_output_token[0] == pytest.approx(1.74)


def clean_replica() -> Replica:
    """No overheads, so that steps and prefills are efficiencies alone."""
    params = serving("big_family", t0_s=0.0, t_layer_s=0.0, t_seq_s=0.0)
    return accelerator_replica(TOY, BIG, 1, "bf16", params)


def test_prefill_is_judged_apart_from_decode_and_held_at_the_cap():
    # Efficiency one half: while prefilling u_cmp is nearly 0.5, and 0.3 + 2 x 0.5 > 0.985.
    busy = busy_power(model(), clean_replica(), one(10.0), one(1000.0), one(200.0), prefills=True)
    assert busy.prefill_w[0] == pytest.approx(492.5)
    assert busy.decode_w[0] < busy.mean_w[0] < busy.prefill_w[0]


def test_a_decode_pool_has_no_prefill():
    busy = busy_power(model(), clean_replica(), one(10.0), one(1000.0), one(200.0), prefills=False)
    assert busy.prefill_s[0] == 0.0
    assert busy.mean_w[0] == busy.decode_w[0]


def load(load_ratio: float, batch: float = 100.0):
    return part_load(
        model(), REPLICA, one(batch), one(1000.0), one(200.0), one(load_ratio), prefills=True
    )


def test_no_load_draws_idle():
    at_none = load(0.0)
    assert at_none.busy_ratio[0] == 0.0
    assert at_none.mean_w[0] == pytest.approx(100.0)


def test_full_load_runs_the_planned_batch_all_the_time():
    full = load(1.0)
    busy = busy_power(model(), REPLICA, one(100.0), one(1000.0), one(200.0), prefills=True)
    assert full.batch[0] == pytest.approx(100.0)
    assert full.busy_ratio[0] == pytest.approx(1.0)
    assert full.mean_w[0] == pytest.approx(busy.mean_w[0])


def test_a_quarter_of_the_load_costs_more_than_a_quarter_of_the_energy():
    quarter, full = load(0.25), load(1.0)
    assert quarter.batch[0] < 25.0  # a smaller batch has shorter steps
    assert quarter.mean_w[0] - 100.0 > 1.5 * 0.25 * (full.mean_w[0] - 100.0)


def test_below_one_sequence_the_replica_idles_in_between():
    # A planned batch of one at half its load: half the time busy.
    half = load(0.5, batch=1.0)
    busy = busy_power(model(), REPLICA, one(1.0), one(1000.0), one(200.0), prefills=True)
    assert half.busy_ratio[0] == pytest.approx(0.5)
    assert half.mean_w[0] == pytest.approx((100.0 + busy.mean_w[0]) / 2)


def test_a_cap_slows_work_where_compute_is_the_limit():
    # 0.3 + 2 x 0.34 = 0.98, compute the limit for 0.34/0.45 = 0.7556 of the time; at clock f
    # P = 0.3 + 0.68 f^2 / (1 + 0.7556 (1/f - 1)) = 0.6 at f = 0.74512, and the time 1.2585
    capped = capped_power(model(), used(0.0, 0.34), 0.6)
    assert capped.watts[0] == pytest.approx(300.0)
    assert capped.slowdown[0] == pytest.approx(1.25845, rel=1e-5)


def test_a_cap_above_the_draw_changes_nothing():
    capped = capped_power(model(), used(0.4, 0.1), 0.8)
    assert (capped.watts[0], capped.slowdown[0]) == pytest.approx((350.0, 1.0))


def test_memory_bound_work_slows_only_when_the_core_has_nothing_left_to_give():
    # 0.3 + 0.5 x 0.8 = 0.7, all of it memory: energy above the floor over 0.2 instead of 0.4
    capped = capped_power(model(), used(0.8, 0.0), 0.5)
    assert capped.watts[0] == pytest.approx(250.0)
    assert capped.slowdown[0] == pytest.approx(2.0)


def test_nothing_runs_under_a_cap_below_the_floor():
    with pytest.raises(ValueError, match=r"0\.3"):
        capped_power(model(), used(0.4, 0.1), 0.3)


def test_the_host_follows_the_load():
    # CPUs 2 x 200 x (0.3 + load x 0.5 x 0.6): 120 idle, 180 halfway, 240 serving; else 410
    assert host_w(BIG_SERVER, CATALOG, 0.0) == pytest.approx(530.0)
    assert host_w(BIG_SERVER, CATALOG, 0.5) == pytest.approx(590.0)
    assert host_w(BIG_SERVER, CATALOG, 1.0) == host_on_w(BIG_SERVER, CATALOG)


def test_a_whole_host():
    # CPUs 2 x 200 x (0.3 + 0.5 x 0.6) = 240; fans 100 x 4/2 = 200; NICs 2 x 20 = 40;
    # DRAM 500 x 0.3 = 150; SSD 5 x 4 = 20
    assert host_on_w(BIG_SERVER, CATALOG) == pytest.approx(650.0)


def test_a_rented_half_pays_half_of_the_host_and_its_own_dram_and_ssd():
    # max(2/4, 100/200, 250/1000) = 0.5; (240 + 200 + 40) / 2 + 75 + 10
    assert CATALOG.share_of_host(HALF_SERVER) == 0.5
    assert host_on_w(HALF_SERVER, CATALOG) == pytest.approx(325.0)


def test_the_largest_share_of_the_host_counts():
    # DRAM 900/1000 outweighs half of the accelerators and of the vCPUs
    fat = replace(HALF_SERVER, dram_gb=900.0)
    assert CATALOG.share_of_host(fat) == 0.9
    # 480 x 0.9 + 900 x 0.3 + 10
    assert host_on_w(fat, CATALOG) == pytest.approx(712.0)


def test_extra_watts_of_a_socket_busy_with_offline_work():
    # A whole socket's work costs the whole way from idle, 0.3, to busy, 0.9: 200 x 0.6
    assert cpu_pool_w(BIG_SERVER, CATALOG) == pytest.approx(120.0)


def test_power_supplies_lose_a_fifth():
    assert wall_w(80.0, CATALOG) == pytest.approx(100.0)


def test_an_idle_server_at_the_wall():
    # (650 + 4 x 100) / 0.8
    assert server_idle_w(BIG_SERVER, CATALOG) == pytest.approx(1312.5)


def test_the_nameplate_has_every_accelerator_at_tdp_and_every_cpu_busy():
    # (4 x 500 + 650 + 2 x half of 120) / 0.8; the half: (2 x 500 + 325 + 60) / 0.8
    assert nameplate_w(BIG_SERVER, CATALOG) == pytest.approx(3462.5)
    assert nameplate_w(HALF_SERVER, CATALOG) == pytest.approx(1731.25)
