"""Names of stacks and weight formats in measurements, and the KV cache behind a row."""

from __future__ import annotations

import pytest

from ecoserve.errors import MissingDataError
from ecoserve.points import PointConvention, kv_precision_of, precision_id, stack_id
from tests.unit.test_prediction import point


@pytest.mark.parametrize(
    ("name", "known"),
    [("vllm-v1", "vllm_v1"), ("llama.cpp", "llama_cpp"), ("TRTLLM", "trtllm"), ("cpu", "cpu")],
)
def test_stack_names(name: str, known: str):
    assert stack_id(name) == known


@pytest.mark.parametrize(
    ("name", "known"),
    [("fp16", "bf16"), ("w8a8", "fp8"), ("w8a16", "int8"), ("MXFP4", "int4"), ("q4_k_m", "int4")],
)
def test_precision_names(name: str, known: str):
    assert precision_id(name) == known


def test_an_unknown_or_missing_precision_is_named():
    with pytest.raises(MissingDataError, match="'int3' is not one of"):
        precision_id("int3")
    with pytest.raises(MissingDataError, match="precision not stated"):
        precision_id("")


def test_only_weights_of_few_bits_come_with_a_small_kv_cache():
    convention = PointConvention(source="s", phase="decode", kv_precision="fp8")
    assert kv_precision_of(point(precision="fp8", convention=convention)) == "fp8"
    assert kv_precision_of(point(precision="fp16", convention=convention)) == "bf16"
