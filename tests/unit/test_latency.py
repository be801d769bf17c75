"""Queues in front of pools: quantiles on paper, who is excused, who is blocked and why."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ecoserve.demand import workload_demands
from ecoserve.latency import Eligibility, eligibility, mixture_quantile_s, weighted_quantile
from ecoserve.options import services
from ecoserve.queueing import Queue
from ecoserve.service import Service
from tests.builders import mix, offline, online, serving, tiny_catalog, tiny_scenario

MM1 = Queue(1, 0.8, 0.5, 1.0)  # P(W > t) = 0.8 exp(-0.4 t)
NO_WAIT = Queue(2, 0.0, 0.0, 0.0)
LONG_PROMPTS = 1_000_000.0
PREFILL_S = 0.0447217283


def judged(*workloads: Any, rows: Any = (), **parts: Any) -> tuple[Eligibility, list[Service]]:
    catalog = tiny_catalog(*rows)
    scenario = tiny_scenario(*workloads, **parts)
    demands = workload_demands(scenario, catalog)
    found = services(scenario, catalog, demands)
    return eligibility(found, demands, scenario.policy, {}), list(found)


def slo(ttft_s: float, tpot_s: float, percentile: float = 0.9) -> dict[str, float]:
    return {"ttft_s": ttft_s, "tpot_s": tpot_s, "percentile": percentile}


def test_quantile_of_weighted_values():
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([2.0, 5.0, 3.0])
    found = [weighted_quantile(values, weights, p) for p in (0.3, 0.5, 0.51, 0.8, 0.81, 0.99)]
    assert found == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]


def test_ttft_of_one_stream_is_its_prefill_and_the_quantile_of_its_wait():
    # 0.5 + 2.5 ln(0.8 / 0.1)
    found = mixture_quantile_s(np.array([3.0]), np.array([0.5]), [MM1], 0.9)
    assert found == pytest.approx(5.6986039, abs=1e-5)


def test_ttft_of_streams_that_do_not_wait_is_the_quantile_of_their_prefills():
    weights, own = np.array([8.0, 2.0]), np.array([0.1, 1.0])
    queues = [NO_WAIT, NO_WAIT]
    assert mixture_quantile_s(weights, own, queues, 0.5) == pytest.approx(0.1, abs=1e-5)
    assert mixture_quantile_s(weights, own, queues, 0.9) == pytest.approx(1.0, abs=1e-5)


def test_ttft_of_a_mixture_is_not_the_mean_of_its_quantiles():
    # Half never wait: 0.4 exp(-0.4 t) = 0.1 at t = 2.5 ln 4
    found = mixture_quantile_s(np.array([1.0, 1.0]), np.zeros(2), [MM1, NO_WAIT], 0.9)
    assert found == pytest.approx(3.4657359, abs=1e-5)


def test_offline_work_does_not_queue():
    found, _ = judged(offline(mix="three"), policy={"headroom": 0.2})
    assert found.blocked == ()
    assert set(found.utilisation.values()) == {0.8}
    assert all((share == 1.0).all() for share in found.on_time.values())


def on_time_by_hand(k: int, rho: float, service_s: float, own_s: float, limit_s: float) -> float:
    """1 - C exp(-2k(1-rho)t / S), even service, Erlang's C as the textbook has it."""
    a = k * rho
    last = a**k / math.factorial(k) / (1 - rho)
    waits = last / (sum(a**n / math.factorial(n) for n in range(k)) + last)
    room = limit_s / 1.1 - own_s
    return 1 - waits * math.exp(-2 * k * (1 - rho) * room / service_s) if room >= 0 else 0.0


@pytest.mark.parametrize("ttft_s", [0.0525, 0.0545, 0.062, 2.0])
def test_a_pool_is_driven_as_hard_as_its_percentile_allows(ttft_s: float):
    # Prefill pool on Small: prompts of 1,000 tokens take 44.7217283 ms, one NIC of 80 Gbit/s for
    # two cards moves 8e6 bytes in 8e6 / (0.8 x 5e9) = 2 ms: 46.7217283 ms before any wait, with the
    # 10 % margin 51.4 ms. At 40/s x 1.3 of burst 2.3255299 replicas are busy.
    found, _ = judged(
        online(slo=slo(ttft_s, 0.05)), hardware={"accelerators": ["small"]}, levers={"reuse": False}
    )
    busy = 40 * 1.3 * PREFILL_S
    assert busy == pytest.approx(2.3255299)
    for step in (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1):
        k = math.ceil(busy / (0.85 * step))
        share = on_time_by_hand(k, busy / k, PREFILL_S, PREFILL_S + 0.002, ttft_s)
        if share >= 0.9:
            break
    assert found.utilisation["toy.small.tp1.bf16.prefill"] == pytest.approx(0.85 * step)
    assert found.on_time["toy.small.tp1.bf16.prefill.w0"] == pytest.approx([share])


