"""Every term of speed and memory, against figures worked out on paper.

Toy: 10 layers, 0.99e9 matmul parameters (1e9 less an untied embedding of 10,000 x 1,000),
8,000 bytes of KV per token (2 x 10 layers x 2 heads x 100 x 2 bytes). Big: 2e12 bytes/s and
500e12 FLOP/s at one half each, 80 GB. So on one Big, with B sequences at context c:

    weights     1.98e9 / 1e12                    = 1.98 ms
    compute     1.98e9 B / 2.5e14                = 1.98 ms at B = 250
    KV          250 x 1,000 x 8,000 / 1e12       = 2.00 ms at c = 1,000
                x (10 / 2)^0.1 = 1.1746189       = 2.3492379 ms: five query heads share a KV head
    elementwise 12 x 10 x 1,000 x 2 B / 1e12     = 0.24 us a token: 0.06 ms at B = 250
    overhead    0.5 + 10 x 0.1 + 250 x 0.01      = 4.00 ms
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ecoserve.performance import (
    Replica,
    accelerator_replica,
    compute_tflops,
    decode_step_s,
    expert_params,
    first_token_s,
    host_replica,
    kv_batch_limit,
    matmul_params,
    mean_context_tokens,
    prefill_flop,
    prefill_s,
    weight_bytes_read,
)
from ecoserve.queueing import Queue, erlang_c
from tests.builders import BIG, BIG_HOST, SMALL, TOY, TOY_MOE, serving

NO_OVERHEAD: dict[str, Any] = {
    "t0_s": 0.0, "t_layer_s": 0.0, "t_seq_s": 0.0, "allreduce_latency_s": 0.0,
}  # fmt: skip


def replica(tp: int = 1, llm: Any = TOY, accelerator: Any = BIG, **params: Any) -> Replica:
    return accelerator_replica(llm, accelerator, tp, "bf16", serving("big_family", **params))


def step_ms(some: Replica, batch: float, context: float) -> float:
    return 1000 * float(decode_step_s(some, np.array([batch]), np.array([context]))[0])


def prefill_ms(some: Replica, isl: float) -> float:
    return 1000 * float(prefill_s(some, np.array([isl]))[0])


def limit(some: Replica, isl: float, osl: float) -> float:
    return float(kv_batch_limit(some, np.array([isl]), np.array([osl]))[0])


def test_matmul_parameters_leave_an_untied_input_embedding_out():
    assert matmul_params(TOY) == pytest.approx(0.99e9)
    assert matmul_params(replace(TOY, tied_embeddings=True)) == pytest.approx(1e9)


def test_decode_step_on_one_accelerator():
    # sqrt(1.98^2 + 1.98^2) + 2.3492379 + 0.06 + 4.00 = 2.8001429 + 6.4092379
    assert step_ms(replica(), 250, 1000) == pytest.approx(9.2093808, abs=1e-6)


def test_weights_and_compute_combine_as_a_norm_not_a_sum():
    # 1.98 ms and, at B = 100, 0.792 ms: sqrt(3.9204 + 0.627264) = 2.1325253 ms; elementwise 0.024
    assert step_ms(replica(**NO_OVERHEAD), 100, 0) == pytest.approx(2.1565253, abs=1e-6)


def test_kv_reads_add_to_the_step():
    # 100 x 5,000 x 8,000 bytes / 1e12 = 4 ms, x 5^0.1
    some = replica()
    assert step_ms(some, 100, 5000) - step_ms(some, 100, 0) == pytest.approx(4.6984757, abs=1e-6)


def test_kv_reads_of_as_many_kv_heads_as_query_heads_are_not_slowed():
    # 10 KV heads: five times the bytes, 20 ms
    some = replica(llm=replace(TOY, n_kv_heads=10))
    assert step_ms(some, 100, 5000) - step_ms(some, 100, 0) == pytest.approx(20.0)


def test_kv_cache_at_8_bits_is_read_in_half_the_time():
    some = accelerator_replica(TOY, BIG, 1, "bf16", serving("big_family"), "fp8")
    assert some.kv_bytes_per_token == 4000
    assert step_ms(some, 100, 5000) - step_ms(some, 100, 0) == pytest.approx(2.3492379, abs=1e-6)


def test_launches_overlap_with_the_device_where_the_stack_says_so():
    # device sqrt(2) 1.98 + 2.3492379 + 0.06 = 5.2093808 ms, launches 1 ms, serial 3 ms:
    # q = 2: sqrt(27.1376483 + 1) + 3
    assert step_ms(replica(overlap_norm=2.0), 250, 1000) == pytest.approx(8.3044932, abs=1e-6)
    # q = 12: all but the larger one
    assert step_ms(replica(overlap_norm=12.0), 250, 1000) == pytest.approx(8.2093808, abs=1e-6)


def test_experts_cost_their_layers_20_us_each():
    # 10 layers; two experts of eight a token: 4 of 10e9 bytes read, 4 ms
    more = step_ms(replica(llm=TOY_MOE), 1, 0) - step_ms(replica(llm=TOY_MOE, **NO_OVERHEAD), 1, 0)
    assert more == pytest.approx(1.51)
    assert replica(llm=TOY_MOE).moe_layer_s == pytest.approx(200e-6)
    assert replica().moe_layer_s == 0.0


def test_overheads_of_step_layers_and_sequences():
    # 0.5 ms + 10 x 0.1 ms + 7 x 0.01 ms
    bare = step_ms(replica(**NO_OVERHEAD), 7, 0)
    assert step_ms(replica(), 7, 0) - bare == pytest.approx(1.57)


def test_all_reduce_latency_and_bytes_beyond_one_accelerator():
    # 2 x 10 x (10 us + 2 x 3/4 x 250 x 1,000 x 2 bytes / 200e9) = 0.2 + 0.075 ms
    some = replica(tp=4)
    assert 1000 * some.allreduce_latency_s == pytest.approx(0.2)
    assert 1000 * 250 * some.allreduce_s_per_token == pytest.approx(0.075)
    # No one to reduce with: nothing.
    assert replica(tp=1).allreduce_latency_s == 0.0
    assert replica(tp=1).allreduce_s_per_token == 0.0


def test_all_reduce_falls_back_on_nine_tenths_of_the_link():
    # 0.9 x 100e9: 2 x 10 x 2 x 3/4 x 250 x 2,000 / 90e9 = 0.1666667 ms
    some = replica(tp=4, accelerator=replace(BIG, allreduce_gb_per_s=None))
    assert 1000 * 250 * some.allreduce_s_per_token == pytest.approx(1 / 6)


def test_decode_step_on_more_accelerators_than_kv_heads():
    # weights and compute / 4: 0.7000357; KV over min(4, 2) devices: 1.1746189; all-reduce 0.275;
    # elementwise work is not split: 0.06
    assert step_ms(replica(tp=4), 250, 1000) == pytest.approx(6.2096546, abs=1e-6)


def test_a_stack_may_reach_only_a_share_of_the_bus():
    # 0.075 ms at the whole of 200e9 bytes/s, 0.3 at a quarter
    assert 1000 * 250 * replica(tp=4, bus_ratio=0.25).allreduce_s_per_token == pytest.approx(0.3)


def test_prefill_on_one_accelerator():
    # 1.98e9 x 1,000 + 2 x 10 x 1,000 x 1,000^2 = 2.0e12 FLOP: 8 ms; weights 1.98: together
    # sqrt(64 + 3.9204) = 8.2413834; elementwise 0.24; layers 1
    assert prefill_flop(replica(), np.array([1000.0]))[0] == pytest.approx(2.0e12)
    assert prefill_ms(replica(), 1000) == pytest.approx(9.4813834, abs=1e-6)


def test_prefill_on_four_accelerators():
    # sqrt(2^2 + 0.495^2) = 2.0603458; 0.2 + 2 x 10 x 1.5 x 1,000 x 2,000 / 200e9 (= 0.3); 0.24; 1
    assert prefill_ms(replica(tp=4), 1000) == pytest.approx(3.8003458, abs=1e-6)


def test_prompts_prefilled_together_read_the_weights_once():
    # 4 x 8 ms of products: sqrt(32^2 + 1.98^2) = 32.0611978; elementwise 0.96; layers 1
    together = 1000 * prefill_s(replica(), np.array([1000.0]), prompts=4.0)[0]
    assert together == pytest.approx(34.0211978, abs=1e-6)


def test_a_cached_prefix_is_not_multiplied_again_but_attended_to():
    # half of 1,000 tokens cached: 0.99e12 + 0.02e12 x 3/4 = 1.005e12 FLOP: 4.02 ms with the
    # weights sqrt(4.02^2 + 1.98^2) = 4.4811606; elementwise 0.12; layers 1
    cached = 1000 * prefill_s(replica(), np.array([1000.0]), cached_ratio=0.5)[0]
    assert cached == pytest.approx(5.6011606, abs=1e-6)
    # the KV of the whole prompt is held all the same
    assert limit(replica(), 100_000, 20_000) == 77


def test_the_first_token_takes_the_front_end_the_prefill_and_a_step():
    # 5 ms + 9.4813834 + 3 ms
    some = replica(t_request_s=0.005)
    first = 1000 * first_token_s(some, np.array([1000.0]), np.array([0.003]))[0]
    assert first == pytest.approx(17.4813834, abs=1e-6)


def test_fp8_halves_the_weights_and_uses_the_fp8_peak_and_keeps_the_kv():
    some = accelerator_replica(TOY, BIG, 1, "fp8", serving("big_family", precision="fp8"))
    # weights 0.99 ms, compute 1.98e9 x 250 / 5e14 = 0.99 ms, KV 2.3492379, elementwise 0.06, 4 ms
    assert step_ms(some, 250, 1000) == pytest.approx(math.sqrt(2) * 0.99 + 6.4092379)
    assert some.resident_bytes == pytest.approx(1e9)
    assert some.kv_bytes_per_token == pytest.approx(8000)


def test_no_native_fp8_is_an_error_not_a_guess():
    with pytest.raises(ValueError, match="small has no native fp8"):
        accelerator_replica(TOY, SMALL, 1, "fp8", serving("small_family"))


@pytest.mark.parametrize(("precision", "resident_gb"), [("int8", 1.0), ("int4", 0.5625)])
def test_small_integers_are_widened_where_the_hardware_has_no_rate_for_them(
    precision: str, resident_gb: float
):
    some = accelerator_replica(TOY, BIG, 1, precision, serving("big_family", precision=precision))
    assert some.resident_bytes == pytest.approx(resident_gb * 1e9)
    assert some.flop_per_s == pytest.approx(500e12)


def test_mean_context_is_the_prompt_and_half_the_answer():
    assert mean_context_tokens(np.array([1000.0]), np.array([200.0]))[0] == 1100.0


@pytest.mark.parametrize(
    ("tp", "isl", "osl", "fits"),
    [
        # 0.9 x 80e9 - 1.75e9 - 2e9 of weights = 68.25e9; ISL + OSL/2 = 110,000 tokens decide
        (1, 100_000, 20_000, 77),  # 68.25e9 / (8,000 x 110,000) = 77.6
        # 0.87 x 200,000 = 174,000 > 150,000
        (1, 100_000, 100_000, 49),  # 68.25e9 / (8,000 x 174,000) = 49.03
        # 4 x 70.25e9 - 2e9 = 279e9; two copies of each KV entry
        (4, 100_000, 20_000, 158),  # 279e9 / (2 x 8,000 x 110,000) = 158.5
        # 2 x 70.25e9 - 2e9 = 138.5e9; as many KV heads as accelerators: one copy
        (2, 100_000, 20_000, 157),  # 138.5e9 / (8,000 x 110,000) = 157.4
        (1, 1000, 200, 256),  # 7,755 would fit; the engine runs 256 at once
        (1, 20_000_000, 200, 0),  # one request alone needs 160e9 bytes
    ],
)
def test_kv_capacity(tp: int, isl: float, osl: float, fits: float):
    assert limit(replica(tp=tp), isl, osl) == fits


def test_the_engine_can_be_told_to_run_fewer_or_more_at_once():
    isl, osl = np.array([1000.0]), np.array([200.0])
    assert kv_batch_limit(replica(), isl, osl, max_num_seqs=32)[0] == 32
    # 68.25e9 / (8,000 x 1,100) = 7,755.7
    assert kv_batch_limit(replica(), isl, osl, max_num_seqs=10_000)[0] == 7755


def test_nothing_fits_where_the_weights_do_not():
    # 40e9 parameters x 2 bytes > 70.25e9
    assert limit(replica(llm=replace(TOY, params_b=40.0, active_b=40.0)), 100, 100) == 0


def test_moe_reads_the_experts_a_batch_touches():
    # (5 - 2) / (1 - 2/8) = 4e9 in experts, 2 - 1/4 x 4 = 1e9 in the dense part, 2 bytes each:
    # B = 1: 2 + 8 x 1/4 = 4e9; B = 2: 2 + 8 x (1 - 9/16) = 5.5e9; B = 8: 2 + 8 x (1 - 0.75^8)
    some = replica(llm=TOY_MOE)
    assert expert_params(TOY_MOE) == pytest.approx(4e9)
    read = weight_bytes_read(some, np.array([1.0, 2.0, 8.0, 1e4])) / 1e9
    assert read == pytest.approx([4.0, 5.5, 9.1990967, 10.0], abs=1e-6)
    assert some.resident_bytes == pytest.approx(10e9)


def test_a_dense_model_reads_all_its_weights_whatever_the_batch():
    read = weight_bytes_read(replica(), np.array([1.0, 256.0]))
    assert read == pytest.approx([1.98e9, 1.98e9])
    assert expert_params(TOY) == 0.0


def test_a_socket_is_a_replica_of_its_own():
    # 0.9 x 250e9 - 1.75e9 - 2e9 = 221.25e9 / (8,000 x 110,000) = 251.4
    some = host_replica(TOY, BIG_HOST, 250.0, serving("cpu_family", "cpu"))
    assert limit(some, 100_000, 20_000) == 251
    # weights 1.98e9 / (200e9 / 2) = 19.8; compute 1.98e9 x 10 / 1e13 = 1.98; KV 10 x 1,000 x
    # 8,000 / 1e11 = 0.8 x 5^0.1 = 0.9396951; elementwise 0.024; overhead 0.5 + 1 + 0.1:
    # sqrt(19.8^2 + 1.98^2) = 19.8987537
    assert step_ms(some, 10, 1000) == pytest.approx(22.4624489, abs=1e-6)
    assert some.allreduce_s_per_token == 0.0


def textbook_erlang_c(k: int, utilisation: float) -> float:
    a = k * utilisation
    waiting = a**k / math.factorial(k) / (1 - utilisation)
    return waiting / (sum(a**n / math.factorial(n) for n in range(k)) + waiting)


@pytest.mark.parametrize(
    ("k", "utilisation", "known"),
    [
        (1, 0.85, 0.85),
        (2, 0.5, 1 / 3),
        (2, 0.8, 1.28 / 1.8),  # 2 rho^2 / (1 + rho)
        (10, 0.8, 0.4091801),
        (10, 0.5, 0.0361050),
    ],
)
def test_erlang_c(k: int, utilisation: float, known: float):
    assert erlang_c(k, utilisation) == pytest.approx(known, abs=1e-6)
    assert erlang_c(k, utilisation) == pytest.approx(textbook_erlang_c(k, utilisation))


def test_erlang_c_stays_finite_for_a_large_pool():
    # Halfin-Whitt: beta = (1 - 0.95) sqrt(400) = 1; 1 / (1 + beta Phi(beta) / phi(beta)) = 0.2233
    assert erlang_c(400, 0.95) == pytest.approx(0.2233, abs=0.01)


def test_m_m_1_is_the_special_case_of_one_server():
    # rho = 0.8, S = 0.5 s, c2 = 1: P(W > t) = 0.8 exp(-0.4 t); mean wait of the late 2.5 s
    queue = Queue(1, 0.8, 0.5, 1.0)
    assert queue.wait_probability == pytest.approx(0.8)
    assert queue.tail_scale_s == pytest.approx(2.5)
    # 0.9 quantile: 2.5 ln(0.8 / 0.1) = 5.1986039 s
    assert queue.exceedance(np.array(5.1986039)) == pytest.approx(0.1, abs=1e-6)
    assert queue.exceedance(np.array([-1.0, 0.0, 2.5])) == pytest.approx([1.0, 0.8, 0.2943036])


def test_a_queue_of_ten_with_even_service():
    # c2 = 0 halves the wait: 0.5 / (2 x 10 x 0.2) = 0.125 s; 0.125 ln(0.4091801 / 0.1)
    queue = Queue(10, 0.8, 0.5, 0.0)
    assert queue.tail_scale_s == pytest.approx(0.125)
    assert queue.exceedance(np.array(0.1761232)) == pytest.approx(0.1, abs=1e-6)


def test_two_thirds_of_a_half_busy_pair_do_not_wait():
    # Erlang's C of 1/3
    assert Queue(2, 0.5, 1.0, 1.0).exceedance(np.array(0.0)) == pytest.approx(1 / 3)


def test_mixtures_of_experts_are_planned_with_the_error_they_showed():
    params = serving("big_family", error_band=0.1)
    dense = accelerator_replica(TOY, BIG, 1, "bf16", params)
    experts = accelerator_replica(TOY_MOE, BIG, 1, "bf16", params)
    assert (dense.error_band, experts.error_band) == (0.1, 0.31)
    rough = accelerator_replica(TOY_MOE, BIG, 1, "bf16", serving("big_family", error_band=0.4))
    assert rough.error_band == 0.4


def test_integers_never_multiply_slower_than_16_bits():
    # a card whose 8-bit integer units were all but removed: 50 TOPS beside 500 TFLOPS
    card = replace(BIG, int8_tops=50.0, fp4_tflops=2000.0)
    assert compute_tflops(card, "int8") == 500.0
    assert compute_tflops(replace(card, int8_tops=800.0), "int8") == 800.0
    assert compute_tflops(card, "int4") == 2000.0


def test_weights_alone_in_few_bits_multiply_at_16():
    card = replace(BIG, int8_tops=1000.0, fp4_tflops=2000.0)
    assert compute_tflops(card, "int4", weight_only=True) == 500.0
    params = serving("big_family", precision="int8")
    some = accelerator_replica(TOY, card, 1, "int8", params, weight_only=True)
    assert (some.flop_per_s, some.resident_bytes) == (500e12, 1e9)
    with pytest.raises(ValueError, match="no native fp8"):
        compute_tflops(replace(card, fp8_tflops=None), "fp8", weight_only=True)


def test_a_slow_link_sets_the_least_time_of_an_allreduce():
    # 20 all-reduces of 37.5 us, not of the family's 10; a fast link leaves the family's
    card = replace(BIG, form_factor="pcie", allreduce_latency_s=37.5e-6)
    assert 1000 * replica(tp=2, accelerator=card).allreduce_latency_s == pytest.approx(0.75)
    fast = replace(BIG, allreduce_latency_s=1e-6)
    assert 1000 * replica(tp=2, accelerator=fast).allreduce_latency_s == pytest.approx(0.2)


def test_prompts_attend_with_the_width_and_the_layers_that_attend():
    # Toy: 2 x 10 layers x 1,000 x 1e6 = 2e10; 60 of 100 values per head and 4 of 10 layers: 24 %
    prompt = np.array([1000.0])
    full = float(prefill_flop(replica(), prompt)[0]) - 1.98e12
    assert full == pytest.approx(2e10)
    latent = replace(TOY, prefill_head_dim=60.0, attention_layers=4)
    assert float(prefill_flop(replica(llm=latent), prompt)[0]) - 1.98e12 == pytest.approx(4.8e9)


def test_memory_installed_is_more_than_the_engine_takes():
    # 0.9 x 80 - 1.75 = 70.25 GB usable of 80
    assert replica(tp=2).memory_bytes == pytest.approx(140.5e9)
    assert replica(tp=2).installed_bytes == pytest.approx(160e9)
