"""Large synthetic instances through the planner's own program and search; one row per process.

Prints one JSON object. Times are CPU seconds; "build" is from the terms to a model in HiGHS.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ecoserve.constraints import fleet_problem
from ecoserve.formulation import FleetProblem
from ecoserve.highs import model_of, new_highs
from ecoserve.pricing import objective_terms, price_account
from ecoserve.program import Program
from ecoserve.solver import BranchAndBound, Limits, Progress, Watch, relative_gap, solve
from ecoserve.terms import FleetTerms, SiteTerms
from ecoserve.units import HOURS_PER_DAY
from tests.bench.hourly import hourly_program
from tests.bench.memory import peak_mb
from tests.bench.synthetic import L1R, M24, SIX_SITES, WHOLE_ONLY, Size, synthetic_terms

CARBON = {"kg": 1.0}
PROOF_GAP, REPORT_GAP = 0.01, 0.001
HOURLY_CAP_S = 120.0
PARETO_POINTS = 20
NODES = 2000


def ladder(size: Size, gap: float) -> dict[str, Any]:
    """First answer, proof and build of one instance."""
    terms = synthetic_terms(size)
    started = time.process_time()
    problem, program = _program(terms)
    tree = BranchAndBound(program, problem.levels, list(problem.on.values()))
    built = time.process_time()
    seen: list[tuple[float, Progress]] = []
    watch = Watch(report=lambda progress: seen.append((time.process_time() - built, progress)))
    found = tree.run(Limits(gap=gap, nodes=NODES), watch=watch)
    solve_s = time.process_time() - built
    relaxed_s, relaxed = _relaxed(program)
    first_s, first = seen[0]
    return {
        "columns": len(program.names),
        "build_s": built - started,
        "solve_s": solve_s,
        "relaxed_s": relaxed_s,
        "first_s": first_s,
        "first_over_lp": relative_gap(first.best.objective, relaxed),
        "gap": found.gap,
        "over_lp": relative_gap(found.objective, relaxed),
        "nodes": tree.nodes,
    }


def m24() -> dict[str, Any]:
    """The 100-bucket instance, to 1 % and to 0.1 %, and HiGHS's own solver on it."""
    proof, report = ladder(M24, PROOF_GAP), ladder(M24, REPORT_GAP)
    terms = synthetic_terms(M24)
    _, program = _program(terms)
    highs_s, highs = _cpu(lambda: solve(program, Limits(gap=REPORT_GAP, time_s=HOURLY_CAP_S)))
    return {"proof": proof, "report": report, "highs_s": highs_s, "highs_gap": highs.gap}


def l1r() -> dict[str, Any]:
    """Three models, 200 buckets, 40 options, to half a percent."""
    return ladder(L1R, 0.005)


def six_sites() -> dict[str, Any]:
    """The same at six sites that share the traffic, to one percent."""
    return ladder(SIX_SITES, PROOF_GAP)


def against_hourly() -> dict[str, Any]:
    """The day's shares against hourly ones: relaxation, fleet, time."""
    terms = synthetic_terms(WHOLE_ONLY)
    problem, program = _program(terms)
    hourly = hourly_program(program, problem, terms)
    ours_lp_s, ours_lp = _relaxed(program)
    hourly_lp_s, hourly_lp = _relaxed(hourly)
    tree = BranchAndBound(program, problem.levels, list(problem.on.values()))
    ours_s, ours = _cpu(lambda: tree.run(Limits(gap=REPORT_GAP, nodes=NODES)))
    theirs_s, theirs = _cpu(lambda: solve(hourly, Limits(gap=REPORT_GAP, time_s=HOURLY_CAP_S)))
    fleet = {n: v for n, v in ours.values.items() if program.whole[program.index[n]]}
    _, ours_priced = _relaxed(_fixed(hourly, fleet))
    flat_lp, flat_hourly_lp = _flat_day(terms)
    return {
        "columns": len(program.names), "hourly_columns": len(hourly.names),
        "ours_lp": ours_lp, "hourly_lp": hourly_lp,
        "lp_difference": ours_lp / hourly_lp - 1.0,
        "flat_lp_difference": flat_lp / flat_hourly_lp - 1.0,
        "lp_ratio": hourly_lp_s / ours_lp_s,
        "ours_s": ours_s, "hourly_s": theirs_s, "hourly_gap": theirs.gap,
        "mip_ratio": theirs_s / ours_s,
        "fleet_over_hourly": ours_priced / theirs.objective - 1.0,
        "fleet_over_bound": ours_priced / theirs.bound - 1.0,
    }  # fmt: skip


