"""A plan beside everything it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ecoserve.ablations import (
    WITHOUT,
    WaterfallStep,
    allowed_levers,
    no_worse,
    only_questions,
    read_waterfall,
    waterfall_questions,
    without_questions,
)
from ecoserve.baselines import (
    COLUMNS,
    COST,
    GIVEN,
    SINGLE,
    baseline_names,
    baseline_question,
    chosen_names,
    given_fleet,
    plan_key,
    why_given_fails,
)
from ecoserve.catalog import Catalog
from ecoserve.errors import InfeasibleError
from ecoserve.plan import Plan
from ecoserve.planner import Effort, plan_fleet
from ecoserve.questions import (
    Answers,
    InProcesses,
    Progress,
    Question,
    Serially,
    answer_all,
    answer_in_turn,
    best_answers,
)
from ecoserve.scenario import Scenario
from ecoserve.structure import Memory
from ecoserve.what_ifs import ChangedWorld, WhatIf, changed_worlds

OURS = "ecoserve"
STEP = "waterfall: "
"""What stands before the name of a waterfall's step among the questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Our plan beside the others.

    Keys of ``plans``: ``ecoserve``, ``<baseline>``, ``<baseline>:same``, ``only:<lever>``,
    ``without:<lever>``.
    """

    plans: Mapping[str, Plan]
    blocked: Mapping[str, str]
    """Those that cannot serve this traffic, with the reason."""
    best_single: str
    """Key of the least-carbon single-accelerator fleet as sold; empty when none can serve."""
    waterfall: tuple[WaterfallStep, ...]
    """Empty where the cost baseline was not asked for or cannot serve."""
    what_ifs: tuple[WhatIf, ...]

    @property
    def savings(self) -> dict[str, float]:
        """Ours against each other plan, as a fraction of that plan's total carbon."""
        ours = self.plans[OURS].kgco2e_per_year
        return {
            key: 1.0 - ours / plan.kgco2e_per_year
            for key, plan in self.plans.items()
            if key != OURS
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What to compare with."""

    baselines: tuple[str, ...] | None = None
    """Names without columns; ``single`` and ``given`` stand for all of their kind. None: all."""
    ablations: bool = False
    """Each lever alone and all but each; they start from ``cost``, which they add."""
    what_ifs: bool = True


EVERY_BASELINE = Wishes()


def compare_plans(
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort = "interactive",
    on_progress: Progress | None = None,
    *,
    wishes: Wishes = EVERY_BASELINE,
    workers: int = 1,
    memory: Memory | None = None,
) -> Comparison:
    """Our plan, the baselines in both columns, the waterfall, ablations and what-ifs.

    ``workers`` are the processes that plan; they change no answer. Raises what
    :func:`~ecoserve.planner.plan_fleet` raises for the scenario itself, and
    :class:`~ecoserve.errors.ScenarioError` for baselines that there are not.
    """
    names = _names(wishes, scenario, catalog)
    asked, blocked = _baseline_questions(names, scenario, catalog)
    if wishes.ablations:
        asked |= only_questions(scenario)
    steps = waterfall_questions(scenario) if COST in names else {}
    worlds = changed_worlds(scenario, catalog) if wishes.what_ifs else ()
    every = asked | {world.key: world.question for world in worlds}
    last = [f"{WITHOUT}{lever}" for lever in allowed_levers(scenario)] if wishes.ablations else []
    tell = _Told(
        labels=[OURS, *every, *(f"{STEP}{name}" for name in steps), *last, "done"],
        on_progress=on_progress,
    )
    memory = (memory or Memory()).without_starts()
    run = Serially(memory) if workers == 1 else InProcesses(workers, at_once=1)
    ours = plan_fleet(scenario, catalog, effort, memory=memory)
    tell(OURS)
    found = answer_all(every, catalog, effort, run, tell)
    cost = found.plans.get(COST)
    fallen = Answers()
    if cost is not None:
        fallen = answer_in_turn(steps, catalog, effort, memory, cost, tell)
    final = Answers()
    if wishes.ablations:
        rest = without_questions(scenario, catalog, cost)
        final = answer_all(rest, catalog, effort, run, tell)
    reasons = {key: found.reasons[key] for key in asked if key in found.reasons}
    reasons |= _why_given_fail(reasons, asked, scenario, catalog, memory)
    tell.the_end()
    plans = {OURS: ours, **{key: found.plans[key] for key in asked if key in found.plans}}
    plans, falling = _best({OURS: Question(scenario=scenario), **asked}, plans, steps, fallen)
    return Comparison(
        plans=no_worse(plans) | final.plans,
        blocked=blocked | reasons | final.reasons,
        best_single=_best_single(plans),
        waterfall=() if cost is None else read_waterfall(cost, falling),
        what_ifs=tuple(_what_if(world, found) for world in worlds),
    )


@dataclass(slots=True, kw_only=True)
class _Told:
    """Counts answers; the label shown is that of the question in work."""

    labels: Sequence[str]
    on_progress: Progress | None
    done: int = 0

    def __post_init__(self) -> None:
        self._show()

    def __call__(self, _name: str) -> None:
        self.done += 1
        self._show()

    def the_end(self) -> None:
        """Some questions fell away."""
        if self.done < len(self.labels) - 1:
            self.done = len(self.labels) - 1
            self._show()

    def _show(self) -> None:
        if self.on_progress is not None:
            self.on_progress(self.done, len(self.labels) - 1, self.labels[self.done])


def _names(wishes: Wishes, scenario: Scenario, catalog: Catalog) -> tuple[str, ...]:
    if wishes.baselines is None:
        return baseline_names(scenario, catalog)
    names = chosen_names(wishes.baselines, scenario, catalog)
    return names if COST in names or not wishes.ablations else (COST, *names)


def _baseline_questions(
    names: Sequence[str], scenario: Scenario, catalog: Catalog
) -> tuple[dict[str, Question], dict[str, str]]:
    """Questions by key, and for those that cannot even be put the reason."""
    questions, blocked = {}, {}
    for name in names:
        for column in COLUMNS:
            try:
                question = baseline_question(name, column, scenario, catalog)
                questions[plan_key(name, column)] = question
            except InfeasibleError as error:
                blocked[plan_key(name, column)] = str(error)
    return questions, blocked


def _why_given_fail(
    reasons: Mapping[str, str],
    asked: Mapping[str, Question],
    scenario: Scenario,
    catalog: Catalog,
    memory: Memory,
) -> dict[str, str]:
    """What would do in place of each given fleet that cannot serve."""
    fleets = {
        key: given_fleet(key.removesuffix(":same"), scenario)
        for key in reasons
        if key.startswith(GIVEN)
    }
    return {
        key: why_given_fails(fleet, asked[key], reasons[key], catalog, memory)
        for key, fleet in fleets.items()
    }


def _best_single(plans: Mapping[str, Plan]) -> str:
    singles = [key for key in plans if key.startswith(SINGLE) and not key.endswith(":same")]
    return min(singles, key=lambda key: plans[key].kgco2e_per_year, default="")


def _best(
    asked: Mapping[str, Question],
    plans: Mapping[str, Plan],
    steps: Mapping[str, Question],
    fallen: Answers,
) -> tuple[dict[str, Plan], dict[str, Plan]]:
    """Plans and steps of the waterfall, the better answer where both asked the same."""
    every = {**asked, **{f"{STEP}{name}": question for name, question in steps.items()}}
    found = {**plans, **{f"{STEP}{name}": plan for name, plan in fallen.plans.items()}}
    best = best_answers(every, found)
    return {key: best[key] for key in plans}, {name: best[f"{STEP}{name}"] for name in fallen.plans}


def _what_if(world: ChangedWorld, found: Answers) -> WhatIf:
    return WhatIf(
        key=world.key,
        what=world.what,
        plan=found.plans.get(world.key),
        reason=found.reasons.get(world.key, ""),
    )
