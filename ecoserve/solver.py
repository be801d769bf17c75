"""Solves integer programs and says what the answer is worth. Knows no domain words.

Programs are built in PuLP, read once into a :class:`Program` and handed to HiGHS as one sparse
matrix in one call. :class:`BranchAndBound` keeps that HiGHS model alive, which on programs with few
whole columns among many continuous ones proves small gaps in a handful of re-solves; :func:`solve`
is HiGHS's own integer solver, where that leaves much open. Where HiGHS fails in either, CBC
stands in. One thread, a fixed seed, stops by gap and node count: the same program gives the same
answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from ecoserve.branching import BranchAndBound
from ecoserve.cbc import solve_with_cbc
from ecoserve.cuts import rounding_cuts
from ecoserve.errors import SolverError
from ecoserve.highs import solve_with_highs
from ecoserve.program import Counted, Program

__all__ = [
    "BranchAndBound",
    "Limits",
    "Progress",
    "Proof",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """When HiGHS's own solver goes on where branch and bound has stopped."""

    limits: Limits
    above: float
    """Gap that branch and bound must leave for it."""


LAST_RESORT_S = 30.0
"""For another solver where branch and bound found nothing at all, or failed."""


def solve(
    program: Program,
    limits: Limits | None = None,
    start: Mapping[str, float] | None = None,
    watch: Watch | None = None,
) -> Solution:
    """An integer solver's answer: HiGHS's own, with a feasible point to ``start`` from if there is
    one, and where it fails CBC's within the same limits.

    Raises :class:`SolverError` where neither gives an answer or a proof that there is none.
    """
    limits = limits or Limits()
    try:
        return solve_with_highs(program, limits, start, watch)
    except SolverError as trouble:
        return _stand_in(program, limits, watch or Watch(), trouble)


def _stand_in(program: Program, limits: Limits, watch: Watch, trouble: SolverError) -> Solution:
    """CBC's answer after ``trouble``, which stands where CBC has none; a few seconds at most."""
    if trouble.termination == "cancelled" or watch.is_cancelled():
        raise trouble
    time_s = LAST_RESORT_S if limits.time_s is None else limits.time_s
    try:
        return solve_with_cbc(program, replace(limits, time_s=time_s))
    except SolverError as as_well:
        raise trouble from as_well


def climb(
    program: Program,
    levels: Sequence[Sequence[Any]],
    limits: Limits,
    *,
    coarse: Sequence[Any] | None = None,
    kinds: Sequence[Any] = (),
    proof: Proof | None = None,
    start: Start | None = None,
    watch: Watch | None = None,
) -> tuple[Solution, Any]:
    """The answer that ``limits`` allow, and the relaxation's basis for a later ``start``.

    Step by step: relaxation and repair, the neighbourhood of the relaxation, branch and bound over
    ``levels``, with ``coarse`` and ``kinds`` (see :class:`BranchAndBound`), then, where a ``proof``
    is asked for and more is open than it bears with, HiGHS's own solver. Each step only replaces an
    answer by a better one. Where HiGHS fails, CBC answers to the same gap.
    """
    watch = watch or Watch()
    try:
        tree = BranchAndBound(program, levels, coarse, kinds)
        found = tree.run(limits, start, watch)
    except SolverError as trouble:
        wanted = proof.limits if proof else Limits(gap=limits.gap)  # nodes are our own search's
        return _stand_in(program, wanted, watch, trouble), None
    if not _goes_on(found, limits, proof):
        return found, tree.basis
    last = Limits(gap=limits.gap, time_s=LAST_RESORT_S)
    try:
        wanted = proof.limits if proof else last
        proven = solve(program, wanted, found.values or None, _from(found, watch))
    except SolverError:
        if not found.is_feasible:
            raise
        return found, tree.basis  # its gap stays what it is
    if found.is_feasible and proven.termination is Termination.INFEASIBLE:
        return found, tree.basis  # by rounding; an answer is there
    best = _better(found, proven)
    return replace(best, termination=proven.termination), tree.basis


def _goes_on(found: Solution, limits: Limits, proof: Proof | None) -> bool:
    if found.termination in (Termination.INFEASIBLE, Termination.CANCELLED):
        return False
    if not found.is_feasible:
        return proof is not None or found.termination is Termination.NODE_LIMIT
    return proof is not None and found.gap > max(limits.gap, proof.above)


def _better(found: Solution, later: Solution) -> Solution:
    """The better of two answers to one program, with the better of what was proven."""
    best = min((found, later), key=lambda answer: answer.objective)
    return replace(best, bound=min(best.objective, max(found.bound, later.bound)))


def _from(found: Solution, watch: Watch) -> Watch:
    """Tells of a later search what it adds to ``found``."""

    def report(progress: Progress) -> None:
        is_better = progress.is_better and progress.best.objective < found.objective
        best = _better(found, progress.best)
        watch.report(replace(progress, best=best, is_better=is_better))

    return Watch(report=report, is_cancelled=watch.is_cancelled)


def tightened(program: Program, counted: Sequence[Counted]) -> Program:
    """With rows that hold for whole columns only, for searches that need proof."""
    return program.with_cuts(rounding_cuts(program, counted))
