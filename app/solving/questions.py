"""What a worker can be asked. Each takes the worker's bench and the catalog's path first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from app.solving.worker import Bench
from app.versus import BEST_SINGLE, COLUMN_WORDS, baseline_words, split_key
from ecoserve.analysis.limits import LimitReport, limit_report
from ecoserve.analysis.pareto import FrontPoint, pareto_bound
from ecoserve.baselines import GIVEN, baseline_question, best_single, plan_baseline
from ecoserve.catalog import Catalog
from ecoserve.errors import InfeasibleError
from ecoserve.lifecycle import Lifecycle, study_lifecycle
from ecoserve.paper_claims import SceneResult, try_cell
from ecoserve.plan import Note, Plan, Status
from ecoserve.planner import Effort, plan_fleet
from ecoserve.questions import Answer, Question, answer, answered
from ecoserve.scenario import Scenario
from ecoserve.structure import Memory
from ecoserve.trends import LifecycleAssumptions

UNFINISHED = frozenset({"stopped_by_time", "stopped"})
"""Codes of notes that say that a search did not come to its end."""
STOPPED = Note("stopped", "the search was stopped before its end, so a better fleet may exist")


@dataclass(frozen=True, slots=True)
class Found:
    """A plan of somebody's, or why there is none."""

    plan: Plan | None
    name: str = ""
    reason: str = ""


def is_whole(answer: object) -> bool:
    """Whether the clock had no say in it, so that it may be kept as the answer."""
    if isinstance(answer, Answer) and answer.status == Status.STOPPED.value:
        return False
    plan = answer.plan if isinstance(answer, Found | Answer) else answer
    return not (isinstance(plan, Plan) and any(note.code in UNFINISHED for note in plan.notes))


def ours(bench: Bench, path: Path, scenario: Scenario, effort: Effort) -> Plan:
    """The plan. Raises InfeasibleError when nothing can serve the traffic."""
    catalog = bench.catalog(path)
    plan = plan_fleet(scenario, catalog, effort, memory=bench.memory, watch=bench.watch)
    return _marked(plan, bench)


def baseline(bench: Bench, path: Path, scenario: Scenario, key: str, effort: Effort) -> Found:
    """A baseline by its key, or why it cannot serve the traffic."""
    catalog = bench.catalog(path)
    name, column = split_key(key)
    try:
        if name == BEST_SINGLE:
            name, plan = best_single(scenario, catalog, column, effort, bench.memory)
        elif name.startswith(GIVEN):
            plan = plan_baseline(name, column, scenario, catalog, effort, bench.memory)
        else:
            question = baseline_question(name, column, scenario, catalog)
            plan = _planned(bench, catalog, question, effort)
    except InfeasibleError as error:
        return Found(None, _words(name, key, scenario, catalog), str(error))
    return Found(plan, _words(name, key, scenario, catalog))


def asked(
    bench: Bench, path: Path, question: Question, effort: Effort, start: Plan | None
) -> Found:
    """The answer to a question beside the plan's, from the ``start`` of another."""
    try:
        return Found(_planned(bench, bench.catalog(path), question, effort, start))
    except InfeasibleError as error:
        return Found(None, "", str(error))


def analysed(bench: Bench, path: Path, question: Question, effort: Effort) -> Answer:
    """One plan of an analysis; it starts afresh, so that order does not matter."""
    memory = bench.memory.without_starts()
    return answered(lambda: _planned(bench, bench.catalog(path), question, effort, memory=memory))


def front(bench: Bench, path: Path, scenario: Scenario) -> tuple[FrontPoint, ...]:
    """The front that no fleet can pass. Raises InfeasibleError where nothing serves."""
    return pareto_bound(scenario, bench.catalog(path), memory=bench.memory)


def limits(bench: Bench, path: Path, scenario: Scenario, effort: Effort) -> LimitReport:
    """What holds the plan back."""
    memory = bench.memory.without_starts()
    return limit_report(scenario, bench.catalog(path), effort, memory=memory)


def years(
    bench: Bench, path: Path, scenario: Scenario, plan: Plan, assumptions: LifecycleAssumptions
) -> Lifecycle:
    """The years of a plan."""
    return study_lifecycle(plan, scenario, bench.catalog(path), assumptions)


def paper_cell(
    bench: Bench, path: Path, scenario: Scenario, region: str, coefficients: str
) -> SceneResult:
    """The paper's scene in one region under one set of coefficients, by quick answers."""
    catalog = bench.catalog(path)
    return try_cell(scenario, region, coefficients, catalog, "quick", bench.memory)


def _planned(
    bench: Bench,
    catalog: Catalog,
    question: Question,
    effort: Effort,
    start: Plan | None = None,
    memory: Memory | None = None,
) -> Plan:
    plan = answer(question, catalog, effort, memory or bench.memory, start, bench.watch)
    return _marked(plan, bench)


def _marked(plan: Plan, bench: Bench) -> Plan:
    return replace(plan, notes=(STOPPED, *plan.notes)) if bench.is_stopped else plan


def _words(name: str, key: str, scenario: Scenario, catalog: Catalog) -> str:
    _, column = split_key(key)
    return f"{baseline_words(name, scenario, catalog)}, {COLUMN_WORDS[column]}"
