"""The solver against enumeration and against CBC, and what it says about its answers."""

from __future__ import annotations

import itertools
import math

import highspy
import numpy as np
import pulp
import pytest

from ecoserve.errors import SolverError
from ecoserve.nodes import Nodes
from ecoserve.program import Program
from ecoserve.solver import (
    BranchAndBound,
    Limits,
    Progress,
    Proof,
    Solution,
    Start,
    Termination,
    Watch,
    climb,
    relative_gap,
    solve,
    solve_with_cbc,
)

SEEDS = range(12)
CBC = pulp.COIN_CMD(path=pulp.apis.coin_api.pulp_cbc_path, msg=False)
WHOLE, REAL, MOST = 4, 3, 3


class Cover:
    """Random covering program: 4 whole and 3 real columns, 5 rows, feasible at its upper bounds."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.cost = rng.integers(1, 20, WHOLE + REAL).astype(float)
        self.rows = rng.integers(0, 6, (5, WHOLE + REAL)).astype(float)
        self.rows[:, 0] += 1.0
        full = self.rows @ np.r_[np.full(WHOLE, MOST), np.full(REAL, 1.0)]
        self.rhs = np.floor(full * rng.uniform(0.3, 0.9, 5)) + 0.5
        self.lp = pulp.LpProblem(f"cover{seed}", pulp.LpMinimize)
        add = self.lp.add_variable
        self.whole = [add(f"n{i}", 0, MOST, pulp.LpInteger) for i in range(WHOLE)]
        self.real = [add(f"r{i}", 0, 1) for i in range(REAL)]
        columns = [*self.whole, *self.real]
        self.lp += pulp.LpAffineExpression(list(zip(columns, self.cost, strict=True)))
        for i, row in enumerate(self.rows):
            left = pulp.LpAffineExpression(list(zip(columns, row, strict=True)))
            self.lp.addConstraint(
                pulp.LpConstraint(left, pulp.LpConstraintGE, f"row{i}", self.rhs[i])
            )

    def search(
        self, limits: Limits, start: dict[str, float] | None = None, watch: Watch | None = None
    ) -> Solution:
        """The sum of all, then of the first three, then the first two columns before the others."""
        tree = BranchAndBound(Program.of(self.lp), self.levels)
        return tree.run(limits, None if start is None else Start(values=start), watch)

    @property
    def levels(self) -> list[list[object]]:
        return [[self.whole], [self.whole[:3]], self.whole[:2], self.whole[2:]]

    def highs(self, limits: Limits | None = None) -> Solution:
        """HiGHS's own integer solver."""
        return solve(Program.of(self.lp), limits)

    def worth(self, solution: Solution) -> float:
        """The objective recomputed, after checking that the answer keeps every row and bound."""
        point = np.array([solution[column] for column in (*self.whole, *self.real)])
        assert (self.rows @ point >= self.rhs - 1e-6).all()
        assert np.abs(point[:WHOLE] - np.round(point[:WHOLE])).max() < 1e-6
        assert point.min() > -1e-9
        assert point.max() < MOST + 1e-9
        return float(self.cost @ point)


def whole_only(seed: int) -> tuple[pulp.LpProblem, list[pulp.LpVariable], float]:
    """A random program of whole columns, with its optimum from all 4^4 points (inf: none)."""
    rng = np.random.default_rng(100 + seed)
    cost, rows = rng.integers(-5, 15, 4), rng.integers(-3, 6, (3, 4))
    rhs = rng.integers(3, 14, 3)
    lp = pulp.LpProblem(f"whole{seed}", pulp.LpMinimize)
    columns = [lp.add_variable(f"n{i}", 0, 3, pulp.LpInteger) for i in range(4)]
    lp += pulp.LpAffineExpression(list(zip(columns, cost.tolist(), strict=True)))
    for i, row in enumerate(rows):
        left = pulp.LpAffineExpression(list(zip(columns, row.tolist(), strict=True)))
        lp.addConstraint(pulp.LpConstraint(left, pulp.LpConstraintGE, f"row{i}", float(rhs[i])))
    points = np.array(list(itertools.product(range(4), repeat=4)))
    good = (points @ rows.T >= rhs).all(axis=1)
    return lp, columns, float(min((points @ cost)[good].tolist(), default=math.inf))


