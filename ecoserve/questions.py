"""Planning questions that stand side by side, and their answers.

Baselines, ablations and what-ifs are each a scenario, perhaps with a pattern that the fleet must
have. Many of them turn out to be the same question; each is planned once. The answers depend
neither on their order nor on who plans them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from joblib import Parallel, delayed

from ecoserve.catalog import Catalog
from ecoserve.errors import InfeasibleError
from ecoserve.plan import Plan
from ecoserve.planner import Effort, plan_fleet
from ecoserve.restriction import ANYWHERE, Restriction
from ecoserve.scenario import Scenario, canonical_json
from ecoserve.structure import Memory

OnAnswer = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What :func:`~ecoserve.planner.plan_fleet` is asked, but for the effort."""

    scenario: Scenario
    restriction: Restriction = ANYWHERE
    least_carbon: bool = True
    """Take the least-carbon plan within 0.5 % of the optimum, as baselines are defined."""

    @property
    def identity(self) -> tuple[str, Restriction, bool]:
        """Equal where the answers must be."""
        policy = self.scenario.policy
        carbon = policy.objective == "carbon" and policy.carbon_price_usd_per_t is None
        return canonical_json(self.scenario), self.restriction, self.least_carbon and not carbon


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Plans by name, and for the rest why there is none."""

    plans: dict[str, Plan] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def answer(
    question: Question, catalog: Catalog, effort: Effort, memory: Memory | None = None
) -> Plan:
    """The plan; raises what :func:`~ecoserve.planner.plan_fleet` raises."""
    return plan_fleet(
        question.scenario,
        catalog,
        effort,
        least_carbon_tie_break=question.least_carbon,
        restriction=question.restriction,
        memory=memory,
    )


def answer_all(
    questions: Mapping[str, Question],
    catalog: Catalog,
    effort: Effort,
    memory: Memory,
    *,
    workers: int = 1,
    on_answer: OnAnswer | None = None,
) -> Answers:
    """Every question's plan or the reason that there is none, in the order asked.

    ``workers`` above 1 plan in processes of their own, without ``memory``; threads would not help,
    since the search holds Python's lock. ``on_answer`` hears each name once its answer is there.
    """
    distinct = {question.identity: question for question in questions.values()}
    found = dict.fromkeys(distinct, "")
    results = _results(list(distinct.values()), catalog, effort, memory, workers)
    answers, told = Answers(), on_answer or (lambda _name: None)
    known: dict[object, Plan | str] = {}
    coming = zip(found, results, strict=True)
    for name, question in questions.items():
        while question.identity not in known:
            identity, result = next(coming)
            known[identity] = result
        result = known[question.identity]
        if isinstance(result, Plan):
            answers.plans[name] = result
        else:
            answers.reasons[name] = result
        told(name)
    return answers


def _results(
    questions: Sequence[Question], catalog: Catalog, effort: Effort, memory: Memory, workers: int
) -> Iterator[Plan | str]:
    if workers == 1 or len(questions) < 2:
        return (_result(question, catalog, effort, memory) for question in questions)
    parallel = Parallel(n_jobs=workers, return_as="generator")
    jobs = (delayed(_result)(question, catalog, effort, None) for question in questions)
    results: Iterator[Plan | str] = parallel(jobs)
    return results


def _result(
    question: Question, catalog: Catalog, effort: Effort, memory: Memory | None
) -> Plan | str:
    try:
        return answer(question, catalog, effort, memory)
    except InfeasibleError as error:
        return str(error)
