"""Measured points: what somebody measured on which hardware, and what a row of theirs means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["prefill", "decode", "e2e", "linear_layer", "allreduce"]
PowerScope = Literal["per_gpu", "replica"]
Load = Literal["isolated", "closed_loop"]
BatchMeans = Literal["sequences", "tokens", "elements", "concurrency"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PointConvention:
    """What the columns of one source's rows of one phase mean."""

    source: str
    phase: Phase
    power_scope: PowerScope = "replica"
    load: Load = "isolated"
    batch_means: BatchMeans = "sequences"


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
