"""Why not this accelerator: what the best fleet with at least one server of it would cost more.

Reduced costs mislead, since many fleets tie in the relaxation; so a server is forced in and the
whole fleet planned again around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecoserve.analysis.tasks import Answer, Progress, Question, Runner, serially
from ecoserve.catalog import Catalog
from ecoserve.fleet_rule import FleetRule
from ecoserve.options import allowed_servers, plannable
from ecoserve.plan import Plan
from ecoserve.planner import Effort
from ecoserve.rows import Server
from ecoserve.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Regret:
    """An accelerator that the plan does without, and what insisting on it would cost."""

    accelerator: str
    plan: Plan | None
    """The best fleet with it; None where there is none."""
    kgco2e_per_year: float | None
    """More than our plan's."""
    usd_per_h: float | None
    """More than our plan's; may be negative where the plan is for carbon."""
    objective_ratio: float | None
    """More of what is minimised, as a fraction of our plan's; never negative."""
    within_gap: bool
    """Whether the difference is smaller than what the solver left open."""
    idle: bool
    """Whether the server forced in would serve nothing."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """The plan and every allowed accelerator that is not in it, the nearest miss first."""

    plan: Plan
    """The best plan known; a forced one that turned out better takes the plan's place."""
    regrets: tuple[Regret, ...]


def why_not(
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort = "interactive",
    *,
    accelerators: Sequence[str] | None = None,
    run: Runner = serially,
    on_progress: Progress | None = None,
) -> WhyNot:
    """The regret of each allowed accelerator, or of those named, that the plan has no server of.

    Raises :class:`~ecoserve.errors.InfeasibleError` where the scenario has no plan.
    """
    kinds: dict[str, list[Server]] = {}
    for server in allowed_servers(scenario, catalog):
        kinds.setdefault(server.accelerator_id, []).append(server)
    wanted = [a for a in kinds if accelerators is None or a in accelerators]
    stack = scenario.hardware.stack
    known = [a for a in wanted if plannable(catalog.accelerator(a), stack, catalog)]
    questions = [Question(scenario=scenario, effort=effort, label="the plan")]
    for accelerator in known:
        rule = FleetRule(one_of=tuple(server.id for server in kinds[accelerator]))
        questions.append(Question(scenario=scenario, effort=effort, rule=rule, label=accelerator))
    first, *forced = run(questions, catalog, on_progress)
    plans = [answer.plan for answer in (first, *forced) if answer.plan is not None]
    if first.plan is None:
        first.expect()
    best = min(plans, key=lambda plan: plan.objective)
    inside = {catalog.server(entry.server).accelerator_id for entry in best.fleet}
    answers = dict(zip(known, forced, strict=True))
    regrets = [
        _regret(accelerator, answers.get(accelerator), best, scenario, catalog)
        for accelerator in wanted
        if accelerator not in inside
    ]
    return WhyNot(plan=best, regrets=tuple(sorted(regrets, key=_nearest_first)))


def _nearest_first(regret: Regret) -> tuple[bool, float, str]:
    ratio = regret.objective_ratio
    return ratio is None, ratio or 0.0, regret.accelerator


def _regret(
    accelerator: str, answer: Answer | None, best: Plan, scenario: Scenario, catalog: Catalog
) -> Regret:
    name = catalog.accelerator(accelerator).name
    if answer is None or answer.plan is None:
        stack = scenario.hardware.stack
        unknown = f"its speed with {stack} or its power is not known"
        reason = unknown if answer is None else f"no fleet with it: {answer.reason}"
        return Regret(
            accelerator=accelerator, plan=None, kgco2e_per_year=None, usd_per_h=None,
            objective_ratio=None, within_gap=False, idle=False, sentence=f"{name}: {reason}",
        )  # fmt: skip
    plan = answer.plan
    more = plan.objective / best.objective - 1.0 if best.objective > 0 else 0.0
    return Regret(
        accelerator=accelerator,
        plan=plan,
        kgco2e_per_year=plan.kgco2e_per_year - best.kgco2e_per_year,
        usd_per_h=plan.usd_per_h - best.usd_per_h,
        objective_ratio=more,
        within_gap=plan.bound <= best.objective,
        idle=all(pool.accelerator != accelerator for pool in plan.pools),
        sentence=f"{name}: {_words(accelerator, plan, best)}",
    )


def _words(accelerator: str, plan: Plan, best: Plan) -> str:
    kg = plan.kgco2e_per_year - best.kgco2e_per_year
    usd = plan.usd_per_h - best.usd_per_h
    costs = f"{kg:+,.0f} kg a year ({kg / best.kgco2e_per_year:+.1%}) and {usd:+.2f} USD/h"
    if all(pool.accelerator != accelerator for pool in plan.pools):
        return f"a server of it would stand idle beside the rest, {costs}"
    if plan.bound <= best.objective:
        return f"not proven worse than the plan, the search left {plan.gap:.0%} open: {costs}"
    return f"the best fleet with at least one server of it: {costs}"
