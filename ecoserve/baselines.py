"""The fleets people would buy instead, planned with the same demand and priced by the same account.

Two columns: ``as_sold`` (prefill and decode together, no Reuse, always on, offline work as it
arrives: what is bought today) and
``same`` (every lever of ours, another objective). A baseline is the least-carbon plan within 0.5 %
of its own optimum, so that ties neither flatter nor shame anyone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ecoserve.catalog import Catalog
from ecoserve.errors import InfeasibleError, Problem, ScenarioError
from ecoserve.options import allowed_servers
from ecoserve.plan import Plan
from ecoserve.planner import Effort, plan_fleet
from ecoserve.scenario import Levers, Scenario, read_scenario
from ecoserve.structure import Memory

PriceColumn = Literal["as_sold", "same"]
COLUMNS: tuple[PriceColumn, ...] = ("as_sold", "same")
AS_SOLD = {name: False for name in Levers.model_fields}
"""Levers of what is bought today: whole requests on one pool, offline work as it arrives."""
COST = "cost"
SINGLE = "single:"
OURS = "ecoserve"
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterfallStep:
    """Carbon after one more lever, starting from the cost-optimal fleet as sold."""

    step: str
    kgco2e_per_year: float
    within_gap: bool
    """Whether the change is smaller than what the solver left open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Our plan beside the baselines. Keys: ``cost``, ``cost:same``, ``single:<id>``, ..."""

    plans: Mapping[str, Plan]
    blocked: Mapping[str, str]
    """Baselines that cannot serve this traffic, with the reason."""
    best_single: str
    """Key of the least-carbon single-accelerator fleet as sold; empty when none can serve."""
    waterfall: tuple[WaterfallStep, ...]

    @property
    def savings(self) -> dict[str, float]:
        """Ours against each baseline, as a fraction of that baseline's total carbon."""
        ours = self.plans[OURS].kgco2e_per_year
        return {
            key: 1.0 - ours / plan.kgco2e_per_year
            for key, plan in self.plans.items()
            if key != OURS
        }


def plan_key(name: str, column: PriceColumn) -> str:
    """The key of a baseline in one column."""
    return f"{name}:same" if column == "same" else name


def baseline_scenario(name: str, column: PriceColumn, scenario: Scenario) -> Scenario:
    """The scenario as the baseline's buyer would plan it.

    Raises :class:`ScenarioError` for a name that is neither ``cost`` nor ``single:<accelerator>``.
    """
    data = scenario.model_dump(mode="json")
    data["policy"]["carbon_price_usd_per_t"] = None
    if column == "as_sold":
        data["levers"] |= AS_SOLD
    if name == COST:
        data["policy"]["objective"] = "cost"
    elif name.startswith(SINGLE):
        data["policy"]["objective"] = "carbon"
        data["hardware"]["accelerators"] = [name.removeprefix(SINGLE)]
    else:
        known = "cost, single:<accelerator>"
        raise ScenarioError([Problem("baseline", f"no baseline {name!r}; there are: {known}")])
    return read_scenario(data)


def plan_baseline(
    name: str,
    column: PriceColumn,
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort = "interactive",
    memory: Memory | None = None,
) -> Plan:
    """One baseline; raises :class:`InfeasibleError` where it cannot serve the traffic."""
    return plan_fleet(
        baseline_scenario(name, column, scenario),
        catalog,
        effort,
        least_carbon_tie_break=True,
        memory=memory,
    )


def single_names(scenario: Scenario, catalog: Catalog) -> tuple[str, ...]:
    """The single-accelerator baselines of the scenario's allowed hardware."""
    ids = {server.accelerator_id for server in allowed_servers(scenario, catalog)}
    return tuple(f"{SINGLE}{accelerator_id}" for accelerator_id in sorted(ids))