@pytest.mark.parametrize("seed", SEEDS)
def test_whole_programs_against_enumeration(seed: int):
    lp, columns, optimum = whole_only(seed)
    mine = BranchAndBound(Program.of(lp), [columns[:2], columns[2:]]).run(Limits())
    theirs = solve(Program.of(lp))
    assert mine.objective == pytest.approx(optimum)
    assert theirs.objective == pytest.approx(optimum)
    if math.isinf(optimum):
        assert mine.termination is theirs.termination is Termination.INFEASIBLE
    else:
        assert mine.bound == pytest.approx(optimum, abs=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_mixed_programs_against_highs(seed: int):
    program = Cover(seed)
    mine, highs = program.search(Limits()), program.highs()
    assert mine.termination is highs.termination is Termination.GAP_REACHED
    assert mine.objective == pytest.approx(highs.objective, rel=1e-6)
    assert program.worth(mine) == pytest.approx(mine.objective)
    assert program.worth(highs) == pytest.approx(highs.objective)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_mixed_programs_against_cbc(seed: int):
    program = Cover(seed)
    mine = program.search(Limits())
    assert program.lp.solve(CBC) == pulp.LpStatusOptimal
    assert mine.objective == pytest.approx(pulp.value(program.lp.objective), rel=1e-6)
    cbc = solve_with_cbc(Program.of(program.lp))
    assert cbc.termination is Termination.GAP_REACHED
    assert program.worth(cbc) == pytest.approx(mine.objective, rel=1e-6)
    assert cbc.bound <= mine.objective
    assert cbc.gap <= 1.1e-6


def test_cbc_says_infeasible():
    for sense, rhs in ((pulp.LpConstraintGE, 7.0), (pulp.LpConstraintEQ, 3.0)):
        found = solve_with_cbc(Program.of(tiny(sense, rhs)[0]))
        assert found.termination is Termination.INFEASIBLE
        assert not found.is_feasible


def test_cbc_cut_short_claims_no_more_than_the_relaxation():
    # PuLP's status is "Optimal" for an answer that ran out of time; sol_status is not.
    lp = market_split()
    found = solve_with_cbc(Program.of(lp), Limits(gap=0.0, time_s=1.0))
    assert found.termination is Termination.TIME_LIMIT
    assert found.is_feasible
    # The relaxation meets every row exactly; no whole answer does.
    assert found.bound == pytest.approx(0.0, abs=1e-9)
    assert found.objective >= 1.0
    assert found.gap == pytest.approx(1.0)


def market_split() -> pulp.LpProblem:
    """min total distance of 4 random sums over 30 binaries from half their totals: very hard."""
    rng = np.random.default_rng(5)
    lp = pulp.LpProblem("split", pulp.LpMinimize)
    pick = [lp.add_variable(f"n{i}", 0, 1, pulp.LpInteger) for i in range(30)]
    over = [lp.add_variable(f"over{i}", 0) for i in range(8)]
    lp += pulp.LpAffineExpression([(column, 1.0) for column in over])
    for row in range(4):
        size = rng.integers(1, 100, 30)
        left = [(column, float(v)) for column, v in zip(pick, size, strict=True)]
        left += [(over[2 * row], 1.0), (over[2 * row + 1], -1.0)]
        expression = pulp.LpAffineExpression(left)
        rhs = float(size.sum() // 2)
        lp.addConstraint(pulp.LpConstraint(expression, pulp.LpConstraintEQ, f"row{row}", rhs))
    return lp


def test_where_highs_fails_cbc_answers(monkeypatch: pytest.MonkeyPatch):
    def fails(*_: object) -> Solution:
        raise SolverError("a relaxation gave no answer", "numerical trouble")

    monkeypatch.setattr(BranchAndBound, "run", fails)
    program = Cover(2)
    found, basis = climb(Program.of(program.lp), program.levels, Limits())
    assert basis is None
    assert program.worth(found) == pytest.approx(program.highs().objective, rel=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_proof_closes_the_gap_that_the_search_leaves(seed: int):
    program = Cover(seed)
    found, _ = climb(
        Program.of(program.lp),
        program.levels,
        Limits(nodes=0),
        proof=Proof(limits=Limits(), above=0.0),
    )
    assert found.gap <= 1e-6
    assert program.worth(found) == pytest.approx(program.highs().objective, rel=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_progress_tells_every_better_answer_and_changes_none(seed: int):
    told: list[Progress] = []
    seen = Cover(seed).search(Limits(), watch=Watch(report=told.append))
    unseen = Cover(seed).search(Limits())
    assert (seen.objective, seen.bound) == (unseen.objective, unseen.bound)
    assert dict(seen.values) == dict(unseen.values)
    answers = [p.best.objective for p in told if p.is_better]
    assert answers == sorted(answers, reverse=True)
    assert answers[-1] == seen.objective
    bounds = [p.best.bound for p in told]
    assert bounds == sorted(bounds)
    gaps = [p.best.gap for p in told]
    assert gaps == sorted(gaps, reverse=True)
    for progress in told:
        assert Cover(seed).worth(progress.best) == pytest.approx(progress.best.objective)


def test_a_cancelled_search_keeps_the_answer_it_has():
    program = Cover(7)
    told: list[Progress] = []
    watch = Watch(report=told.append, is_cancelled=lambda: bool(told))
    found = program.search(Limits(), watch=watch)
    assert found.termination is Termination.CANCELLED
    assert found.objective == told[0].best.objective
    assert program.worth(found) >= program.highs().objective - 1e-6
    assert found.bound <= program.highs().objective + 1e-6


def test_no_proof_is_begun_where_little_is_open(monkeypatch: pytest.MonkeyPatch):
    program = Cover(7)
    monkeypatch.setattr("ecoserve.solver.solve", lambda *_: pytest.fail("little was open"))
    proof = Proof(limits=Limits(), above=1.0)
    found, _ = climb(Program.of(program.lp), program.levels, Limits(nodes=0), proof=proof)
    assert 0.0 < found.gap < 1.0


def test_one_of_a_kind_is_traded_for_as_many_of_another_as_that_takes(
    monkeypatch: pytest.MonkeyPatch,
):
    """11 are needed: two large of 10 at 10.0 are 20.0; one large and two small of 0.5, 11.4."""
    lp = pulp.LpProblem("kinds", pulp.LpMinimize)
    large, middle, small = (
        lp.add_variable(name, 0, 30, pulp.LpInteger) for name in ("large", "middle", "small")
    )
    lp += 10.0 * large + 4.0 * middle + 0.7 * small
    lp += 10.0 * large + 3.0 * middle + 0.5 * small >= 11.0
    monkeypatch.setattr(BranchAndBound, "_first_answers", lambda *_: None)
    monkeypatch.setattr(BranchAndBound, "_search", lambda *_: Termination.NODE_LIMIT)
    kinds = [large, middle, small]
    tree = BranchAndBound(Program.of(lp), [kinds], kinds=kinds)
    found = tree.run(Limits(gap=1e-6, nodes=1), Start(values={"large": 2.0}))
    assert found.objective == pytest.approx(10.0 + 2 * 0.7)
    assert found.values == pytest.approx({"large": 1.0, "middle": 0.0, "small": 2.0})


@pytest.mark.parametrize("seed", SEEDS)
def test_a_proof_tells_of_better_answers_only_and_of_bounds_that_hold(seed: int):
    program, told = Cover(seed), []
    found = climb(
        Program.of(program.lp), program.levels, Limits(nodes=0),
        proof=Proof(limits=Limits(), above=0.0), watch=Watch(report=told.append),
    )[0]  # fmt: skip
    better = [progress.best.objective for progress in told if progress.is_better]
    assert better == sorted(better, reverse=True)
    assert better[-1] == pytest.approx(found.objective, rel=1e-6)
    optimum = program.highs().objective
    assert all(progress.best.bound <= optimum * (1 + 1e-6) for progress in told)


def test_a_search_cancelled_before_its_first_answer_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(BranchAndBound, "_first_answers", lambda *_: None)
    with pytest.raises(SolverError, match="before it had an answer") as stopped:
        climb(
            Program.of(Cover(7).lp), Cover(7).levels, Limits(),
            watch=Watch(is_cancelled=lambda: True),
        )  # fmt: skip
    assert stopped.value.termination == "cancelled"


@pytest.mark.parametrize("limits", [Limits(nodes=0), Limits(gap=0.1), Limits(nodes=3)])
def test_bound_optimum_and_objective_stand_in_that_order(limits: Limits):
    for seed in SEEDS:
        program = Cover(seed)
        optimum = program.highs().objective
        found = program.search(limits)
        assert found.is_feasible
        assert found.bound <= optimum * (1 + 1e-6)
        assert optimum * (1 - 1e-6) <= found.objective
        assert program.worth(found) == pytest.approx(found.objective)
        assert found.gap == pytest.approx((found.objective - found.bound) / found.objective)
        if found.termination is Termination.GAP_REACHED:
            assert found.gap <= limits.gap + 1e-9


@pytest.mark.parametrize("limits", [Limits(), Limits(nodes=5), Limits(gap=0.05)])
def test_the_same_program_gives_the_same_answer_bit_for_bit(limits: Limits):
    first, second = Cover(7).search(limits), Cover(7).search(limits)
    assert dict(first.values) == dict(second.values)
    assert (first.objective, first.bound) == (second.objective, second.bound)
    one, other = Cover(7).highs(limits), Cover(7).highs(limits)
    assert dict(one.values) == dict(other.values)
    assert (one.objective, one.bound) == (other.objective, other.bound)


def test_nothing_worse_than_the_start_is_shown():
    program = Cover(3)
    best = program.search(Limits())
    again = program.search(Limits(nodes=0), best.values)
    assert again.objective == pytest.approx(best.objective)


def test_a_start_from_an_easier_program_does_no_harm():
    program = Cover(3)
    best = program.search(Limits())
    nothing = {column.name: 0.0 for column in program.whole}
    assert program.search(Limits(), nothing).objective == pytest.approx(best.objective)


def tiny(sense: int, rhs: float) -> tuple[pulp.LpProblem, pulp.LpVariable]:
    """min n with 2 n (sense) rhs, n whole, 0..3."""
    lp = pulp.LpProblem("tiny", pulp.LpMinimize)
    n = lp.add_variable("n", 0, 3, pulp.LpInteger)
    lp += pulp.LpAffineExpression([(n, 1.0)])
    lp.addConstraint(pulp.LpConstraint(pulp.LpAffineExpression([(n, 2.0)]), sense, "row", rhs))
    return lp, n


def both(lp: pulp.LpProblem, n: pulp.LpVariable) -> tuple[Solution, Solution]:
    """Our search and HiGHS's."""
    program = Program.of(lp)
    return BranchAndBound(program, [[n]]).run(Limits()), solve(program)


@pytest.mark.parametrize(
    ("sense", "rhs"),
    [(pulp.LpConstraintGE, 7.0), (pulp.LpConstraintEQ, 3.0)],
    ids=["beyond the bounds", "between whole numbers"],
)
def test_infeasible_is_said_and_not_guessed(sense: int, rhs: float):
    lp, n = tiny(sense, rhs)
    for found in both(lp, n):
        assert found.termination is Termination.INFEASIBLE
        assert not found.is_feasible
        assert found.gap == math.inf


def test_an_answer_on_paper():
    # 2 n >= 3 with n whole: 2, although 1.5 would do
    lp, n = tiny(pulp.LpConstraintGE, 3.0)
    for found in both(lp, n):
        assert (found.objective, found.bound, found[n], found.gap) == (2.0, 2.0, 2.0, 0.0)


def test_a_program_under_another_objective_and_with_one_more_row():
    lp, n = tiny(pulp.LpConstraintGE, 3.0)
    program = Program.of(lp)
    assert solve(program.with_objective({n: -5.0})).objective == -15.0
    assert (
        solve(program.with_objective({n: -5.0}).with_row_at_most("cap", {n: 2.0}, 5.0)).objective
        == -10
    )
    # The first is as it was.
    assert solve(program).objective == 2.0


def test_relative_gap():
    assert relative_gap(100.0, 99.0) == pytest.approx(0.01)
    assert relative_gap(-100.0, -101.0) == pytest.approx(0.01)
    assert relative_gap(100.0, 100.0 + 1e-12) == 0.0
    assert relative_gap(100.0, -math.inf) == math.inf
    assert relative_gap(math.inf, 1.0) == math.inf


@pytest.mark.parametrize("seed", SEEDS)
def test_a_relaxation_in_numerical_trouble_leaves_the_answer_feasible_and_the_bound_true(
    seed: int, monkeypatch: pytest.MonkeyPatch
):
    cover, calls = Cover(seed), itertools.count()
    relax = Nodes._relax

    def troubled(self: Nodes, *bounds: object) -> highspy.HighsModelStatus:
        status = relax(self, *bounds)
        return highspy.HighsModelStatus.kUnknown if next(calls) % 3 == 2 else status

    optimum = cover.worth(cover.highs())
    monkeypatch.setattr(Nodes, "_relax", troubled)
    try:
        found = cover.search(Limits(gap=1e-6))
    except SolverError:
        return  # an honest refusal: trouble before the first answer
    assert cover.worth(found) >= optimum - 1e-6
    assert found.bound <= optimum + 1e-6
