"""Why not this accelerator, and why that one: what deciding otherwise about it would cost more.

Reduced costs mislead, since many fleets tie in the relaxation; so a server of what was left out is
forced in, what was chosen is left out, and the whole fleet is planned again each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ecoserve.analysis.edits import edited
from ecoserve.answer import relative_gap
from ecoserve.catalog import Catalog
from ecoserve.fleet_rule import FleetRule, servers_of
from ecoserve.offers import allowed_servers, host_variants, plannable
from ecoserve.plan import FleetEntry, Plan, Status
from ecoserve.planner import Effort
from ecoserve.questions import Answer, Progress, Question, Runner, serially
from ecoserve.rows import Server
from ecoserve.scenario import Scenario
from ecoserve.terms import FULL

SURE_GAP = 0.02
"""Up to this gap a search with a server forced in is taken to have found the best such fleet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regret:
    """An accelerator, and what insisting on it, or doing without it, would cost."""

    accelerator: str
    plan: Plan | None
    """The best fleet with it, or without it; None where there is none."""
    kgco2e_per_year: float | None
    """More than our plan's."""
    usd_per_h: float | None
    """More than our plan's; may be negative where the plan is for carbon."""
    objective_ratio: float | None
    """More of what is minimised, as a fraction of our plan's; less only within the gap."""
    within_gap: bool
    """Whether the difference is smaller than what the solver left open."""
    idle: bool
    """Whether a server forced in would serve nothing."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """The plan and every allowed accelerator that is not in it, the nearest miss first."""

    plan: Plan
    """The best plan known; a forced one that turned out better takes the plan's place."""
    regrets: tuple[Regret, ...]
    without: tuple[Regret, ...]
    """Every accelerator in the plan, owned servers too, and what doing without it would cost."""


def why_not(
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort = "interactive",
    *,
    accelerators: Sequence[str] | None = None,
    run: Runner = serially,
    on_progress: Progress | None = None,
) -> WhyNot:
    """The regret of each allowed accelerator and of each in the plan, or of those named.

    Those that the plan has no server of are forced in, those that it has are left out. Raises
    :class:`~ecoserve.errors.InfeasibleError` where the scenario has no plan.
    """
    kinds: dict[str, list[Server]] = {}
    for server in allowed_servers(scenario, catalog):
        kinds.setdefault(server.accelerator_id, []).append(server)
    wanted = [a for a in kinds if accelerators is None or a in accelerators]
    stack = scenario.hardware.stack
    known = [a for a in wanted if plannable(catalog.accelerator(a), stack, catalog)]
    questions = [Question(scenario=scenario, label="the plan")]
    for accelerator in known:
        rule = FleetRule(one_of=tuple(server.id for server in kinds[accelerator]))
        questions.append(Question(scenario=scenario, rule=rule, label=accelerator))
    first, *forced = run(questions, catalog, effort, on_progress)
    plans = [answer.plan for answer in (first, *forced) if answer.plan is not None]
    if first.plan is None:
        first.expect()
    best = min(plans, key=lambda plan: plan.objective)
    inside = sorted({catalog.server(entry.server).accelerator_id for entry in best.fleet})
    answers = dict(zip(known, forced, strict=True))
    missing = [a for a in known if a not in inside]
    near = {a: _beside_question(a, kinds[a], best, scenario, catalog) for a in missing}
    near = {a: question for a, question in near.items() if _is_open(answers[a])}
    added = run(list(near.values()), catalog, effort, on_progress)
    for accelerator, beside in zip(near, added, strict=True):
        answers[accelerator] = _better(answers[accelerator], beside)
    regrets = [
        _with(accelerator, answers.get(accelerator), best, scenario, catalog)
        for accelerator in wanted
        if accelerator not in inside
    ]
    chosen = [a for a in inside if accelerators is None or a in accelerators]
    spared = [a for a in chosen if set(kinds) - {a}]
    questions = [_question_without(a, sorted(kinds), scenario, catalog) for a in spared]
    left_out = dict(zip(spared, run(questions, catalog, effort, on_progress), strict=True))
    without = [_without(a, left_out.get(a), best, catalog) for a in chosen]
    return WhyNot(
        plan=best,
        regrets=tuple(sorted(regrets, key=_nearest_first)),
        without=tuple(sorted(without, key=_nearest_first)),
    )


