"""Solves integer programs and says what the answer is worth. Knows no domain words.

Programs are built in PuLP, read once into a :class:`Program` and handed to HiGHS as one sparse
matrix in one call. :class:`BranchAndBound` keeps that HiGHS model alive, which on programs with few
whole columns among many continuous ones proves small gaps in a handful of re-solves; :func:`solve`
is HiGHS's own integer solver, for the last tenths of a percent; :func:`solve_with_cbc` stands in
where HiGHS fails. One thread, a fixed seed, stops by gap and node count: the same
program gives the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ecoserve.answer import (
    Limits,
    Progress,
    Solution,
    Start,
    Termination,
    Watch,
    relative_gap,
)
from ecoserve.cbc import solve_with_cbc
from ecoserve.errors import SolverError
from ecoserve.program import Counted, Program

try:
    from ecoserve.branching import BranchAndBound
    from ecoserve.cuts import rounding_cuts
    from ecoserve.highs import solve
except ModuleNotFoundError as missing:
    if missing.name != "highspy":
        raise
    HAS_HIGHS = False
else:
    HAS_HIGHS = True

__all__ = [
    "HAS_HIGHS",
    "BranchAndBound",
    "Limits",
    "Progress",
    "Solution",
    "Start",
    "Termination",
    "Watch",
    "climb",
    "relative_gap",
    "solve",
    "solve_with_cbc",
    "tightened",
]

LAST_RESORT_S = 30.0
"""For another solver where branch and bound found nothing at all."""


def climb(
    program: Program,
    levels: Sequence[Sequence[Any]],
    limits: Limits,
    *,
    coarse: Sequence[Any] | None = None,
    kinds: Sequence[Any] = (),
    proof: Limits | None = None,
    start: Start | None = None,
    watch: Watch | None = None,
) -> tuple[Solution, Any]:
    """The answer that ``limits`` allow, and the relaxation's basis for a later ``start``.

    Step by step: relaxation and repair, the neighbourhood of the relaxation, branch and bound over
    ``levels``, with ``coarse`` and ``kinds`` (see :class:`BranchAndBound`), then, where a ``proof``
    is asked for and the gap is still open, HiGHS's own solver. Each step only replaces an answer by
    a better one. Without HiGHS, or where it fails, CBC answers within the same limits.
    """
    watch = watch or Watch()
    if not HAS_HIGHS:
        return solve_with_cbc(program, proof or limits), None
    try:
        tree = BranchAndBound(program, levels, coarse, kinds)
        found = tree.run(limits, start, watch)
        if found.termination is Termination.NODE_LIMIT and not found.is_feasible:
            proof = proof or Limits(gap=limits.gap, time_s=LAST_RESORT_S)
        is_done = found.gap <= limits.gap or found.termination is Termination.INFEASIBLE
        if proof is None or is_done or found.termination is Termination.CANCELLED:
            return found, tree.basis
        proven = solve(program, proof, found.values or None, watch)
    except SolverError as trouble:
        if trouble.termination == "cancelled":
            raise
        return solve_with_cbc(program, proof or replace(limits, time_s=LAST_RESORT_S)), None
    best = min((found, proven), key=lambda answer: answer.objective)
    bound = max(found.bound, proven.bound)
    return replace(best, bound=bound, termination=proven.termination), tree.basis


def tightened(program: Program, counted: Sequence[Counted]) -> Program:
    """With rows that hold for whole columns only, for searches that need proof; HiGHS finds them.

    Without HiGHS the program as it is: the rows change no answer.
    """
    return program.with_cuts(rounding_cuts(program, counted)) if HAS_HIGHS else program
