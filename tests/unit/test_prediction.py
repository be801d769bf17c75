"""What each kind of row calls for, against the paper figures of ``test_performance``."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from ecoserve.catalog import Catalog, serving_id
from ecoserve.points import MeasuredPoint, PointConvention
from ecoserve.prediction import Prediction, Unpredicted, predict
from ecoserve.rows import MeasuredCpu
from tests.builders import ROW, TOY_MOE, serving, tiny_catalog

CPU = MeasuredCpu(
    id="Some CPU", family="cpu_family", memory_gb_per_s=200.0, bf16_tflops=20.0, dram_gb=250.0,
    **ROW,
)  # fmt: skip


def point(phase: Any = "decode", load: Any = "isolated", **changes: Any) -> MeasuredPoint:
    """Toy on one Big: 250 sequences at a context of 1,000 tokens unless told otherwise."""
    row: dict[str, Any] = {
        "source": "paper", "model": "toy-1b", "hardware": "Big-80GB", "tp": 1, "precision": "fp16",
        "stack": "vllm-v1", "phase": phase, "batch": 250.0, "input_len": 900.0,
        "output_len": 200.0, "context_len": 1000.0, "latency_s": 0.01,
        "output_tokens_per_s": 20_000.0, "power_w": None, "j_per_output_token": None,
        "convention": PointConvention(source="paper", phase=phase, load=load),
    }  # fmt: skip
    return MeasuredPoint(**(row | changes))


def catalog(**params: Any) -> Catalog:
    """The tiny catalog with names of measurements, single layers and a socket."""
    base = tiny_catalog()
    rows = [
        serving("big_family", **params),
        serving("big_family", "operator", t0_s=0.0, allreduce_latency_s=10e-6),
        serving("cpu_family", "cpu"),
    ]
    return replace(
        base,
        llms={**base.llms, TOY_MOE.id: TOY_MOE},
        serving_parameters={serving_id(r.family, r.stack, r.precision): r for r in rows},
        accelerator_aliases={"Big-80GB": "big"},
        measured_cpus={CPU.id: CPU},
    )


def predicted(some: MeasuredPoint, **params: Any) -> Prediction:
    answer = predict(some, catalog(**params))
    assert isinstance(answer, Prediction), answer
    return answer


def reason(some: MeasuredPoint) -> str:
    answer = predict(some, catalog())
    assert isinstance(answer, Unpredicted), answer
    return answer.reason


def test_a_decode_row_is_one_step():
    answer = predicted(point())
    assert 1000 * answer.latency_s == pytest.approx(9.2093808, abs=1e-6)
    assert (answer.error_band, answer.provenance) == (0.1, "calibrated")


def test_without_a_context_it_is_the_prompt_and_half_the_answer():
    assert predicted(point(context_len=None)).latency_s == predicted(point()).latency_s


def test_a_closed_loop_adds_the_prefills_of_the_others():
    # prefill of 900: 1.98e9 x 900 + 2 x 10 x 1,000 x 810,000 = 1.7982e12 FLOP, 7.1928 ms, with the
    # weights sqrt(7.1928^2 + 1.98^2) = 7.4603466; elementwise 0.216; layers 1: 8.6763466 ms
    # 249 / 200 of it, and 250 sequences fit
    answer = predicted(point(load="closed_loop"))
    assert 1000 * answer.latency_s == pytest.approx(9.2093808 + 1.245 * 8.6763466, abs=1e-5)
    # the replica's own period has 250 / 200
    period_s = (9.2093808 + 1.25 * 8.6763466) / 1000
    assert answer.output_tokens_per_s == pytest.approx(250 / period_s, rel=1e-6)


def test_an_isolated_prefill_takes_the_front_end_and_all_prompts_together():
    # 4 x 8 ms of products with 1.98 ms of weights 32.0611978; elementwise 0.96; layers 1; 5 ms
    row = point("prefill", batch=4.0, input_len=1000.0, output_len=1.0)
    answer = predicted(row, t_request_s=0.005)
    assert 1000 * answer.latency_s == pytest.approx(39.0211978, abs=1e-6)
    assert answer.output_tokens_per_s is None


def test_a_mean_ttft_waits_for_a_part_of_the_others():
    # 8.6763466 x (1 + 0.12 x 249 / 2) + one step of 9.2093808
    answer = predicted(point("prefill", "closed_loop"))
    assert 1000 * answer.latency_s == pytest.approx(8.6763466 * 15.94 + 9.2093808, abs=1e-4)


def test_users_beyond_the_memory_wait_for_a_place():
    # 68.25e9 / (8,000 x 100,000) = 85.3 of 100 users run; the others wait for their places
    row = point("prefill", "closed_loop", batch=100.0, input_len=99_900.0)
    alone = predicted(replace(row, batch=85.0)).latency_s
    assert predicted(row).latency_s > alone + 14.0 / 86.0 * 200 * 0.05


def test_an_end_to_end_row_is_a_prefill_and_the_steps_after_it():
    # 4 x 900: sqrt((4 x 7.1928)^2 + 1.98^2) = 28.8392493; elementwise 0.864; layers 1;
    # step at B = 4, c = 1,000: sqrt(1.98^2 + 0.03168^2) = 1.9802534; KV 0.0375878; elementwise
    # 0.00096; overhead 1.54
    answer = predicted(point("e2e", batch=4.0))
    step_ms = 1.9802534 + 0.0375878 + 0.00096 + 1.54
    assert 1000 * answer.latency_s == pytest.approx(30.7032493 + 199 * step_ms, abs=1e-3)
    assert answer.output_tokens_per_s == pytest.approx(800 / answer.latency_s)


def test_what_does_not_fit_runs_in_waves():
    # 68.25e9 / (8,000 x 174,000) = 49 at once: 98 take twice as long as 49
    row = point("e2e", batch=98.0, input_len=100_000.0, output_len=100_000.0)
    once = predicted(replace(row, batch=49.0)).latency_s
    assert predicted(row).latency_s == pytest.approx(2 * once)


def test_a_linear_layer_is_products_elementwise_work_and_launches():
    # 0.98e9 / 10 weights: 0.196e9 bytes / 1e12 = 0.196 ms; 250 tokens: 0.196e9 x 250 / 2.5e14 =
    # 0.196 ms; elementwise 12 x 1,000 x 2 x 250 / 1e12 = 0.006 ms; launches 0.1 ms
    answer = predicted(point("linear_layer", stack="operator", input_len=None, output_len=None))
    assert 1000 * answer.latency_s == pytest.approx(2**0.5 * 0.196 + 0.106, abs=1e-9)


def test_an_all_reduce_is_its_latency_and_its_bytes():
    # 10 us + 2 x 3/4 x 1e6 values x 2 bytes / 200e9 = 25 us
    row = point("allreduce", model="allreduce", stack="operator", tp=4, batch=1e6)
    assert 1e6 * predicted(row).latency_s == pytest.approx(25.0)


def test_a_cpu_row_runs_on_its_sockets():
    row = point(hardware=CPU.id, stack="llama.cpp", batch=10.0)
    assert 1000 * predicted(row).latency_s == pytest.approx(22.4624489, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "gpt-9"}, "no LLM has the id 'gpt-9'"),
        ({"hardware": "Abacus"}, "no accelerator has the id 'Abacus'"),
        ({"precision": "int3"}, "precision 'int3'"),
        ({"precision": ""}, "precision not stated"),
        ({"precision": "fp8", "hardware": "small"}, "no serving parameters"),
        ({"stack": "abc"}, "no serving parameters for big_family with abc at bf16"),
        ({"batch": None}, "no batch"),
        ({"phase": "e2e", "input_len": None}, "no input_len"),
        ({"context_len": None, "input_len": None}, "no context_len"),
        ({"tp": 3}, "tp 3 is not 1, 2, 4 or 8"),
        ({"model": "toy_moe", "phase": "linear_layer", "stack": "operator"}, "single layers"),
    ],
)
def test_what_cannot_be_predicted_says_why(changes: dict[str, Any], said: str):
    assert said in reason(point(**changes))


def test_a_model_beyond_the_memory_is_not_predicted():
    big = catalog()
    huge = replace(big.llm("toy"), params_b=40.0, active_b=40.0)
    answer = predict(point(), replace(big, llms={"toy": huge}))
    assert answer == Unpredicted("toy-1b does not fit on 1 x Big-80GB")


def test_a_phase_under_a_load_that_is_not_modelled():
    assert reason(point("e2e", "closed_loop")) == "e2e under closed_loop is not modelled"


def test_power_of_a_decode_row_is_that_of_the_replica_unless_said_otherwise():
    # u_mem (1.98e9 + 2e9) / (2e12 x 9.2093808 ms) = 0.2160840, u_cmp 4.95e11 / (5e14 x t) =
    # 0.1074991: 0.3 + 0.1080420 + 0.2149982 = 0.6230402 x 500 W
    bare: dict[str, Any] = {"input_len": None, "output_len": None}
    answer = predicted(point(**bare))
    assert answer.power_w == pytest.approx(311.5201, abs=1e-3)
    assert answer.j_per_output_token == pytest.approx(311.5201 * 9.2093808e-3 / 250, rel=1e-5)
    # four together on one node: each draws less, the replica more
    four = predicted(point(tp=4, **bare))
    per_gpu = PointConvention(source="paper", phase="decode", power_scope="per_gpu")
    alone = predicted(point(tp=4, convention=per_gpu, **bare))
    assert four.power_w == pytest.approx(4 * (alone.power_w or 0.0))
    assert four.j_per_output_token == alone.j_per_output_token


def test_power_of_a_whole_run_lies_between_its_phases():
    decode = predicted(point(input_len=None, output_len=None)).power_w
    prefill = predicted(point("prefill")).power_w
    assert decode is not None
    assert prefill == pytest.approx(492.5)  # at the cap
    assert decode < (predicted(point("e2e")).power_w or 0.0) < prefill
    # so does a decode row whose prompts are stated: its watts are those of the whole run
    assert decode < (predicted(point()).power_w or 0.0) < prefill


def test_no_power_where_none_was_fitted():
    assert predicted(point(hardware=CPU.id, stack="llama.cpp", batch=10.0)).power_w is None
    without = replace(catalog(), power_parameters={})
    answer = predict(point(), without)
    assert isinstance(answer, Prediction)
    assert answer.power_w is None
    assert answer.j_per_output_token is None


def test_throughput_and_energy_of_a_decode_row_pay_for_its_prompts():
    # the latency is the bare step; 250 / 200 prefills of 8.6763466 ms lie between two steps
    row = point(input_len=900.0, output_len=200.0, power_w=1.0)
    answer = predicted(row)
    period_s = (9.2093808 + 1.25 * 8.6763466) / 1000
    assert 1000 * answer.latency_s == pytest.approx(9.2093808, abs=1e-6)
    assert answer.output_tokens_per_s == pytest.approx(250 / period_s, rel=1e-6)
    assert answer.j_per_output_token * answer.output_tokens_per_s == pytest.approx(answer.power_w)
    bare = predicted(replace(row, input_len=None, output_len=None))
    assert bare.output_tokens_per_s == pytest.approx(250 / 9.2093808e-3, rel=1e-6)


def test_weight_only_formats_compute_at_16_bits():
    base = catalog()
    card = replace(base.accelerators["big"], int8_tops=1000.0)
    params = {"p": serving("big_family", precision="int8")}
    rows = {serving_id(r.family, r.stack, r.precision): r for r in params.values()}
    known = replace(base, accelerators={"big": card}, serving_parameters=rows)
    native, alone = (
        predict(point("prefill", precision=name, batch=4.0), known) for name in ("int8", "w8a16")
    )
    assert isinstance(native, Prediction)
    assert isinstance(alone, Prediction)
    assert alone.latency_s > 1.8 * native.latency_s


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tp": 8}, "tp 8 is beyond the 4 that pay on big"),
        ({"batch": 0.5}, "batch 0.5 is below 1"),
        ({"batch": 1e300}, "batch 1e\\+300 is beyond 1e\\+12"),
        ({"context_len": 1e300}, "context_len 1e\\+300 is beyond 10,000,000 tokens"),
        ({"input_len": 1e8}, "input_len 1e\\+08 is beyond 10,000,000 tokens"),
        # 78 GB free for the cache of 8,000 bytes a token: 9.75e6 tokens
        ({"batch": 9800.0}, "9800 sequences of 1000 tokens do not fit on 1 x Big-80GB"),
        ({"stack": "operator"}, "stack operator is single layers measured alone: it has no decode"),
    ],
)
def test_what_cannot_run_is_named(changes, expected):
    assert re.search(expected, reason(point(**changes)))


def test_a_batch_that_somebody_squeezed_into_all_memory_is_predicted():
    assert isinstance(predict(point(batch=9700.0), catalog()), Prediction)


def test_messages_counted_in_bytes_are_half_as_many_elements():
    row = point("allreduce", model="allreduce", stack="operator", tp=2, batch=2e6)
    in_bytes = replace(row, convention=replace(row.convention, batch_means="bytes"))
    assert predicted(in_bytes).latency_s == predicted(replace(row, batch=1e6)).latency_s
