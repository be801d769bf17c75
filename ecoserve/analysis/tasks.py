"""Plans by the dozen: questions as plain records, answered here, in other processes or elsewhere.

A runner takes questions and gives their answers in order. Answers do not depend on the runner, nor
on what was asked before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import joblib

from ecoserve.analysis.bands import BandEnd, catalog_at
from ecoserve.catalog import Catalog
from ecoserve.errors import InfeasibleError, SolverError
from ecoserve.fleet_rule import FREE, FleetRule
from ecoserve.plan import Plan, Status
from ecoserve.planner import Effort, plan_fleet
from ecoserve.scenario import Scenario
from ecoserve.solver import Start
from ecoserve.structure import Memory

Progress = Callable[[int, int, str], None]
CHUNKS_PER_WORKER = 2
"""More would end more evenly, but each chunk builds anew what its questions have in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One plan to make."""

    scenario: Scenario
    effort: Effort = "interactive"
    rule: FleetRule = FREE
    band: BandEnd | None = None
    """Figures of the catalog that stand at an end of their band."""
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A plan, or in words why there is none."""

    plan: Plan | None
    status: str
    """``optimal`` or ``feasible``; without a plan ``infeasible`` or ``stopped``."""
    reason: str = ""

    def expect(self) -> Plan:
        """The plan; raises with the reason where there is none.

        :class:`InfeasibleError` where nothing serves, :class:`SolverError` where it stopped.
        """
        if self.plan is not None:
            return self.plan
        if self.status == Status.STOPPED.value:
            raise SolverError(self.reason, "stopped")
        raise InfeasibleError(self.reason)


class Runner(Protocol):
    """Answers questions, in their order."""

    def __call__(
        self, questions: Sequence[Question], catalog: Catalog, on_progress: Progress | None = None
    ) -> list[Answer]:
        """One answer for each question."""


class _NoStarts(Memory):
    """Remembers structures and answers but starts afresh, so that order does not matter."""

    def start(self, key: str) -> Start | None:
        return None


def answer_all(questions: Sequence[Question], catalog: Catalog) -> list[Answer]:
    """The answers of one worker; what questions have in common is built once."""
    return list(_answers(questions, catalog))


def serially(
    questions: Sequence[Question], catalog: Catalog, on_progress: Progress | None = None
) -> list[Answer]:
    """The runner of one process."""
    return collect(([answer] for answer in _answers(questions, catalog)), questions, on_progress)


@dataclass(frozen=True, slots=True)
class InProcesses:
    """The runner of several processes on this machine."""

    n_workers: int

    def __call__(
        self, questions: Sequence[Question], catalog: Catalog, on_progress: Progress | None = None
    ) -> list[Answer]:
        """Answers in chunks of neighbours, which share most."""
        pool = joblib.Parallel(n_jobs=self.n_workers, backend="loky", return_as="generator")
        jobs = (
            joblib.delayed(answer_all)(chunk, catalog)
            for chunk in chunks(questions, self.n_workers)
        )
        return collect(pool(jobs), questions, on_progress)


def chunks(questions: Sequence[Question], n_workers: int) -> list[Sequence[Question]]:
    """Neighbours together, a few chunks for each worker."""
    size = max(1, -(-len(questions) // (n_workers * CHUNKS_PER_WORKER)))
    return [questions[i : i + size] for i in range(0, len(questions), size)]


def _answers(questions: Sequence[Question], catalog: Catalog) -> Iterable[Answer]:
    answer = one_by_one(catalog)
    return (answer(question) for question in questions)


def one_by_one(catalog: Catalog) -> Callable[[Question], Answer]:
    """Answers single questions; what they have in common is built once. For many threads."""
    memory = _NoStarts()
    at_ends: dict[BandEnd, Catalog] = {}

    def answer(question: Question) -> Answer:
        if question.band is None:
            return _answer(question, catalog, memory)
        if question.band not in at_ends:
            at_ends[question.band] = catalog_at(catalog, question.band)
        return _answer(question, at_ends[question.band], memory)

    return answer


def _answer(question: Question, catalog: Catalog, memory: Memory) -> Answer:
    try:
        plan = plan_fleet(
            question.scenario, catalog, question.effort, memory=memory, rule=question.rule
        )
    except InfeasibleError as error:
        return Answer(plan=None, status=Status.INFEASIBLE.value, reason=str(error))
    except SolverError as error:
        return Answer(plan=None, status=Status.STOPPED.value, reason=str(error))
    return Answer(plan=plan, status=plan.status.value)


def collect(
    parts: Iterable[list[Answer]], questions: Sequence[Question], on_progress: Progress | None
) -> list[Answer]:
    """All answers in order, telling how far it is after each part."""
    show = on_progress or (lambda _done, _total, _label: None)
    found: list[Answer] = []
    show(0, len(questions), questions[0].label if questions else "")
    for part in parts:
        found += part
        label = questions[min(len(found), len(questions) - 1)].label
        show(len(found), len(questions), label)
    return found
