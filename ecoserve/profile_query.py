"""Which replica somebody asks about, and whether it can be asked for."""

from __future__ import annotations

from dataclasses import dataclass

from ecoserve.catalog import OPERATOR_STACK
from ecoserve.errors import MissingDataError, Problem, ScenarioError
from ecoserve.offers import runs
from ecoserve.options import TP_DEGREES
from ecoserve.performance import KV_BYTES, MAX_NUM_SEQS, WEIGHT_BYTES
from ecoserve.rows import Accelerator
from ecoserve.scenario_parts import HIGHEST_PREFIX_CACHE_HIT


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileQuery:
    """Which replica, and the length of its requests."""

    llm_id: str
    accelerator_id: str
    tp: int
    stack: str
    precision: str
    isl_tokens: float
    osl_tokens: float
    kv_precision: str = "bf16"
    prefix_cache_hit: float = 0.0
    max_num_seqs: int = MAX_NUM_SEQS


def check_runs(accelerator: Accelerator, query: ProfileQuery) -> None:
    """Raises :class:`MissingDataError` or :class:`ScenarioError` for what cannot be run."""
    if query.stack == OPERATOR_STACK:
        known = f"{OPERATOR_STACK} is single layers measured alone, which serve nothing"
        raise ScenarioError([Problem("stack", known)])
    if query.tp > accelerator.max_tp:
        raise MissingDataError(
            f"tp {query.tp} is beyond the {accelerator.max_tp} that pay on {accelerator.id}: its "
            "links were not measured with more"
        )
    if not runs(accelerator, query.precision):
        raise MissingDataError(f"{accelerator.id} has no native {query.precision}")
    if accelerator.rate_tflops(query.kv_precision) is None:
        raise MissingDataError(
            f"{accelerator.id} has no native {query.kv_precision} for the KV cache"
        )


def query_problems(query: ProfileQuery) -> list[Problem]:
    """What is wrong with a query, whatever the accelerator."""
    problems = []
    if query.tp not in TP_DEGREES:
        known = ", ".join(str(tp) for tp in TP_DEGREES)
        problems.append(Problem("tp", f"must be one of {known}, got {query.tp}"))
    for name, formats in (("precision", WEIGHT_BYTES), ("kv_precision", KV_BYTES)):
        if getattr(query, name) not in formats:
            known = ", ".join(formats)
            given = getattr(query, name)
            problems.append(Problem(name, f"must be one of {known}, got {given!r}"))
    for name, low, high in (
        ("isl_tokens", 1, 1e7),
        ("osl_tokens", 1, 1e7),
        ("prefix_cache_hit", 0, HIGHEST_PREFIX_CACHE_HIT),
        ("max_num_seqs", 1, 4096),
    ):
        if not low <= getattr(query, name) <= high:
            given = f"got {getattr(query, name):g}"
            problems.append(Problem(name, f"must be {low:g} to {high:g}, {given}"))
    return problems