def _flat_day(terms: FleetTerms) -> tuple[float, float]:
    """Both relaxations where no hour differs from another, and nothing is to be gained by hours."""
    even = np.ones(HOURS_PER_DAY)
    flat = replace(
        terms,
        demands=tuple(replace(d, hourly_ratio=even, peak_ratio=even) for d in terms.demands),
        sites=(_brighter(terms.sites[0], 0.0),),
    )
    problem, program = _program(flat)
    return _relaxed(program)[1], _relaxed(hourly_program(program, problem, flat))[1]


def _brighter(site: SiteTerms, factor: float) -> SiteTerms:
    """The site with hours that differ from the mean by so much more."""
    mean = site.kg_per_kwh.mean()
    return replace(site, kg_per_kwh=mean + factor * (site.kg_per_kwh - mean))


def edits() -> dict[str, Any]:
    """A relaxation after an edit of prices and along a Pareto front, warm against cold."""
    terms = synthetic_terms(M24)
    problem, program = _program(terms)
    edited = [
        replace(terms, sites=(_brighter(terms.sites[0], factor),))
        for factor in (0.9, 0.7, 1.3, 2.0)
    ]
    priced = [program.with_objective(_goal(problem, t)) for t in edited]
    cold = [_relaxed(p) for p in priced]
    highs = _handed_over(program)
    highs.run()
    places = np.arange(len(program.names), dtype=np.int32)
    warm = []
    for p in priced:
        started = time.process_time()
        highs.changeColsCost(len(places), places, p.cost)
        highs.run()
        warm.append((time.process_time() - started, highs.getObjectiveValue()))
    off = max(abs(c / w - 1.0) for (_, c), (_, w) in zip(cold, warm, strict=True))
    return {
        "edit_ratio": sum(s for s, _ in cold) / sum(s for s, _ in warm),
        "edit_difference": off,
        **_pareto(problem, program, terms),
    }


def _pareto(problem: FleetProblem, program: Program, terms: FleetTerms) -> dict[str, Any]:
    account = price_account(problem, terms)
    usd = account["usd"]
    cheapest = program.with_objective(objective_terms(problem, account, {"usd": 1.0}))
    _, least = _relaxed(cheapest)
    green = _handed_over(program)
    green.run()
    values = green.getSolution().col_value
    most = sum(v * values[program.index[c.name]] for c, v in usd.items() if c.name in program.index)
    caps = np.linspace(most, least * 1.001, PARETO_POINTS)
    cold = [_relaxed(program.with_row_at_most("cap", usd, float(cap))) for cap in caps]
    capped = program.with_row_at_most("cap", usd, float(caps[0]))
    highs, row = _handed_over(capped), len(capped.row_lower) - 1
    highs.run()
    started, front = time.process_time(), []
    for cap in caps:
        highs.changeRowBounds(row, -np.inf, float(cap))
        highs.run()
        front.append(highs.getObjectiveValue())
    warm_s = time.process_time() - started
    off = max(abs(c / w - 1.0) for (_, c), w in zip(cold, front, strict=True))
    return {"pareto_ratio": sum(s for s, _ in cold) / warm_s, "pareto_difference": off}


def _program(terms: FleetTerms) -> tuple[FleetProblem, Program]:
    problem = fleet_problem(terms)
    return problem, Program.of(problem.lp).with_objective(_goal(problem, terms))


def _goal(problem: FleetProblem, terms: FleetTerms) -> Any:
    return objective_terms(problem, price_account(problem, terms), CARBON)


def _handed_over(program: Program) -> Any:
    highs = new_highs(Limits())
    highs.passModel(model_of(program, relaxed=True))
    highs.setOptionValue("simplex_iteration_limit", 10_000_000)
    return highs


def _relaxed(program: Program) -> tuple[float, float]:
    """CPU seconds, hand-over included, and the relaxation's objective."""
    started = time.process_time()
    highs = _handed_over(program)
    highs.run()
    return time.process_time() - started, highs.getObjectiveValue()


def _fixed(program: Program, values: dict[str, float]) -> Program:
    lower, upper = program.lower.copy(), program.upper.copy()
    places = [program.index[name] for name in values]
    lower[places] = upper[places] = np.round(list(values.values()))
    return replace(program, lower=lower, upper=upper)


def _cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    answer = work()
    return time.process_time() - started, answer


ROWS = {"m24": m24, "l1r": l1r, "sites": six_sites, "hourly": against_hourly, "edits": edits}

if __name__ == "__main__":
    sys.stdout.write(json.dumps({**ROWS[sys.argv[1]](), "peak_mb": peak_mb()}) + "\n")
