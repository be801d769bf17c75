"""The fleets people would buy instead, planned with the same demand and priced by the same account.

Two columns: ``as_sold`` (prefill and decode together, whole hosts, no Reuse, always on, offline
work as it arrives, no power caps, at the users' site: what is bought today) and ``same`` (every
lever of ours, another objective). A baseline is the least-carbon plan within 0.5 % of its own
optimum, so that ties neither flatter nor shame anyone.

    cost                   least USD/h, after Mélange
    energy                 least facility energy
    performance            each LLM on its fastest option, then the fewest servers
    splitwise              least USD/h, prefill and decode pools on the flagship only
    splitwise:two          the same, prefill on the flagship, decode on the one of earlier years
    single:<accelerator>   least carbon with that accelerator only
    given:<name>           the user's own fleet; only how it is run is chosen, for least carbon

A budget binds everybody like power and space do; a cap on carbon is only ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from ecoserve.catalog import Catalog
from ecoserve.errors import InfeasibleError, Problem, ScenarioError
from ecoserve.offers import allowed_servers, offered_precisions, offered_servers, plannable
from ecoserve.performance import accelerator_replica
from ecoserve.plan import Plan
from ecoserve.planner import Effort
from ecoserve.questions import Question, answer
from ecoserve.restriction import ANYWHERE, Restriction
from ecoserve.rows import Accelerator, Llm
from ecoserve.scenario import Scenario, read_scenario
from ecoserve.scenario_parts import GivenFleet, Levers
from ecoserve.structure import Memory

PriceColumn = Literal["as_sold", "same"]
COLUMNS: tuple[PriceColumn, ...] = ("as_sold", "same")
AS_SOLD = {name: False for name in Levers.model_fields}
"""Levers of what is bought today: none."""
COST, ENERGY, PERFORMANCE = "cost", "energy", "performance"
SPLITWISE, SPLITWISE_TWO = "splitwise", "splitwise:two"
SINGLE, GIVEN = "single:", "given:"
OBJECTIVES = {
    COST: "cost",
    ENERGY: "energy",
    PERFORMANCE: "performance",
    SPLITWISE: "cost",
    SPLITWISE_TWO: "cost",
}
"""Of the baselines with one of their own; the others emit as little as they can."""


def plan_key(name: str, column: PriceColumn) -> str:
    """The key of a baseline in one column."""
    return f"{name}:same" if column == "same" else name


def baseline_names(scenario: Scenario, catalog: Catalog) -> tuple[str, ...]:
    """Every baseline of this scenario, without columns."""
    splits: tuple[str, ...] = (SPLITWISE,) if _choices(scenario, catalog) else ()
    if splits and one_before(scenario, catalog) is not None:
        splits += (SPLITWISE_TWO,)
    given = (f"{GIVEN}{fleet.name}" for fleet in scenario.given)
    singles = single_names(scenario, catalog)
    return (COST, ENERGY, PERFORMANCE, *splits, *singles, *given)


def chosen_names(wanted: Sequence[str], scenario: Scenario, catalog: Catalog) -> tuple[str, ...]:
    """The wanted baselines; ``single`` and ``given`` stand for all of their kind.

    Raises :class:`ScenarioError` with every name that is none.
    """
    known = baseline_names(scenario, catalog)
    chosen: dict[str, None] = {}
    problems = []
    for name in wanted:
        group = [other for other in known if other.startswith(f"{name}:")]
        found = group if f"{name}:" in (SINGLE, GIVEN) else [name] * (name in known)
        chosen |= dict.fromkeys(found)
        if not found:
            problems.append(_unknown(name, known))
    if problems:
        raise ScenarioError(problems)
    return tuple(chosen)


def _unknown(name: str, known: Sequence[str]) -> Problem:
    return Problem("baseline", f"no baseline {name!r}; there are: {', '.join(known)}")


def baseline_question(
    name: str, column: PriceColumn, scenario: Scenario, catalog: Catalog
) -> Question:
    """The question that the baseline's buyer would put.

    Raises :class:`ScenarioError` for an unknown name, :class:`InfeasibleError` for a given fleet
    that is not on offer.
    """
    known = baseline_names(scenario, catalog)
    if name not in known:
        raise ScenarioError([_unknown(name, known)])
    data = free_data(scenario, OBJECTIVES.get(name, "carbon"))
    if column == "as_sold":
        sell_whole(data)
    pattern = ANYWHERE
    if name in (SPLITWISE, SPLITWISE_TWO):
        prefill_on, decode_on = _splitwise_pair(name, scenario, catalog)
        data["levers"]["phases_apart"] = True
        data["hardware"]["accelerators"] = sorted({prefill_on, decode_on})
        pattern = Restriction(prefill_on=(prefill_on,), decode_on=(decode_on,), mixed_on=())
    elif name.startswith(SINGLE):
        pattern = keep_to(name.removeprefix(SINGLE), data)
    elif name.startswith(GIVEN):
        _hold_fleet(data, given_fleet(name, scenario), scenario, catalog)
    return Question(scenario=read_scenario(data), restriction=pattern, least_carbon=True)


def plan_baseline(
    name: str,
    column: PriceColumn,
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort = "interactive",
    memory: Memory | None = None,
) -> Plan:
    """One baseline; raises :class:`InfeasibleError` where it cannot serve the traffic."""
    question = baseline_question(name, column, scenario, catalog)
    try:
        return answer(question, catalog, effort, memory)
    except InfeasibleError as error:
        if name.startswith(GIVEN):
            fleet = given_fleet(name, scenario)
            reason = why_given_fails(fleet, question, str(error), catalog, memory)
            raise InfeasibleError(reason, error.blocked) from error
        raise


def free_data(scenario: Scenario, objective: str) -> dict[str, Any]:
    """The scenario as plain data with another objective and no wish about its carbon."""
    data = scenario.model_dump(mode="json")
    data["policy"] |= {
        "objective": objective,
        "carbon_price_usd_per_t": None,
        "max_kgco2e_per_year": None,
    }
    return data


def sell_whole(data: dict[str, Any]) -> None:
    """Takes every lever away, as what is bought today has none."""
    data["levers"] |= AS_SOLD
    data["hardware"]["power_cap_ratios"] = [1.0]
    stay_at_home(data)


def stay_at_home(data: dict[str, Any]) -> None:
    """Leaves the users' site only, unless some workload may not be served there."""
    home = data["site"]["name"]
    if any(home not in (workload["sites"] or [home]) for workload in data["workloads"]):
        return
    data["other_sites"] = []
    data["workloads"] = [{**workload, "sites": None} for workload in data["workloads"]]
    stock = data["hardware"]["stock"]
    data["hardware"]["stock"] = [row for row in stock if row["site"] in (None, home)]


