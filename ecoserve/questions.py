"""Planning questions that stand side by side, who answers them, and the answers.

Baselines, ablations, what-ifs and analyses are each a scenario, perhaps with a pattern that the
fleet must have, a rule about its servers, or figures at the end of their band. A runner takes such
questions and gives their answers in order, here, in other processes or elsewhere. The answers
depend neither on their order, nor on who plans them, nor on what was asked before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import joblib

from ecoserve.analysis.bands import BandEnd, catalog_at
from ecoserve.catalog import Catalog
from ecoserve.errors import InfeasibleError, SolverError
from ecoserve.fleet_rule import FREE, FleetRule
from ecoserve.plan import Plan, Status
from ecoserve.planner import Effort, plan_fleet
from ecoserve.processes import in_processes
from ecoserve.restriction import ANYWHERE, Restriction
from ecoserve.scenario import Scenario, canonical_json
from ecoserve.solver import Watch
from ecoserve.structure import Memory

OnAnswer = Callable[[str], None]
Progress = Callable[[int, int, str], None]
"""Told how many are done, of how many, and the label of the one in work."""
CHUNKS_PER_WORKER = 2
"""More would end more evenly, but each chunk builds anew what its questions have in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What :func:`~ecoserve.planner.plan_fleet` is asked, but for the effort."""

    scenario: Scenario
    restriction: Restriction = ANYWHERE
    rule: FleetRule = FREE
    band: BandEnd | None = None
    """Figures of the catalog that stand at an end of their band."""
    least_carbon: bool = False
    """Take the least-carbon plan within 0.5 % of the optimum, as baselines are defined."""
    label: str = ""

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal where the answers must be."""
        policy = self.scenario.policy
        carbon = policy.objective == "carbon" and policy.carbon_price_usd_per_t is None
        staged = self.least_carbon and not carbon
        return canonical_json(self.scenario), self.restriction, self.rule, self.band, staged


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Plans by name, and for the rest why nothing serves."""

    plans: dict[str, Plan] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, answer: Answer) -> None:
        """Files an answer; raises :class:`SolverError` for one that was stopped."""
        if answer.status == Status.INFEASIBLE.value:
            self.reasons[name] = answer.reason
        else:
            self.plans[name] = answer.expect()


class Runner(Protocol):
    """Answers questions, in their order."""

    def __call__(
        self,
        questions: Sequence[Question],
        catalog: Catalog,
        effort: Effort,
        on_progress: Progress | None = None,
    ) -> list[Answer]:
        """One answer for each question."""


def answer(
    question: Question,
    catalog: Catalog,
    effort: Effort,
    memory: Memory | None = None,
    start: Plan | None = None,
    watch: Watch | None = None,
) -> Plan:
    """The plan; raises what :func:`~ecoserve.planner.plan_fleet` raises."""
    return plan_fleet(
        question.scenario,
        catalog if question.band is None else catalog_at(catalog, question.band),
        effort,
        least_carbon_tie_break=question.least_carbon,
        restriction=question.restriction,
        memory=memory,
        rule=question.rule,
        watch=watch,
        start=start,
    )


def answered(planned: Callable[[], Plan]) -> Answer:
    """The plan that ``planned`` gives, or in words why it raises."""
    try:
        plan = planned()
    except InfeasibleError as error:
        return Answer(plan=None, status=Status.INFEASIBLE.value, reason=str(error))
    except SolverError as error:
        return Answer(plan=None, status=Status.STOPPED.value, reason=str(error))
    return Answer(plan=plan, status=plan.status.value)


@dataclass(frozen=True, slots=True)
class Serially:
    """The runner of one process; ``memory`` lends it what earlier plans have in common."""

    memory: Memory = field(default_factory=Memory)

    def __call__(
        self,
        questions: Sequence[Question],
        catalog: Catalog,
        effort: Effort,
        on_progress: Progress | None = None,
    ) -> list[Answer]:
        """One after the other; what questions have in common is built once."""
        one = one_by_one(catalog, self.memory)
        return collect(([one(question, effort)] for question in questions), questions, on_progress)


def serially(
    questions: Sequence[Question],
    catalog: Catalog,
    effort: Effort,
    on_progress: Progress | None = None,
) -> list[Answer]:
    """The runner of one process that remembers nothing from one call to the next."""
    return Serially()(questions, catalog, effort, on_progress)


@dataclass(frozen=True, slots=True)
class InProcesses:
    """The runner of several processes on this machine."""

    n_workers: int
    at_once: int | None = None
    """Questions that travel together; by default a few shares for each worker."""

    def __call__(
        self,
        questions: Sequence[Question],
        catalog: Catalog,
        effort: Effort,
        on_progress: Progress | None = None,
    ) -> list[Answer]:
        """Answers in chunks of neighbours, which share most."""
        jobs = (
            joblib.delayed(serially)(chunk, catalog, effort)
            for chunk in chunks(questions, self.n_workers, self.at_once)
        )
        return collect(in_processes(jobs, self.n_workers), questions, on_progress)


def chunks(
    questions: Sequence[Question], n_workers: int, at_once: int | None = None
) -> list[Sequence[Question]]:
    """Neighbours together: so many at once, or a few chunks for each worker."""
    size = at_once or max(1, -(-len(questions) // (n_workers * CHUNKS_PER_WORKER)))
    return [questions[i : i + size] for i in range(0, len(questions), size)]


def one_by_one(
    catalog: Catalog, memory: Memory | None = None
) -> Callable[[Question, Effort], Answer]:
    """Answers single questions; what they have in common is built once. For many threads."""
    shared = (memory or Memory()).without_starts()
    return lambda question, effort: answered(lambda: answer(question, catalog, effort, shared))


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


def answer_all(
    questions: Mapping[str, Question],
    catalog: Catalog,
    effort: Effort,
    run: Runner = serially,
    on_answer: OnAnswer | None = None,
) -> Answers:
    """Every question's plan or the reason that nothing serves; equal questions are planned once.

    ``on_answer`` hears each name, in the order asked, once its answer is there. Raises
    :class:`SolverError` where a search stopped without an answer.
    """
    distinct = {question.identity: question for question in questions.values()}
    place = {identity: i for i, identity in enumerate(distinct)}
    untold = list(questions) if on_answer else []

    def show(done: int, _total: int, _label: str) -> None:
        while untold and on_answer and place[questions[untold[0]].identity] < done:
            on_answer(untold.pop(0))

    found = run(list(distinct.values()), catalog, effort, show)
    answers = Answers()
    for name, question in questions.items():
        answers.add(name, found[place[question.identity]])
    return answers


def answer_in_turn(
    questions: Mapping[str, Question],
    catalog: Catalog,
    effort: Effort,
    memory: Memory,
    start: Plan,
    on_answer: OnAnswer | None = None,
) -> Answers:
    """Like :func:`answer_all`, but each search begins at the plan before, the first at ``start``.

    So a question that allows all that the one before did is not answered worse.
    """
    answers, told = Answers(), on_answer or (lambda _name: None)
    for name, question in questions.items():
        answers.add(name, answered(partial(answer, question, catalog, effort, memory, start)))
        start = answers.plans.get(name, start)
        told(name)
    return answers


def best_answers(questions: Mapping[str, Question], plans: Mapping[str, Plan]) -> dict[str, Plan]:
    """The plans by name; of several answers to one question the best stands for all."""
    best: dict[object, Plan] = {}
    for name, plan in plans.items():
        identity = questions[name].identity
        if identity not in best or plan.objective < best[identity].objective:
            best[identity] = plan
    return {name: best[questions[name].identity] for name in plans}
