"""CBC through PuLP, for where HiGHS is not to be had."""

from __future__ import annotations

import math

import pulp

from ecoserve.answer import Limits, Solution, Termination
from ecoserve.errors import SolverError
from ecoserve.program import Program


def solve_with_cbc(program: Program, limits: Limits | None = None) -> Solution:
    """CBC's answer; its bound is the gap it was asked for where that is proven, else the LP's.

    Raises :class:`SolverError` when it gives neither an answer nor a proof that there is none.
    """
    limits = limits or Limits()
    lp = program.to_pulp()
    lp.solve(_cbc(limits, mip=True))
    if lp.status == pulp.LpStatusInfeasible:
        return Solution(
            termination=Termination.INFEASIBLE, values={}, objective=math.inf, bound=-math.inf
        )
    # lp.status also calls an answer cut short "Optimal"
    if lp.sol_status not in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible):
        raise SolverError("CBC gave no answer", pulp.LpSolution[lp.sol_status])
    is_proven = lp.sol_status == pulp.LpSolutionOptimal
    objective = float(pulp.value(lp.objective))
    values = {column.name: float(column.varValue or 0.0) for column in lp.variables()}
    proven = objective - limits.gap * abs(objective)
    return Solution(
        termination=Termination.GAP_REACHED if is_proven else Termination.TIME_LIMIT,
        values=values,
        objective=objective,
        bound=proven if is_proven else min(objective, _relaxed_bound(lp)),
    )


def _relaxed_bound(lp: pulp.LpProblem) -> float:
    lp.solve(_cbc(Limits(), mip=False))
    return float(pulp.value(lp.objective)) if lp.status == pulp.LpStatusOptimal else -math.inf


def _cbc(limits: Limits, *, mip: bool) -> pulp.LpSolver:
    return pulp.COIN_CMD(
        path=pulp.apis.coin_api.pulp_cbc_path, msg=False, mip=mip, gapRel=limits.gap,
        timeLimit=limits.time_s, maxNodes=limits.nodes or None, threads=1,
        options=["randomSeed 0", "randomCbcSeed 0"],
    )  # fmt: skip