def keep_to(accelerator_id: str, data: dict[str, Any]) -> Restriction:
    """Lets the scenario buy one accelerator only, and use no other that is owned."""
    data["hardware"]["accelerators"] = [accelerator_id]
    only = (accelerator_id,)
    return Restriction(prefill_on=only, decode_on=only, mixed_on=only)


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


def flagship(scenario: Scenario, catalog: Catalog) -> Accelerator:
    """The allowed accelerator with the most dense bf16 TFLOPS; ties go to the wider memory.

    Of those whose servers hold every model, where there are any: nobody would buy another.
    """
    choices = _choices(scenario, catalog)
    return max([a for a in choices if _holds_all(a, scenario, catalog)] or choices, key=_strength)


def one_before(scenario: Scenario, catalog: Catalog) -> Accelerator | None:
    """The strongest allowed accelerator launched in an earlier year than the flagship, if any.

    Strongest of the earlier ones, not the latest of them: a small card launched in between is no
    generation of flagships, and would hobble the baseline.
    """
    newest = flagship(scenario, catalog)
    earlier = [a for a in _choices(scenario, catalog) if a.launch_year < newest.launch_year]
    holding = [a for a in earlier if _holds_all(a, scenario, catalog)]
    return max(holding or earlier, key=_strength, default=None)


def _splitwise_pair(name: str, scenario: Scenario, catalog: Catalog) -> tuple[str, str]:
    """Accelerators of the prefill and of the decode pools."""
    newest, before = flagship(scenario, catalog), one_before(scenario, catalog)
    return newest.id, (newest if name == SPLITWISE or before is None else before).id


