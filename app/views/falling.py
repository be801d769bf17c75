"""The waterfall, ablations and what-ifs of the current scenario, question by question.

Every question waits its turn and is kept by itself, so that what two of them share is planned
once and who leaves the page loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app import state
from app.figures_four_rs import LeverWorth, RecycleBar
from app.solving.desk import Desk
from app.versus import plan_words
from ecoserve.ablations import (
    ONLY,
    RIGHTSIZE,
    WITHOUT,
    WaterfallStep,
    allowed_levers,
    no_worse,
    only_questions,
    read_waterfall,
    waterfall_questions,
    without_questions,
)
from ecoserve.baselines import COST
from ecoserve.errors import InfeasibleError
from ecoserve.plan import Plan
from ecoserve.planner import Effort
from ecoserve.questions import Question, best_answers
from ecoserve.refresh import planned_fleet, refresh_grid
from ecoserve.scenario import Scenario
from ecoserve.trends import DEFAULT_HORIZON_YEARS, catalog_assumptions
from ecoserve.what_ifs import WhatIf, changed_worlds

OURS = "ours"
CHEAPEST = "the cheapest fleet, as sold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """The waterfall and the plans behind it."""

    steps: tuple[WaterfallStep, ...]
    ours: Plan
    """Of the Plan page."""
    cost: Plan
    plans: Mapping[str, Plan]
    """By step; the better of its own search and of the plan's, where both asked the same."""


def fall(scenario: Scenario, effort: Effort, desk: Desk) -> Fall:
    """Step by step. Raises InfeasibleError where nothing, or not the cheapest fleet, can serve."""
    tell = desk.task.tell
    steps = waterfall_questions(scenario)
    names = ["this plan", CHEAPEST, *steps]
    tell(0, len(names), names[0])
    ours = desk.our_plan(scenario, effort)
    tell(1, len(names), names[1])
    found = desk.baseline_plan(scenario, COST, effort)
    if found.plan is None:
        raise InfeasibleError(f"no fleet as sold can serve this traffic: {found.reason}")
    before, plans = found.plan, {OURS: ours}
    for done, (name, question) in enumerate(steps.items(), start=2):
        tell(done, len(names), name.replace("_", " "))
        answer = desk.asked(question, effort, before)
        if answer.plan is not None:
            plans[name] = before = answer.plan
    best = best_answers({OURS: Question(scenario=scenario), **steps}, plans)
    mine = {name: plan for name, plan in best.items() if name != OURS}
    return Fall(steps=read_waterfall(found.plan, mine), ours=ours, cost=found.plan, plans=mine)


def in_steps(scenario: Scenario, desk: Desk) -> Fall:
    """The waterfall by the quick answers, shown at once; then by the better ones."""
    desk.task.show(fall(scenario, "quick", desk))
    return fall(scenario, "interactive", desk)


def recycle(plan: Plan, scenario: Scenario) -> RecycleBar | None:
    """What the best split refresh saves the plan's fleet; None where there is no server."""
    if not plan.fleet:
        return None
    catalog = state.catalog()
    grid = refresh_grid(planned_fleet(plan, scenario, catalog), catalog_assumptions(catalog))
    return RecycleBar(
        kgco2e_per_year=grid.recycle_kgco2e_per_year,
        ratio=grid.recycle_ratio,
        horizon_years=DEFAULT_HORIZON_YEARS,
    )


def lever_worths(scenario: Scenario, found: Fall, desk: Desk) -> tuple[LeverWorth, ...]:
    """Each lever alone, against none (Rightsize: against cost as sold), and all but each."""
    alone, missing = (
        only_questions(scenario),
        without_questions(scenario, desk.catalog, found.cost),
    )
    plans = dict(_plans(alone | missing, desk))
    best = best_answers(
        {**alone, **missing, **waterfall_questions(scenario)}, {**plans, **found.plans}
    )
    settled = no_worse({key: best[key] for key in plans})
    return tuple(_worth(lever, settled, found) for lever in allowed_levers(scenario))


def what_ifs(scenario: Scenario, desk: Desk) -> tuple[WhatIf, ...]:
    """The plan's question in changed worlds."""
    worlds = changed_worlds(scenario, desk.catalog)
    found = []
    for done, world in enumerate(worlds):
        desk.task.tell(done, len(worlds), world.what)
        answer = desk.asked(world.question, "interactive")
        found.append(WhatIf(key=world.key, what=world.what, plan=answer.plan, reason=answer.reason))
    return tuple(found)


def _plans(questions: Mapping[str, Question], desk: Desk) -> Iterator[tuple[str, Plan]]:
    for done, (key, question) in enumerate(questions.items()):
        desk.task.tell(done, len(questions), plan_words(key, question.scenario, desk.catalog))
        plan = desk.asked(question, "interactive").plan
        if plan is not None:
            yield key, plan


def _worth(lever: str, plans: Mapping[str, Plan], found: Fall) -> LeverWorth:
    sold = found.cost if lever == RIGHTSIZE else plans.get(f"{ONLY}{RIGHTSIZE}")
    alone, without = plans.get(f"{ONLY}{lever}"), plans.get(f"{WITHOUT}{lever}")
    last = min([found.ours, *found.plans.values()], key=lambda plan: plan.kgco2e_per_year)
    return LeverWorth(
        lever=lever.replace("_", " "),
        alone_kgco2e_per_year=_less(sold, alone),
        alone_open_kgco2e_per_year=_open(sold),
        missing_kgco2e_per_year=_less(without, last),
        missing_open_kgco2e_per_year=_open(without),
    )


def _less(more: Plan | None, less: Plan | None) -> float | None:
    return None if more is None or less is None else more.kgco2e_per_year - less.kgco2e_per_year


def _open(plan: Plan | None) -> float:
    return 0.0 if plan is None else plan.kgco2e_per_year * plan.gap
