"""HiGHS: a program handed over in one call, its options, its own integer solver."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import highspy

from ecoserve.answer import Limits, Progress, Solution, Termination, Watch
from ecoserve.errors import SolverError
from ecoserve.program import Program

SIMPLEX_ITERATIONS = 20_000
"""After so many a re-solve counts as stalled and starts afresh; ten times what is usual."""

MAX_VALUE_SCALING = 4
"""HiGHS's own choice of scaling now and then leaves its dual simplex in a loop of refactoring."""


def solve_with_highs(
    program: Program,
    limits: Limits | None = None,
    start: Mapping[str, float] | None = None,
    watch: Watch | None = None,
) -> Solution:
    """HiGHS's own integer solver, with a feasible point to ``start`` from if there is one.

    Raises :class:`SolverError` when it gives neither an answer nor a proof that there is none.
    """
    highs = new_highs(limits or Limits())
    expect_ok(highs.passModel(model_of(program, relaxed=False)), "the program")
    if start is not None:
        point = highspy.HighsSolution()
        point.col_value = [start.get(name, 0.0) for name in program.names]
        highs.setSolution(point)
    if watch is not None:
        _Watched(watch, program.names).follow(highs)
    highs.run()
    solution = read(highs, program.names)
    if solution.termination is Termination.OTHER:
        status = highs.modelStatusToString(highs.getModelStatus())
        raise SolverError("the solver gave no answer", status)
    return solution


class _Watched:
    """Tells a watch of better answers and bounds, and stops the solver where the watch does."""

    def __init__(self, watch: Watch, names: Sequence[str]) -> None:
        self._watch = watch
        self._names = names
        self._best: dict[str, float] = {}
        self._objective, self._bound = math.inf, -math.inf

    def follow(self, highs: highspy.Highs) -> None:
        highs.cbMipInterrupt.subscribe(self._asked)
        highs.cbMipImprovingSolution.subscribe(self._improved)

    def _asked(self, event: Any) -> None:
        if self._best and event.data_out.mip_dual_bound > self._bound:
            self._tell(event.data_out, is_better=False)
        event.data_in.user_interrupt = self._watch.is_cancelled()

    def _improved(self, event: Any) -> None:
        self._objective = event.data_out.objective_function_value
        self._best = dict(zip(self._names, event.data_out.mip_solution, strict=True))
        self._tell(event.data_out, is_better=True)

    def _tell(self, known: Any, *, is_better: bool) -> None:
        self._bound = max(self._bound, known.mip_dual_bound)
        best = Solution(
            termination=Termination.OTHER,
            values=self._best,
            objective=self._objective,
            bound=min(self._bound, self._objective),
        )
        nodes = int(known.mip_node_count)
        self._watch.report(Progress(best=best, nodes=nodes, is_better=is_better))


def model_of(program: Program, *, relaxed: bool) -> highspy.HighsLp:
    """The program's arrays as HiGHS takes them."""
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(program.names), len(program.row_lower)
    model.col_cost_ = program.cost
    model.col_lower_, model.col_upper_ = program.lower, program.upper
    model.row_lower_, model.row_upper_ = program.row_lower, program.row_upper
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_, model.a_matrix_.index_ = program.starts, program.columns
    model.a_matrix_.value_ = program.values
    if not relaxed:
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        model.integrality_ = [kinds[whole] for whole in program.whole]
    return model


def new_highs(limits: Limits) -> highspy.Highs:
    """One thread, one seed, silent; stops at these limits."""
    highs = highspy.Highs()
    options: dict[str, Any] = {
        "output_flag": False,
        "threads": 1,
        "random_seed": 0,
        "mip_rel_gap": limits.gap,
        "simplex_iteration_limit": SIMPLEX_ITERATIONS,
        "simplex_scale_strategy": MAX_VALUE_SCALING,
    }
    if limits.nodes is not None:
        options["mip_max_nodes"] = limits.nodes
    if limits.time_s is not None:
        options["time_limit"] = limits.time_s
    for name, value in options.items():
        expect_ok(highs.setOptionValue(name, value), name)
    return highs


def small_search(gap: float, nodes: int, better_than: float, enough: float) -> highspy.Highs:
    """For a few nodes: without the heuristics that take longer than so small a search saves."""
    highs = new_highs(Limits(gap=gap, nodes=nodes))
    for option in ("mip_heuristic_run_rins", "mip_heuristic_run_rens", "mip_allow_restart"):
        highs.setOptionValue(option, False)
    highs.setOptionValue("objective_bound", better_than)
    highs.setOptionValue("objective_target", enough)
    return highs


def expect_ok(status: highspy.HighsStatus, what: str) -> None:
    """Raises :class:`SolverError` where HiGHS refused something."""
    if status == highspy.HighsStatus.kError:
        raise SolverError(f"the solver refused {what}", "error")


_TERMINATIONS = {
    highspy.HighsModelStatus.kOptimal: Termination.GAP_REACHED,
    highspy.HighsModelStatus.kInfeasible: Termination.INFEASIBLE,
    highspy.HighsModelStatus.kTimeLimit: Termination.TIME_LIMIT,
    highspy.HighsModelStatus.kSolutionLimit: Termination.NODE_LIMIT,
    highspy.HighsModelStatus.kObjectiveTarget: Termination.NODE_LIMIT,
    highspy.HighsModelStatus.kInterrupt: Termination.CANCELLED,
}


def read(highs: highspy.Highs, names: Sequence[str]) -> Solution:
    """What HiGHS found, of an integer program."""
    info = highs.getInfo()
    feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    values = highs.getSolution().col_value if feasible else []
    return Solution(
        termination=_TERMINATIONS.get(highs.getModelStatus(), Termination.OTHER),
        values=dict(zip(names, values, strict=True)) if feasible else {},
        objective=info.objective_function_value if feasible else math.inf,
        bound=info.mip_dual_bound,
    )