def _choices(scenario: Scenario, catalog: Catalog) -> list[Accelerator]:
    """Allowed accelerators on offer whose speed and power are known, by id."""
    ids = {server.accelerator_id for server in allowed_servers(scenario, catalog)}
    accelerators = (catalog.accelerator(accelerator_id) for accelerator_id in sorted(ids))
    return [a for a in accelerators if plannable(a, scenario.hardware.stack, catalog)]


def _holds_all(accelerator: Accelerator, scenario: Scenario, catalog: Catalog) -> bool:
    """Whether one of its servers has the memory for every model in an accepted format."""
    hardware = scenario.hardware
    sizes = [
        s.n_accelerators
        for s in allowed_servers(scenario, catalog)
        if s.accelerator_id == accelerator.id
    ]
    most = min(accelerator.max_tp, max(sizes))
    offered = offered_precisions(accelerator, hardware.stack, catalog)

    def holds(llm: Llm, precision: str) -> bool:
        params = catalog.serving(accelerator.family, hardware.stack, precision)
        replica = accelerator_replica(llm, accelerator, most, precision, params)
        return replica.resident_bytes < replica.memory_bytes

    return all(
        any(holds(catalog.llm(w.llm), name) for name in offered if name in w.precisions)
        for w in scenario.workloads
    )


def _strength(accelerator: Accelerator) -> tuple[float, float]:
    return accelerator.bf16_tflops, accelerator.memory_gb_per_s


def given_fleet(name: str, scenario: Scenario) -> GivenFleet:
    """The fleet behind ``given:<name>``."""
    wanted = name.removeprefix(GIVEN)
    return next(fleet for fleet in scenario.given if fleet.name == wanted)


def _hold_fleet(
    data: dict[str, Any], fleet: GivenFleet, scenario: Scenario, catalog: Catalog
) -> None:
    """Exactly these servers, whole, and none of any other kind.

    As many of them as are in stock are owned; the rest is bought.
    """
    counts = {row.server: row.count for row in fleet.servers}
    to_buy = dict(counts)
    stock = []
    for row in scenario.hardware.stock:
        in_service = row.age_years < scenario.hardware.accelerator_years
        if owned := min(row.count, to_buy.get(row.server, 0)) if in_service else 0:
            stock.append(row.model_dump(mode="json") | {"count": owned})
            to_buy[row.server] -= owned
    offered = {server.id: server for server in offered_servers(scenario.hardware, catalog)}
    if missing := ", ".join(key for key, count in to_buy.items() if count and key not in offered):
        seller = scenario.hardware.provider
        where = "for sale" if seller is None else f"in the price list of {seller}"
        raise InfeasibleError(f"{missing}: not {where}, so there is no price for this fleet")
    used = sorted({catalog.server(server_id).accelerator_id for server_id in counts})
    data["levers"]["reduce"] = False
    data["hardware"] |= {
        "accelerators": used,
        "stock": stock,
        "limits": [
            {"server": key, "max_count": to_buy.get(key, 0), "min_count": to_buy.get(key, 0)}
            for key, server in offered.items()
            if server.accelerator_id in used
        ],
    }


def why_given_fails(
    fleet: GivenFleet,
    question: Question,
    reason: str,
    catalog: Catalog,
    memory: Memory | None = None,
) -> str:
    """Why a given fleet cannot serve: with more of the same servers it could, or not even so."""
    counts = {row.server: row.count for row in fleet.servers}
    data = question.scenario.model_dump(mode="json")
    limits = data["hardware"]["limits"]
    data["hardware"]["limits"] = [limit for limit in limits if limit["server"] not in counts]
    free = replace(question, scenario=read_scenario(data))
    try:
        enough = answer(free, catalog, "quick", memory)
    except InfeasibleError as error:
        return f"not even with more of the same servers: {error}"
    needed: dict[str, int] = {}
    for entry in enough.fleet:
        needed[entry.server] = needed.get(entry.server, 0) + entry.count
    if all(count <= counts[server_id] for server_id, count in needed.items()):
        return reason
    return f"too small for this traffic: {_in_words(counts)}; {_in_words(needed)} would do"


def _in_words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} x {server_id}" for server_id, count in counts.items())
