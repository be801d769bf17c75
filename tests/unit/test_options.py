"""What could serve what: operating points, loads and watts on paper, and what is left out.

Toy on Small, one card: 1.98e9 bytes at 150e9 bytes/s = 13.2 ms; 1.98e9 B / 5e13 FLOP/s; KV
8,000 B c 5^0.1 / 150e9; elementwise 240,000 B / 150e9 = 1.6 us a token; overhead 1.5 + 0.01 B ms;
prefill of 1,000 tokens sqrt(40^2 + 13.2^2) = 42.1217283, elementwise 1.6, layers 1: 44.7217283 ms.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ecoserve.demand import workload_demands
from ecoserve.offers import allowed_servers
from ecoserve.options import services, undominated
from ecoserve.performance import first_token_s, prefill_s
from ecoserve.power import PowerModel, Utilisation, capped_power
from ecoserve.service import Service
from tests.builders import (
    BIG,
    SMALL,
    mix,
    offline,
    online,
    power,
    serving,
    tiny_catalog,
    tiny_scenario,
)

CATALOG = tiny_catalog()
PREFILL_MS = 44.7217283


def found(*workloads: Any, catalog: Any = CATALOG, **parts: Any) -> dict[str, Service]:
    scenario = tiny_scenario(*workloads, **parts)
    demands = workload_demands(scenario, catalog)
    return {service.id: service for service in services(scenario, catalog, demands)}


def small_step_ms(batch: int) -> float:
    """At 1,000 tokens in and 200 out: a mean context of 1,100."""
    weights, compute = 13.2, 1.98e9 * batch / 5e13 * 1e3
    kv = 8000 * batch * 1100 * 5**0.1 / 150e9 * 1e3
    return math.hypot(weights, compute) + kv + 0.0016 * batch + 1.5 + 0.01 * batch


@pytest.mark.parametrize("limit_ms", [20.0, 30.0, 45.0, 50.0, 80.0])
def test_the_batch_is_the_largest_that_keeps_tpot_with_its_margin(limit_ms: float):
    slo = {"ttft_s": 2.0, "tpot_s": limit_ms / 1000}
    service = found(online(slo=slo))["toy.small.tp1.bf16.mixed.w0"]
    batch = int(service.batch[0])

    def tpot_ms(b: int) -> float:
        return small_step_ms(b) + (b - 1) / 200 * PREFILL_MS

    assert tpot_ms(batch) * 1.1 <= limit_ms < tpot_ms(batch + 1) * 1.1
    assert 1000 * service.tpot_s[0] == pytest.approx(tpot_ms(batch))
    # Replica-seconds of a request: 200 (step + B/200 prefill) / B
    period = small_step_ms(batch) + batch / 200 * PREFILL_MS
    assert 1000 * service.load_s[0] == pytest.approx(200 * period / batch)
    assert 1000 * service.own_ttft_s[0] == pytest.approx(PREFILL_MS + small_step_ms(batch))


def test_a_decode_pool_is_spared_the_prefills():
    # 256 at once: 13.2 and 10.1376 -> 16.6436; KV 17.6412; elementwise 0.4096; overhead 4.06:
    # 38.7545 ms
    service = found(online())["toy.small.tp1.bf16.decode.w0"]
    assert service.batch[0] == 256
    assert 1000 * service.tpot_s[0] == pytest.approx(38.7545, abs=1e-4)
    assert 1000 * service.load_s[0] == pytest.approx(200 * 38.7545 / 256, abs=1e-4)
    assert service.own_ttft_s[0] == 0.0


def test_a_prefill_pool_takes_prompts_one_by_one_and_hands_the_kv_over():
    # Big: 9.4813834 ms; a quarter of 2 x 400 Gbit/s at 0.8 is 20e9 bytes/s: 8e6 in 0.4 ms
    service = found(online())["toy.big.tp1.bf16.prefill.w0"]
    assert 1000 * service.load_s[0] == pytest.approx(9.4813834)
    assert 1000 * service.own_ttft_s[0] == pytest.approx(9.8813834)
    assert service.kv_bytes[0] == pytest.approx(8e6)
    # 0.3 + 0.5 x 0.0902 + 2 x 0.3643 is beyond the cap: 0.985 x 500 W - 100 W idle
    assert service.dynamic_w[0] == pytest.approx(392.5)


def test_a_pool_of_several_cards_counts_the_watts_of_all():
    # Four Big at 3.8003458 ms: u_mem 1.98e9 / (4 x 2e12 x t) = 0.0651256, u_cmp 2e12 / (4 x 5e14 x
    # t) = 0.2631340: 0.3 + 0.0325628 + 0.5262680 = 0.8588308 x 500 = 429.415 W, 329.415 over idle
    service = found(online())["toy.big.tp4.bf16.prefill.w0"]
    assert 1000 * service.load_s[0] == pytest.approx(3.8003458)
    assert service.busy_w[0] == pytest.approx(429.415, abs=1e-3)
    assert service.dynamic_w[0] == pytest.approx(4 * 329.415, abs=4e-3)


def test_a_cpu_socket_serves_whole_offline_requests():
    # 256 at once: 19.8 and 50.688 -> 54.4178; KV 26.4618; elementwise 0.6144; overhead 4.06:
    # 85.5540 ms. 200 x 85.5540 / 256 + prefill sqrt(200^2 + 19.8^2) + 2.4 + 1 = 271.2169 ms
    service = found(offline())["toy.cpu.own_4x_big.tp1.bf16.host_cpu.w0"]
    assert 1000 * service.load_s[0] == pytest.approx(271.2169, abs=1e-4)
    assert service.dynamic_w[0] == pytest.approx(120.0)


def test_host_cpus_serve_offline_work_only_and_only_when_allowed():
    both = found(online(), offline())
    on_cpu = [s.workload for s in both.values() if s.role == "host_cpu"]
    assert on_cpu == ["batch", "batch"]
    off = found(online(), offline(), levers={"reuse": False})
    assert [s for s in off.values() if s.role == "host_cpu"] == []
    # What CPUs run is bf16, whatever else the workload accepts.
    fp8 = found(offline(precisions=["fp8"]))
    assert [s for s in fp8.values() if s.role == "host_cpu"] == []


def test_precisions_are_native_and_accepted():
    seen = {
        (s.device.accelerator_id, s.device.precision)
        for s in found(online(precisions=["bf16", "fp8"])).values()
    }
    assert seen == {("big", "bf16"), ("big", "fp8"), ("small", "bf16")}
    only = {s.device.precision for s in found(online(precisions=["bf16"])).values()}
    assert only == {"bf16"}


@pytest.mark.parametrize(
    ("max_tp", "degrees"), [(1, {1}), (2, {1, 2}), (4, {1, 2, 4}), (8, {1, 2, 4})]
)
def test_groups_stay_within_what_pays_and_within_a_server(max_tp: int, degrees: set[int]):
    catalog = tiny_catalog(replace(BIG, max_tp=max_tp))
    seen = found(online(), catalog=catalog, hardware={"accelerators": ["big"]})
    assert {s.device.tp for s in seen.values()} == degrees


def test_phases_stay_together_when_they_may_not_part():
    apart = {s.role for s in found(online(), offline()).values()}
    together = {s.role for s in found(online(), offline(), levers={"phases_apart": False}).values()}
    assert apart == {"mixed", "prefill", "decode", "host_cpu"}
    assert together == {"mixed", "host_cpu"}


def test_workloads_of_one_model_share_a_pool():
    seen = found(online(), offline())
    chat, batch = seen["toy.big.tp1.bf16.mixed.w0"], seen["toy.big.tp1.bf16.mixed.w1"]
    assert chat.pool_id == batch.pool_id == "toy.big.tp1.bf16.mixed"


def test_a_model_too_large_for_one_card_is_only_tried_where_it_fits():
    big_model = replace(CATALOG.llm("toy"), id="large", aliases=(), params_b=60.0, active_b=60.0)
    seen = found(online(llm="large"), catalog=tiny_catalog(big_model))
    # 120e9 bytes of weights: two cards of 70.25e9 usable bytes at least, and never Small.
    assert {s.device.tp for s in seen.values() if s.fits.any()} == {2, 4}
    assert {s.device.accelerator_id for s in seen.values() if s.fits.any()} == {"big"}


def test_servers_follow_the_offer_the_provider_and_the_allowed_accelerators():
    def ids(**hardware: Any) -> list[str]:
        scenario = tiny_scenario(hardware=hardware)
        return [server.id for server in allowed_servers(scenario, CATALOG)]

    assert ids() == ["own_2x_small", "own_4x_big"]
    assert ids(accelerators=["small"]) == ["own_2x_small"]
    assert ids(offer="rental", provider="cloud") == ["cloud_2x_big"]


def beats(one: Service, other: Service) -> bool:
    """In space, energy and latency, for every bucket."""
    return bool(
        (one.device.tp * one.load_s <= other.device.tp * other.load_s).all()
        and (one.dynamic_w * one.load_s <= other.dynamic_w * other.load_s).all()
        and (one.own_ttft_s <= other.own_ttft_s).all()
        and (one.queued_s <= other.queued_s).all()
    )


def test_what_is_dropped_is_dominated():
    both = found(online(mix="two", precisions=["bf16", "fp8"]))
    kept = {service.id: service for service in undominated(list(both.values()))}
    dropped = set(both) - set(kept)
    # fp8 halves the weights and doubles the rate: bf16 has nothing left to say on Big.
    assert dropped == {
        f"toy.big.tp{tp}.bf16.{role}.w0"
        for tp in (1, 2, 4)
        for role in ("mixed", "prefill", "decode")
    }
    for name in dropped:
        assert beats(kept[name.replace("bf16", "fp8")], both[name])


def test_a_device_that_alone_serves_some_workload_is_kept():
    both = found(online(precisions=["bf16", "fp8"]), offline(precisions=["bf16"]))
    assert {service.id for service in undominated(list(both.values()))} == set(both)


def test_of_two_equal_devices_one_is_kept():
    one = found(online())["toy.big.tp1.bf16.mixed.w0"]
    twin = replace(one, device=replace(one.device, precision="fp8"))
    assert len(undominated([one, twin])) == 1


def test_a_request_waits_for_the_front_end_before_its_prefill():
    slow = serving("small_family", t_request_s=0.02)
    service = found(online(), catalog=tiny_catalog(slow))
    mixed, prefill = (service[f"toy.small.tp1.bf16.{r}.w0"] for r in ("mixed", "prefill"))
    step = small_step_ms(int(mixed.batch[0])) / 1000
    assert mixed.own_ttft_s[0] == pytest.approx(0.02 + PREFILL_MS / 1000 + step)
    forward = first_token_s(mixed.device.replica, np.array([1000.0]), np.array([step]))
    assert mixed.own_ttft_s == pytest.approx(forward)
    # 8e6 bytes over half of 80 Gbit/s at 0.8
    assert prefill.own_ttft_s[0] == pytest.approx(0.02 + PREFILL_MS / 1000 + 8e6 / 4e9)
    # Nobody is served in front of the replica's queue by the front end.
    assert prefill.queued_s[0] == pytest.approx(PREFILL_MS / 1000)


def test_int_weights_run_where_the_stack_has_parameters_for_them():
    both = tiny_catalog(
        serving("big_family", precision="int4"), serving("small_family", precision="int8")
    )
    seen = {
        (s.device.accelerator_id, s.device.precision)
        for s in found(online(precisions=["int8", "int4"]), catalog=both).values()
    }
    # Neither has a rate for integers: they are widened and multiplied at 16 bits.
    assert seen == {("big", "int4"), ("small", "int8")}
    service = found(online(precisions=["int4"]), catalog=both)["toy.big.tp1.int4.mixed.w0"]
    assert service.device.replica.flop_per_s == 500e12


def test_fp8_needs_hardware_that_computes_in_it():
    known = tiny_catalog(serving("small_family", precision="fp8"))
    assert {s.device.accelerator_id for s in found(online(precisions=["fp8"])).values()} == {"big"}
    seen = found(online(precisions=["fp8"]), catalog=known)
    assert {s.device.accelerator_id for s in seen.values()} == {"big"}
    native = tiny_catalog(
        replace(SMALL, fp8_tflops=200.0), serving("small_family", precision="fp8")
    )
    seen = found(online(precisions=["fp8"]), catalog=native)
    assert {s.device.accelerator_id for s in seen.values()} == {"big", "small"}


def test_an_fp8_kv_cache_is_half_as_large_where_the_hardware_has_it():
    wide, narrow = (
        found(online(), hardware={"kv_precision": kv, "max_num_seqs": 4096})
        for kv in ("bf16", "fp8")
    )
    assert "toy.small.tp1.bf16.decode.w0" in narrow  # no fp8 there: as it was
    half = narrow["toy.big.tp1.bf16.kv_fp8.decode.w0"]
    assert half.kv_bytes[0] == pytest.approx(4e6)
    assert half.batch[0] > wide["toy.big.tp1.bf16.decode.w0"].batch[0]
    assert {s.device.kv_precision for s in narrow.values() if s.role == "host_cpu"} <= {"bf16"}


def test_no_more_sequences_than_the_engine_is_set_to():
    services_ = found(online(), offline(), hardware={"max_num_seqs": 48})
    assert {float(s.batch[0]) for s in services_.values() if s.role == "decode"} == {48.0}
    assert {float(s.batch[0]) for s in services_.values() if s.role == "host_cpu"} == {48.0}


def test_a_cached_prefix_shortens_the_prefill_and_nothing_else():
    cold, warm = found(online()), found(online(prefix_cache_hit=0.5))
    for role in ("mixed", "prefill", "decode"):
        before, after = (s[f"toy.small.tp1.bf16.{role}.w0"] for s in (cold, warm))
        assert (after.kv_bytes == before.kv_bytes).all()
        assert after.load_s[0] <= before.load_s[0]
    replica = warm["toy.small.tp1.bf16.prefill.w0"].device.replica
    half = prefill_s(replica, np.array([1000.0]), 0.5)
    assert warm["toy.small.tp1.bf16.prefill.w0"].load_s == pytest.approx(half)
    decode = "toy.small.tp1.bf16.decode.w0"
    assert warm[decode].load_s == pytest.approx(cold[decode].load_s)
    host = "toy.cpu.own_4x_big.tp1.bf16.host_cpu.w0"
    cold, warm = found(offline()), found(offline(prefix_cache_hit=0.5))
    assert warm[host].load_s[0] < cold[host].load_s[0]


def test_power_caps_are_offered_only_when_asked_for():
    assert {s.device.power_cap_ratio for s in found(online()).values()} == {1.0}
    capped = found(online(), hardware={"power_cap_ratios": [1.0, 0.6]})
    plain = {name: s for name, s in capped.items() if s.device.power_cap_ratio == 1.0}
    assert set(plain) == set(found(online()))
    assert len(capped) == 2 * len(plain)
    assert not any(s.fitted.any() for name, s in capped.items() if name not in plain)


def test_a_capped_prefill_keeps_its_cap_and_takes_longer():
    # u_mem 1.98e9 / (2e12 t), u_cmp 2e12 / (5e14 t) with t = 9.4813834 ms
    both = found(online(), hardware={"power_cap_ratios": [1.0, 0.6]})
    slow = both["toy.big.tp1.bf16.cap60.prefill.w0"]
    t = 9.4813834e-3
    use = Utilisation(np.array([1.98e9 / 2e12 / t]), np.array([4e-3 / t]), np.array([0.0]))
    model = PowerModel(params=power("big_family"), tdp_w=500.0, idle_w=100.0)
    expected = capped_power(model, use, 0.6)
    assert slow.busy_w[0] == pytest.approx(300.0)
    assert slow.load_s[0] == pytest.approx(t * expected.slowdown[0])
    assert slow.own_ttft_s[0] == pytest.approx(t * expected.slowdown[0] + 0.4e-3)


def test_a_cap_below_the_floor_is_no_option():
    hungry = tiny_catalog(replace(BIG, idle_w=250.0))
    seen = found(online(), catalog=hungry, hardware={"power_cap_ratios": [1.0, 0.5]})
    capped = {s.device.accelerator_id for s in seen.values() if s.device.power_cap_ratio < 1}
    assert capped == {"small"}


@pytest.mark.parametrize(
    ("bound", "changes"),
    [
        ("tpot", {"slo": {"ttft_s": 2.0, "tpot_s": 0.03, "percentile": 0.9}}),
        # The margin leaves 63.6 of 70 ms, and prefill takes 44.7 of those: steps of 18.9 ms.
        ("ttft", {"slo": {"ttft_s": 0.07, "tpot_s": 1.0, "percentile": 0.9}}),
        ("max_num_seqs", {"slo": {"ttft_s": 20.0, "tpot_s": 5.0, "percentile": 0.9}}),
        ("memory", {"mix": "long", "slo": {"ttft_s": 20.0, "tpot_s": 5.0, "percentile": 0.9}}),
    ],
)
def test_the_limit_that_keeps_a_batch_from_growing_is_named(bound: str, changes: dict[str, Any]):
    # 20,000 tokens of KV: 0.16 GB a request beside 2 GB of weights in 24.
    catalog = tiny_catalog(mix("long", (1.0, 19_000.0, 1_000.0)))
    service = found(online(**changes), catalog=catalog)["toy.small.tp1.bf16.mixed.w0"]
    assert list(service.bound_by) == [bound]