def test_a_held_pool_is_judged_with_the_replicas_it_has():
    scenario = tiny_scenario(online(slo=slo(0.062, 0.05)))
    catalog = tiny_catalog()
    demands = workload_demands(scenario, catalog)
    pool = "toy.small.tp1.bf16.prefill"
    found = [s for s in services(scenario, catalog, demands) if s.pool_id == pool]
    held = eligibility(found, demands, scenario.policy, {pool: 30})
    # Thirty replicas at 0.85: C = 0.19 and next to no wait, 1 - C exp(-2 x 30 x 0.15 x t / S)
    assert held.utilisation[pool] == pytest.approx(0.85)
    share = on_time_by_hand(30, 0.85, PREFILL_S, PREFILL_S + 0.002, 0.062)
    assert held.on_time[f"{pool}.w0"] == pytest.approx([share])


def rare(fraction: float) -> Any:
    """A mix in which this share of the prompts takes far longer than any limit."""
    return mix("rare", (1 - fraction, 1000.0, 200.0), (fraction, LONG_PROMPTS, 200.0))


def test_a_slice_beyond_its_ttft_is_excused_within_the_percentile():
    found, options = judged(online(mix="rare", slo=slo(2.0, 0.05)), rows=[rare(0.08)])
    assert found.blocked == ()
    prefill = next(s for s in options if s.id == "toy.big.tp1.bf16.prefill.w0")
    # 2 x 10 x 1,000 x 1e12 FLOP at 2.5e14 alone are 80 s.
    assert prefill.own_ttft_s[1] > 80.0
    assert found.on_time[prefill.id][1] == 0.0
    assert found.masks[prefill.id].all()


def test_a_slice_beyond_its_ttft_is_blocked_beyond_the_percentile():
    found, _ = judged(online(mix="rare", slo=slo(2.0, 0.05)), rows=[rare(0.12)])
    (blocked,) = found.blocked
    assert blocked.slice == "chat, 1000000 tokens in, 200 out"
    assert blocked.reason.startswith("TTFT:")
    assert "the limit is 2 s" in blocked.reason


def test_an_impossible_pace_is_blocked_with_what_would_be_possible():
    # Alone on four Big a step takes at least 0.495 ms of weights and 1.71 ms of overheads.
    found, _ = judged(online(slo=slo(2.0, 0.001)))
    (blocked,) = found.blocked
    assert blocked.reason.startswith("TPOT: 2.21 ms at best, alone on 4 x big at bf16")
    assert "the limit is 1 ms" in blocked.reason


def test_a_model_that_fits_nowhere_is_blocked_by_memory():
    # One request of 200 million tokens needs 1.6e12 bytes.
    giant = mix("giant", (1.0, 2e8, 200.0))
    found, _ = judged(online(mix="giant"), rows=[giant])
    (blocked,) = found.blocked
    assert blocked.reason.startswith("memory:")


def test_memory_is_never_excused():
    giant = mix("giant", (0.99, 1000.0, 200.0), (0.01, 2e8, 200.0))
    found, _ = judged(online(mix="giant"), rows=[giant])
    assert [item.slice for item in found.blocked] == ["chat, 200000000 tokens in, 200 out"]


def test_the_front_end_takes_from_the_time_there_is_to_wait():
    # 4 ms of front end before a prefill pool: 46.7217283 + 4 ms before any wait
    slow = tiny_catalog(serving("small_family", t_request_s=0.004))
    scenario = tiny_scenario(online(slo=slo(0.062, 0.05)))
    demands = workload_demands(scenario, slow)
    pool = "toy.small.tp1.bf16.prefill"
    found = [s for s in services(scenario, slow, demands) if s.pool_id == pool]
    held = eligibility(found, demands, scenario.policy, {pool: 30})
    share = on_time_by_hand(30, 0.85, PREFILL_S, PREFILL_S + 0.006, 0.062)
    assert held.on_time[f"{pool}.w0"] == pytest.approx([share])
