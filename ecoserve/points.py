"""Measured points: what somebody measured on which hardware, and what a row of theirs means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ecoserve.errors import MissingDataError

Phase = Literal["prefill", "decode", "e2e", "linear_layer", "allreduce"]
PowerScope = Literal["per_gpu", "replica"]
Load = Literal["isolated", "closed_loop"]
BatchMeans = Literal["sequences", "tokens", "elements", "bytes", "concurrency"]

PRECISIONS = {
    "fp16": "bf16", "bf16": "bf16", "fp8": "fp8", "w8a8": "fp8", "int8": "int8", "w8a16": "int8",
    "int4": "int4", "w4a16": "int4", "fp4": "int4", "nvfp4": "int4", "mxfp4": "int4",
    "q4_0": "int4", "q4_k_m": "int4",
}  # fmt: skip
"""Names of weight formats in measurements, and the one of ours whose bytes they have."""
WEIGHT_ONLY = frozenset({"w8a16", "int4", "w4a16", "q4_0", "q4_k_m"})
"""Those in which products run at 16 bits: only the weights are stored in fewer. Hardware that
multiplies 4 bits natively does so for floats, which plain ``int4`` is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointConvention:
    """What the columns of one source's rows of one phase mean."""

    source: str
    phase: Phase
    power_scope: PowerScope = "replica"
    load: Load = "isolated"
    batch_means: BatchMeans = "sequences"
    kv_precision: str = "bf16"
    """Format of the KV cache where the weights have 8 bits or fewer; 16 bits otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPoint:
    """One measurement; None where its source does not say."""

    source: str
    model: str
    hardware: str
    tp: int
    precision: str
    stack: str
    phase: Phase
    batch: float | None
    input_len: float | None
    output_len: float | None
    context_len: float | None
    latency_s: float | None
    output_tokens_per_s: float | None
    power_w: float | None
    j_per_output_token: float | None
    convention: PointConvention
    note: str = ""
    is_own: bool = False
    """Whether it is the user's own."""


def stack_id(name: str) -> str:
    """Our id of a software stack.

    >>> stack_id("llama.cpp")
    'llama_cpp'
    """
    return name.strip().lower().replace("-", "_").replace(".", "_")


def precision_id(name: str) -> str:
    """Our id of a weight format; raises :class:`MissingDataError` for one we do not model.

    >>> precision_id("q4_k_m")
    'int4'
    """
    found = PRECISIONS.get(name.strip().lower())
    if found is None:
        known = ", ".join(sorted(PRECISIONS))
        said = f"precision {name!r} is not one of {known}" if name else "precision not stated"
        raise MissingDataError(said)
    return found


def is_weight_only(name: str) -> bool:
    """Whether products run at 16 bits under this name of a weight format.

    >>> is_weight_only("W4A16"), is_weight_only("nvfp4")
    (True, False)
    """
    return name.strip().lower() in WEIGHT_ONLY


def kv_precision_of(point: MeasuredPoint) -> str:
    """Format of the KV cache behind a point."""
    if precision_id(point.precision) == "bf16":
        return "bf16"
    return point.convention.kv_precision
