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

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ecoserve.baselines import free_data, keep_to, sell_whole, stay_at_home
from ecoserve.catalog import Catalog
from ecoserve.cost import server_cost
from ecoserve.plan import Plan
from ecoserve.questions import Question
from ecoserve.restriction import ANYWHERE
from ecoserve.scenario import Scenario, read_scenario
from ecoserve.scenario_parts import Levers

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
    """Whether the bounds proven for this plan and the one before leave open that the lever is
    worth nothing."""
    worth_range_kgco2e_per_year: tuple[float, float]
    """Least and most that the lever can be worth here, by the bounds proven for both."""


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

    ``cost`` is that baseline's plan as sold, ``plans`` those of :func:`waterfall_questions`. What
    more levers are proven to need, fewer need as well, so a bound holds for all steps before it.
    """
    bounds: list[float] = []
    for plan in reversed([cost, *plans.values()]):
        bounds.insert(0, max([_bound(plan), *bounds[:1]]))
    stands = [_Standing(cost, bounds[0])]
    for plan, bound in zip(plans.values(), bounds[1:], strict=True):
        best = min(stands[-1].plan, plan, key=lambda p: p.kgco2e_per_year)
        stands.append(_Standing(best, bound))
    first = WaterfallStep(
        step=COST_AS_SOLD,
        kgco2e_per_year=cost.kgco2e_per_year,
        usd_per_h=cost.usd_per_h,
        within_gap=False,
        worth_range_kgco2e_per_year=(0.0, 0.0),
    )
    pairs = zip(plans, itertools.pairwise(stands), strict=True)
    return (first, *(_step(name, before, after) for name, (before, after) in pairs))


@dataclass(frozen=True, slots=True)
class _Standing:
    """The best plan up to a step, and what that step is proven to need, kgCO2e a year."""

    plan: Plan
    bound: float

    @property
    def open_kgco2e_per_year(self) -> float:
        return max(0.0, self.plan.kgco2e_per_year - self.bound)


def _bound(plan: Plan) -> float:
    return plan.kgco2e_per_year * (1.0 - plan.gap)


def _step(name: str, before: _Standing, after: _Standing) -> WaterfallStep:
    change = before.plan.kgco2e_per_year - after.plan.kgco2e_per_year
    return WaterfallStep(
        step=name,
        kgco2e_per_year=after.plan.kgco2e_per_year,
        usd_per_h=after.plan.usd_per_h,
        within_gap=change <= before.open_kgco2e_per_year,
        worth_range_kgco2e_per_year=(
            max(0.0, change - before.open_kgco2e_per_year),
            change + after.open_kgco2e_per_year,
        ),
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
