"""What each lever is worth: alone, missing, and one after the other.

    only:<lever>      the least carbon as sold, with that one lever
    without:<lever>   the least carbon with every lever but that one
    waterfall         from ``cost`` as sold, lever by lever, to the least carbon with all of them

Rightsize is the freedom to choose hardware for its carbon. ``only:rightsize`` therefore is the
least carbon as sold, with no other lever; ``without:rightsize`` keeps every other lever but has to
make do with one accelerator, the one on which ``cost`` as sold spends most (of its servers' price,
electricity aside). Levers that the scenario does not allow are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ecoserve.baselines import free_data, keep_to, sell_whole, stay_at_home
from ecoserve.catalog import Catalog
from ecoserve.cost import server_cost
from ecoserve.plan import Plan
from ecoserve.questions import Question
from ecoserve.restriction import ANYWHERE
from ecoserve.scenario import Levers, Scenario, read_scenario

RIGHTSIZE = "rightsize"
LEVERS = (RIGHTSIZE, "phases_apart", "reuse", "reduce", "shift", "park")
"""In the order of the waterfall."""
ONLY, WITHOUT = "only:", "without:"
COST_AS_SOLD, CAP, OTHER_SITES = "cost as sold", "cap", "other sites"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterfallStep:
    """Carbon after one more lever, starting from the cost-optimal fleet as sold."""

    step: str
    kgco2e_per_year: float
    usd_per_h: float
    """Of the same plan: some levers save carbon with more servers."""
    within_gap: bool
    """Whether the change is smaller than what the solver left open."""


def allowed_levers(scenario: Scenario) -> tuple[str, ...]:
    """The levers that the scenario allows; Rightsize always is."""
    wanted = scenario.levers
    return tuple(lever for lever in LEVERS if lever == RIGHTSIZE or getattr(wanted, lever))


def only_questions(scenario: Scenario) -> dict[str, Question]:
    """``only:<lever>`` for every lever allowed."""
    return {
        f"{ONLY}{lever}": _carbon_as_sold(scenario, lever) for lever in allowed_levers(scenario)
    }


def no_worse(plans: Mapping[str, Plan]) -> dict[str, Plan]:
    """Where a lever alone was searched to something worse than no lever, the latter stands.

    That plan stays possible with the lever; its gap is then the one to the lever's own bound.
    """
    sold = plans.get(f"{ONLY}{RIGHTSIZE}")
    found = dict(plans)
    for key, plan in plans.items():
        if key.startswith(ONLY) and sold is not None and sold.objective < plan.objective:
            bound = min(plan.bound, sold.objective)
            gap = 1.0 - bound / sold.objective
            found[key] = replace(sold, bound=bound, gap=gap, status=plan.status)
    return found


def without_questions(
    scenario: Scenario, catalog: Catalog, cost: Plan | None
) -> dict[str, Question]:
    """``without:<lever>`` for every lever allowed.

    ``cost`` is that baseline's plan as sold; where it cannot serve, ``without:rightsize`` has no
    accelerator to make do with and is left out.
    """
    questions = {}
    for lever in allowed_levers(scenario):
        data = free_data(scenario, "carbon")
        if lever == RIGHTSIZE:
            if cost is None:
                continue
            pattern = keep_to(main_accelerator(cost, scenario, catalog), data)
        else:
            pattern = ANYWHERE
            data["levers"][lever] = False
        questions[f"{WITHOUT}{lever}"] = Question(scenario=read_scenario(data), restriction=pattern)
    return questions


def main_accelerator(plan: Plan, scenario: Scenario, catalog: Catalog) -> str:
    """The accelerator on whose servers the plan spends most per hour, electricity aside.

    Servers in stock count at what they would cost.
    """
    usd_per_h: dict[str, float] = {}
    for entry in sorted(plan.fleet, key=lambda entry: entry.server):
        server = catalog.server(entry.server)
        spent = entry.count * server_cost(server, scenario.hardware, catalog).usd_per_h
        key = server.accelerator_id
        usd_per_h[key] = usd_per_h.get(key, 0.0) + spent
    return max(sorted(usd_per_h), key=usd_per_h.__getitem__)


def waterfall_questions(scenario: Scenario) -> dict[str, Question]:
    """The steps after ``cost`` as sold, each with all levers of those before it."""
    return dict(_steps(scenario))


def read_waterfall(cost: Plan, plans: Mapping[str, Plan]) -> tuple[WaterfallStep, ...]:
    """The steps, each from the better of its own plan and the one before, which stays possible.

    ``cost`` is that baseline's plan as sold, ``plans`` those of :func:`waterfall_questions`.
    """
    best = cost
    steps = [
        WaterfallStep(
            step=COST_AS_SOLD,
            kgco2e_per_year=best.kgco2e_per_year,
            usd_per_h=best.usd_per_h,
            within_gap=False,
        )
    ]
    for name, plan in plans.items():
        steps.append(_step(name, best, plan))
        best = min(best, plan, key=lambda p: p.kgco2e_per_year)
    return tuple(steps)


def _step(name: str, before: Plan, after: Plan) -> WaterfallStep:
    """It is proven to help only below what the plan before could still have reached by itself."""
    best = min(before, after, key=lambda plan: plan.kgco2e_per_year)
    reachable = before.kgco2e_per_year * (1.0 - before.gap)
    return WaterfallStep(
        step=name,
        kgco2e_per_year=best.kgco2e_per_year,
        usd_per_h=best.usd_per_h,
        within_gap=best.kgco2e_per_year >= reachable,
    )


def _steps(scenario: Scenario) -> Iterator[tuple[str, Question]]:
    on: list[str] = []
    for lever in allowed_levers(scenario):
        on.append(lever)
        yield lever.replace("_", " "), _carbon_as_sold(scenario, *on)
    every = free_data(scenario, "carbon")
    at_home = free_data(scenario, "carbon")
    stay_at_home(at_home)
    if scenario.hardware.power_cap_ratios != (1.0,):
        yield CAP, Question(scenario=read_scenario(at_home))
    if at_home["other_sites"] != every["other_sites"]:
        yield OTHER_SITES, Question(scenario=read_scenario(every))


def _carbon_as_sold(scenario: Scenario, *levers: str) -> Question:
    data = free_data(scenario, "carbon")
    sell_whole(data)
    data["levers"] |= {lever: True for lever in levers if lever in Levers.model_fields}
    return Question(scenario=read_scenario(data))
