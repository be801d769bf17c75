"""Watts, on paper. Toy on one Big: 1.98e9 bytes of weights, 8,000 bytes of KV per token."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecoserve.performance import accelerator_replica
from ecoserve.power import (
    accelerator_w,
    cpu_pool_w,
    decode_utilisation,
    host_on_w,
    nameplate_w,
    prefill_utilisation,
    server_idle_w,
    wall_w,
)
from tests.builders import BIG, BIG_SERVER, HALF_SERVER, TOY, power, serving, tiny_catalog

CATALOG = tiny_catalog()
REPLICA = accelerator_replica(TOY, BIG, 1, "bf16", serving("big_family"))


def one(value: float) -> np.ndarray:
    return np.array([value])


def watts(u_mem: float, u_cmp: float, **params: float) -> float:
    return float(accelerator_w(power("big_family", **params), 500.0, one(u_mem), one(u_cmp))[0])


def test_between_floor_and_cap():
    # 500 W x (0.3 + 0.5 x 0.4 + 2 x 0.1)
    assert watts(0.4, 0.1) == pytest.approx(350.0)


def test_gamma_bends_the_compute_term():
    # 500 x (0.3 + 0.2 + 2 x 0.1^2)
    assert watts(0.4, 0.1, gamma=2.0) == pytest.approx(260.0)


def test_the_floor_is_drawn_at_no_utilisation():
    assert watts(0.0, 0.0) == pytest.approx(150.0)


def test_the_cap_is_below_tdp():
    # 0.3 + 0.4 + 0.6 = 1.3 > 0.985
    assert watts(0.8, 0.3) == pytest.approx(492.5)


def test_decode_utilisation_with_and_without_prefills():
    # B = 250 at 900 + 200/2 tokens, 10 ms: (1.98e9 + 2e9) / (2e12 x 0.01) = 0.199;
    # 250 x 1.98e9 / (5e14 x 0.01) = 0.099, times 1 + 900/200 with prefills = 0.5445
    args = (REPLICA, one(250.0), one(900.0), one(200.0), one(0.01))
    alone = decode_utilisation(*args, prefills=False)
    mixed = decode_utilisation(*args, prefills=True)
    assert [float(u[0]) for u in alone] == pytest.approx([0.199, 0.099])
    assert [float(u[0]) for u in mixed] == pytest.approx([0.199, 0.5445])


def test_utilisation_never_exceeds_one():
    u_mem, u_cmp = decode_utilisation(
        REPLICA, one(250.0), one(900.0), one(200.0), one(0.001), prefills=True
    )
    assert (u_mem[0], u_cmp[0]) == (1.0, 1.0)  # 1.99 and 5.4 otherwise


def test_prefill_utilisation():
    # 1.98e9 / (2e12 x 0.01); 2.0e12 / (5e14 x 0.01)
    u_mem, u_cmp = prefill_utilisation(REPLICA, one(1000.0), one(0.01))
    assert (u_mem[0], u_cmp[0]) == pytest.approx((0.099, 0.4))


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