def _beside_question(
    accelerator: str, servers: Sequence[Server], best: Plan, scenario: Scenario, catalog: Catalog
) -> Question:
    """The best plan's fleet and the smallest server of an accelerator."""
    small = min(servers, key=lambda server: (server.n_accelerators, server.id))
    variants = [name for name, _ in host_variants(small, scenario, catalog)]
    one = FleetEntry(
        site=scenario.site.name,
        server=small.id,
        variant=variants[-1] if variants else FULL,
        count=1,
    )
    rule = FleetRule(fleet=(*servers_of(best.fleet), one))
    return Question(scenario=scenario, rule=rule, label=f"{accelerator} beside the plan")


def _is_open(answer: Answer) -> bool:
    """Whether a search for the best fleet with an accelerator may have missed one near the plan."""
    return answer.plan is not None and answer.plan.gap > SURE_GAP


def _better(forced: Answer, beside: Answer) -> Answer:
    """The cheaper of the two fleets, with what was proven of all fleets with the accelerator."""
    one, other = forced.plan, beside.plan
    if one is None or other is None or other.objective >= one.objective:
        return forced
    bound = min(one.bound, other.objective)
    gap = relative_gap(other.objective, bound)
    return replace(forced, plan=replace(other, bound=bound, gap=gap, status=Status.FEASIBLE))


def _question_without(
    accelerator: str,
    allowed: Sequence[str],
    scenario: Scenario,
    catalog: Catalog,
) -> Question:
    """The scenario with no server of an accelerator to be bought or owned."""
    hardware = scenario.model_dump(mode="json")["hardware"]

    def kept(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [r for r in rows if catalog.server(r["server"]).accelerator_id != accelerator]

    edits = {
        "hardware.accelerators": [other for other in allowed if other != accelerator],
        "hardware.limits": kept(hardware["limits"]),
        "hardware.stock": kept(hardware["stock"]),
    }
    label = f"without {accelerator}"
    return Question(scenario=edited(scenario, edits), label=label)


def _nearest_first(regret: Regret) -> tuple[bool, float, str]:
    ratio = regret.objective_ratio
    return ratio is None, ratio or 0.0, regret.accelerator


def _with(
    accelerator: str, answer: Answer | None, best: Plan, scenario: Scenario, catalog: Catalog
) -> Regret:
    name = catalog.accelerator(accelerator).name
    if answer is None:
        stack = scenario.hardware.stack
        return _none(accelerator, f"{name}: its speed with {stack} or its power is not known")
    if answer.plan is None:
        return _none(accelerator, f"{name}: no fleet with it: {answer.reason}")
    if all(pool.accelerator != accelerator for pool in answer.plan.pools):
        words = f"{name}: a server of it would stand idle beside the rest"
        return _some(accelerator, answer.plan, best, words, idle=True)
    words = f"{name}: the best fleet with at least one server of it"
    return _some(accelerator, answer.plan, best, words)


def _without(accelerator: str, answer: Answer | None, best: Plan, catalog: Catalog) -> Regret:
    words = f"Without {catalog.accelerator(accelerator).name}"
    if answer is None:
        return _none(accelerator, f"{words}: no fleet: nothing else is allowed")
    if answer.plan is None:
        return _none(accelerator, f"{words}: no fleet: {answer.reason}")
    return _some(accelerator, answer.plan, best, f"{words}: the best fleet")


def _none(accelerator: str, sentence: str) -> Regret:
    return Regret(
        accelerator=accelerator, plan=None, kgco2e_per_year=None, usd_per_h=None,
        objective_ratio=None, within_gap=False, idle=False, sentence=sentence,
    )  # fmt: skip


def _some(accelerator: str, plan: Plan, best: Plan, words: str, *, idle: bool = False) -> Regret:
    kg = plan.kgco2e_per_year - best.kgco2e_per_year
    usd = plan.usd_per_h - best.usd_per_h
    within_gap = plan.bound <= best.objective
    costs = f"{kg:+,.0f} kg a year ({kg / best.kgco2e_per_year:+.1%}) and {usd:+.2f} USD/h"
    if within_gap:
        name = words.partition(":")[0]
        words = f"{name}: not proven worse than the plan, the search left {plan.gap:.0%} open"
        idle = False
    return Regret(
        accelerator=accelerator,
        plan=plan,
        kgco2e_per_year=kg,
        usd_per_h=usd,
        objective_ratio=plan.objective / best.objective - 1.0 if best.objective > 0 else 0.0,
        within_gap=within_gap,
        idle=idle,
        sentence=f"{words}, {costs}" if idle else f"{words}: {costs}",
    )