def best_single(
    scenario: Scenario,
    catalog: Catalog,
    column: PriceColumn,
    effort: Effort = "interactive",
    memory: Memory | None = None,
) -> tuple[str, Plan]:
    """The least-carbon fleet of one accelerator: (name, plan).

    All are planned quickly first; those whose proven bound is above the best quick answer are out.
    """
    quick: dict[str, Plan] = {}
    for name in single_names(scenario, catalog):
        try:
            quick[name] = plan_baseline(name, column, scenario, catalog, "quick", memory)
        except InfeasibleError:
            continue
    if not quick:
        raise InfeasibleError("no single accelerator serves all of this traffic")
    bar = min(plan.objective for plan in quick.values())
    plans = {
        name: plan
        if effort == "quick"
        else plan_baseline(name, column, scenario, catalog, effort, memory)
        for name, plan in quick.items()
        if plan.bound <= bar
    }
    best = min(plans, key=lambda name: plans[name].kgco2e_per_year)
    return best, plans[best]


def compare_plans(
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort = "interactive",
    on_progress: Progress | None = None,
) -> Comparison:
    """Our plan, every baseline in both columns, and the waterfall from ``cost`` as sold."""
    names = (COST, *single_names(scenario, catalog))
    jobs = [(name, column) for name in names for column in COLUMNS]
    report = on_progress or (lambda _done, _total, _name: None)
    total = len(jobs) + 2
    report(0, total, OURS)
    memory = Memory()
    plans = {OURS: plan_fleet(scenario, catalog, effort, memory=memory)}
    blocked: dict[str, str] = {}
    for done, (name, column) in enumerate(jobs, start=1):
        key = plan_key(name, column)
        report(done, total, key)
        try:
            plans[key] = plan_baseline(name, column, scenario, catalog, effort, memory)
        except InfeasibleError as error:
            blocked[key] = str(error)
    report(total - 1, total, "waterfall")
    steps = _waterfall(plans, scenario, catalog, effort)
    report(total, total, "done")
    singles = [key for key in plans if key.startswith(SINGLE) and not key.endswith(":same")]
    best = min(singles, key=lambda key: plans[key].kgco2e_per_year, default="")
    return Comparison(plans=plans, blocked=blocked, best_single=best, waterfall=steps)


def _waterfall(
    plans: Mapping[str, Plan], scenario: Scenario, catalog: Catalog, effort: Effort
) -> tuple[WaterfallStep, ...]:
    """Rightsize, phases apart, Reuse, Shift, each on top of the one before, as far as allowed."""
    if COST not in plans:
        return ()
    wanted = scenario.levers
    levers: dict[str, Any] = dict(AS_SOLD)
    best = plans[COST]
    steps = [
        WaterfallStep(step="cost as sold", kgco2e_per_year=best.kgco2e_per_year, within_gap=False)
    ]
    for step, lever, allowed in (
        ("rightsize", None, True),
        ("phases apart", "phases_apart", wanted.phases_apart),
        ("reuse", "reuse", wanted.reuse),
        ("shift", "shift", wanted.shift),
    ):
        if not allowed:
            continue
        if lever is not None:
            levers[lever] = True
        plan = _with_levers(scenario, catalog, effort, levers)
        steps.append(_step(step, best, plan))
        best = min(best, plan, key=lambda p: p.kgco2e_per_year)
    return tuple(steps)


def _with_levers(
    scenario: Scenario, catalog: Catalog, effort: Effort, levers: Mapping[str, Any]
) -> Plan:
    data = scenario.model_dump(mode="json")
    data["levers"] |= levers
    data["policy"] |= {"objective": "carbon", "carbon_price_usd_per_t": None}
    return plan_fleet(read_scenario(data), catalog, effort)


def _step(name: str, before: Plan, after: Plan) -> WaterfallStep:
    """A step that allows more is never worse: the plan before it stays possible.

    It is proven to help only below what the plan before could still have reached by itself.
    """
    total = min(before.kgco2e_per_year, after.kgco2e_per_year)
    reachable = before.kgco2e_per_year * (1.0 - before.gap)
    return WaterfallStep(step=name, kgco2e_per_year=total, within_gap=total >= reachable)
