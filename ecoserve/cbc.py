"""CBC through PuLP, for where HiGHS fails."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pulp
from numpy.typing import NDArray

from ecoserve.answer import Limits, Solution, Termination
from ecoserve.errors import SolverError
from ecoserve.program import Program

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaxedByCbc:
    """An optimum of a program without its whole-number conditions."""

    objective: float
    values: Array
    """By column."""
    column_prices: Array
    row_prices: Array
    """By row; 0 for rows that limit nothing."""


def solve_with_cbc(program: Program, limits: Limits | None = None) -> Solution:
    """CBC's answer; its bound is the gap it was asked for where that is proven, else the LP's.

    Raises :class:`SolverError` when it gives neither an answer nor a proof that there is none.
    """
    limits = limits or Limits()
    lp = program.to_pulp()
    _run(lp, limits, mip=True)
    if lp.status == pulp.LpStatusInfeasible:
        return Solution(
            termination=Termination.INFEASIBLE, values={}, objective=math.inf, bound=-math.inf
        )
    # lp.status also calls an answer cut short "Optimal"
    if lp.sol_status not in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible):
        raise SolverError("CBC gave no answer", pulp.LpSolution[lp.sol_status])
    is_proven = lp.sol_status == pulp.LpSolutionOptimal
    values = _by_number(lp, "varValue")
    objective = float(program.cost @ values)
    proven = objective - limits.gap * abs(objective)
    return Solution(
        termination=Termination.GAP_REACHED if is_proven else Termination.TIME_LIMIT,
        values=dict(zip(program.names, values.tolist(), strict=True)),
        objective=objective,
        bound=proven if is_proven else min(objective, _relaxed_bound(program)),
    )


def _relaxed_bound(program: Program) -> float:
    try:
        return relax_with_cbc(program).objective
    except SolverError:
        return -math.inf


def relax_with_cbc(program: Program) -> RelaxedByCbc:
    """The optimum of the relaxation; raises :class:`SolverError` where there is none."""
    lp = program.to_pulp()
    _run(lp, Limits(), mip=False)
    if lp.status != pulp.LpStatusOptimal:
        raise SolverError("the relaxation gave no answer", pulp.LpStatus[lp.status])
    values = _by_number(lp, "varValue")
    prices = {row.name: row.pi or 0.0 for row in lp.constraints()}
    return RelaxedByCbc(
        objective=float(program.cost @ values),
        values=values,
        column_prices=_by_number(lp, "dj"),
        row_prices=np.array([prices.get(f"r{i}", 0.0) for i in range(len(program.row_names))]),
    )


def _by_number(lp: pulp.LpProblem, what: str) -> Array:
    """A figure of every column; PuLP sorts them by name."""
    found = sorted(
        (int(column.name[1:]), getattr(column, what) or 0.0) for column in lp.variables()
    )
    return np.array([value for _, value in found])


def _run(lp: pulp.LpProblem, limits: Limits, *, mip: bool) -> None:
    cbc = pulp.COIN_CMD(
        path=pulp.apis.coin_api.pulp_cbc_path, msg=False, mip=mip, gapRel=limits.gap,
        timeLimit=limits.time_s, maxNodes=limits.nodes or None, threads=1,
        options=["randomSeed 0", "randomCbcSeed 0"],
    )  # fmt: skip
    try:
        lp.solve(cbc)
    except pulp.PulpSolverError as error:
        raise SolverError("CBC could not be run", "error") from error
