"""Laws of speed: more hardware never slows, more work never speeds, and what is cached helps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoserve.performance import (
    Replica,
    accelerator_replica,
    decode_step_s,
    first_token_s,
    kv_batch_limit,
    prefill_s,
)
from ecoserve.point_latency import Work, latency_of
from tests.builders import BIG, TOY, TOY_MOE, serving

TOLERANCE = 1 + 1e-9

models = st.sampled_from([TOY, TOY_MOE, replace(TOY, n_kv_heads=10), replace(TOY, n_kv_heads=1)])
norms = st.sampled_from([1.0, 2.0, 4.0, 12.0])
tps = st.sampled_from([1, 2, 4, 8])
batches = st.floats(1, 512)
lengths = st.floats(1, 100_000)
ratios = st.floats(0.05, 1.0)
growth = st.floats(1.0, 8.0)


def replica(llm: Any, tp: int, norm: float, card: Any = BIG, **params: Any) -> Replica:
    return accelerator_replica(
        llm, card, tp, "bf16", serving("big_family", overlap_norm=norm, **params)
    )


def step(some: Replica, batch: float, context: float) -> float:
    return float(decode_step_s(some, np.array([batch]), np.array([context]))[0])


def prefill(some: Replica, isl: float, cached: float = 0.0) -> float:
    return float(prefill_s(some, np.array([isl]), cached)[0])


@pytest.mark.parametrize("figure", ["memory_gb_per_s", "bf16_tflops", "allreduce_gb_per_s"])
@given(llm=models, tp=tps, norm=norms, batch=batches, length=lengths, more=growth)
def test_faster_hardware_never_slows(
    figure: str, llm: Any, tp: int, norm: float, batch: float, length: float, more: float
):
    better = replace(BIG, **{figure: getattr(BIG, figure) * more})
    old, new = replica(llm, tp, norm), replica(llm, tp, norm, better)
    assert step(new, batch, length) <= step(old, batch, length) * TOLERANCE
    assert prefill(new, length) <= prefill(old, length) * TOLERANCE


@given(llm=models, tp=tps, isl=lengths, osl=lengths, more=growth)
def test_more_memory_never_holds_fewer_sequences(
    llm: Any, tp: int, isl: float, osl: float, more: float
):
    roomy = replace(BIG, memory_gb=BIG.memory_gb * more)
    lengths_of = np.array([isl]), np.array([osl])
    old = kv_batch_limit(replica(llm, tp, 1.0), *lengths_of)[0]
    assert kv_batch_limit(replica(llm, tp, 1.0, roomy), *lengths_of)[0] >= old


@pytest.mark.parametrize("name", ["mbu", "mbu_kv", "mfu_decode", "mfu_prefill", "bus_ratio"])
@given(llm=models, tp=tps, norm=norms, batch=batches, length=lengths, low=ratios, high=ratios)
def test_better_efficiency_never_slows(
    name: str,
    llm: Any,
    tp: int,
    norm: float,
    batch: float,
    length: float,
    low: float,
    high: float,
):
    worse = replica(llm, tp, norm, **{name: min(low, high)})
    better = replica(llm, tp, norm, **{name: max(low, high)})
    assert step(better, batch, length) <= step(worse, batch, length) * TOLERANCE
    assert prefill(better, length) <= prefill(worse, length) * TOLERANCE


@given(llm=models, tp=tps, norm=norms, batch=batches, length=lengths, more=growth)
def test_more_work_never_takes_less_time(
    llm: Any, tp: int, norm: float, batch: float, length: float, more: float
):
    some = replica(llm, tp, norm)
    assert step(some, batch, length * more) * TOLERANCE >= step(some, batch, length)
    assert step(some, batch * more, length) * TOLERANCE >= step(some, batch, length)
    assert prefill(some, length * more) * TOLERANCE >= prefill(some, length)


@given(llm=models, tp=tps, norm=norms, batch=batches, length=lengths)
def test_a_larger_batch_serves_each_sequence_faster_in_total(
    llm: Any, tp: int, norm: float, batch: float, length: float
):
    some = replica(llm, tp, norm)
    assert step(some, 2 * batch, length) <= 2 * step(some, batch, length) * TOLERANCE


@given(llm=models, tp=tps, norm=norms, length=lengths, low=st.floats(0, 1), high=st.floats(0, 1))
def test_a_larger_cached_share_never_slows_the_first_token(
    llm: Any, tp: int, norm: float, length: float, low: float, high: float
):
    some = replica(llm, tp, norm)
    less, more = sorted((low, high))
    assert prefill(some, length, more) <= prefill(some, length, less) * TOLERANCE
    own = [
        float(first_token_s(some, np.array([length]), np.array([0.01]), cached)[0])
        for cached in (more, less)
    ]
    assert own[0] <= own[1] * TOLERANCE


@given(llm=models, tp=tps, batch=batches, length=lengths)
def test_overlap_hides_overheads_and_never_adds_any(llm: Any, tp: int, batch: float, length: float):
    times = [step(replica(llm, tp, norm), batch, length) for norm in (1.0, 2.0, 4.0, 12.0)]
    assert times == sorted(times, reverse=True)


@given(llm=models, tp=tps, batch=batches, length=st.floats(1, 20_000), osl=st.floats(2, 4000))
def test_a_loaded_replica_is_never_faster_than_an_idle_one(
    llm: Any, tp: int, batch: float, length: float, osl: float
):
    some = replica(llm, tp, 1.0)
    work = Work(np.array([batch]), np.array([length]), np.array([osl]), np.array([length]))
    alone = replace(work, batch=np.array([1.0]))
    for phase in ("prefill", "decode"):
        loaded = latency_of(phase, "closed_loop", some, work)[0]  # type: ignore[arg-type]
        idle = latency_of(phase, "closed_loop", some, alone)[0]  # type: ignore[arg-type]
        assert loaded * TOLERANCE >= idle


@given(llm=models, tp=tps, norm=norms, batches_=st.lists(batches, min_size=2, max_size=5))
def test_vectors_say_what_their_elements_say(llm: Any, tp: int, norm: float, batches_: list[float]):
    some = replica(llm, tp, norm)
    together = decode_step_s(some, np.array(batches_), np.full(len(batches_), 1000.0))
    assert together.tolist() == [step(some, batch, 1000.0) for batch in batches_]
