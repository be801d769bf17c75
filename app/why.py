"""Why each member of a fleet is there, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from app.text import mass_unit, number, percent, sentence, sentence_list
from ecoserve.catalog import Catalog
from ecoserve.cost import server_cost
from ecoserve.embodied import node_footprint
from ecoserve.plan import BatchBound, FleetEntry, Plan
from ecoserve.reasons import CountBound, FleetReason, Served, fleet_reasons
from ecoserve.scenario import Scenario
from ecoserve.terms import FULL
from ecoserve.variants import trimmed

if TYPE_CHECKING:
    from ecoserve.analysis.regret import Regret

ALL = 0.9995
"""From this share on it is all of a workload."""
BATCHES: Mapping[BatchBound, str] = {
    "ttft": "the TTFT limit keeps its batches small",
    "tpot": "the TPOT limit keeps its batches from being larger",
    "memory": "memory keeps its batches from being larger",
    "max_num_seqs": "its batches are as large as the engine allows",
    "one_prompt": "it takes prompts one by one",
}
COUNTS: Mapping[CountBound, str] = {
    "asked": "the scenario asks for at least so many",
    "load": "one server fewer would be too few for that",
    "whole_replicas": "in whole replicas one server fewer would be too few",
    "redundancy": "",
    "one": "one server is the least there can be",
    "packing": "fewer servers would not hold the replicas side by side",
}
LEFT_OVER = "rounding up to whole servers left it over, and a longer search may do without it"


def fleet_whys(plan: Plan, scenario: Scenario, catalog: Catalog) -> list[str]:
    """A sentence for each entry of the plan's fleet, in its order."""
    reasons = fleet_reasons(plan, scenario, catalog)
    return [
        why_words(reason, scenario, _second(reason.entry, plan, scenario, catalog))
        for reason in reasons
    ]


def why_words(reason: FleetReason, scenario: Scenario, second: str = "") -> str:
    """What a member serves, what holds its batches back, how full it is, and why so many.

    ``second`` says what one more would do, for a kind of which there is one.
    """
    owned = "owned already, so nothing is made for it" if reason.entry.owned else ""
    batches = "" if reason.batch_bound_by is None else BATCHES[reason.batch_bound_by]
    more = second if reason.count_bound_by == "one" else ""
    told = [_traffic(reason), batches, _fullness(reason), _count(reason, scenario), more]
    idle = COUNTS["asked"] if reason.count_bound_by == "asked" else LEFT_OVER
    if not reason.serves:
        told = ["serves nothing", "" if reason.entry.owned else idle]
    return sentence("; ".join(filter(None, [owned, *told])))


def without_words(regret: Regret, plan: Plan) -> str:
    """What the best fleet without an accelerator of the plan would emit more."""
    if regret.kgco2e_per_year is None:
        return "Without its accelerator no fleet serves this."
    if regret.within_gap:
        return "Without its accelerator the best fleet is not proven worse."
    share = regret.kgco2e_per_year / plan.kgco2e_per_year
    carbon = f"{percent(abs(share), 2)} {'more' if share > 0 else 'less'} carbon"
    cost = percent(abs(regret.usd_per_h or 0.0) / plan.usd_per_h, 2)
    dearer = "more" if (regret.usd_per_h or 0.0) > 0 else "less"
    return f"Without its accelerator the best fleet emits {carbon} and costs {cost} {dearer}."


def _second(entry: FleetEntry, plan: Plan, scenario: Scenario, catalog: Catalog) -> str:
    """What a second server would add: no work of its own, but its making and its price."""
    server, hardware = catalog.server(entry.server), scenario.hardware
    if entry.variant != FULL:
        server = trimmed(server, catalog.host_variant(entry.variant), catalog)
    lives = {"accelerator": hardware.accelerator_years, "host": hardware.host_years}
    made = node_footprint(server, scenario.policy.coefficients, catalog).parts
    kgco2e_per_year = sum(part.kgco2e / lives[part.side] for part in made)
    others = len({(e.site, e.server) for e in plan.fleet}) > 1
    work = "could only take work from the others" if others else "would have no work left to do"
    usd = number(server_cost(server, hardware, catalog).usd_per_h)
    kept = "" if hardware.offer == "rental" else " before its electricity"
    return (
        f"a second {work} and add {mass_unit(kgco2e_per_year).text(kgco2e_per_year)}CO2e of making "
        f"a year and {usd} USD/h{kept}"
    )


def _traffic(reason: FleetReason) -> str:
    """What it serves, workloads of one share together, and how long their prompts are."""
    verbs: dict[str, dict[str, list[str]]] = {}
    for served in reason.serves:
        for verb, share in _phases(served):
            verbs.setdefault(verb, {}).setdefault(share, []).append(served.workload)
    told = [
        f"{verb} {sentence_list([f'{how} {sentence_list(who)}' for how, who in shares.items()])}"
        for verb, shares in verbs.items()
    ]
    on_cpus = [
        f"{percent(served.on_host_cpus, 2)} of {served.workload} on its CPUs"
        for served in reason.serves
        if served.on_host_cpus > 0
    ]
    low, high = (f"{tokens:,.0f}" for tokens in reason.isl_tokens)
    lengths = f"prompts of {low if low == high else f'{low} to {high}'} tokens"
    return ", ".join([*told, lengths, *on_cpus])


def _phases(served: Served) -> list[tuple[str, str]]:
    """(what it does, of how much of the workload)."""
    if abs(served.begun - served.finished) < 1.0 - ALL:
        return [("serves", _share(served.begun))]
    both = (("reads the prompts of", served.begun), ("writes the answers of", served.finished))
    return [(verb, _share(share)) for verb, share in both if share > 1.0 - ALL]


def _share(share: float) -> str:
    return "all of" if share >= ALL else f"{percent(share, 2)} of"


def _fullness(reason: FleetReason) -> str:
    """How many accelerators are at work at the peak, and with what is kept free beside."""
    n = reason.accelerators
    its = f"its {n:,} accelerators" if n > 1 else "its accelerator"
    words = (
        f"at the peak {percent(reason.busy_at_peak, 2)} of {its} are at work, "
        f"{percent(reason.taken_at_peak, 2)} with bursts and headroom"
    )
    if reason.kept_for_queues is None:
        return words
    kept = percent(reason.kept_for_queues, 2)
    return f"{words}, kept to {kept} so that prompts start within the TTFT limit"


def _count(reason: FleetReason, scenario: Scenario) -> str:
    """Why there are so many of it."""
    names = sentence_list(list(reason.redundant))
    replicas = scenario.policy.min_replicas
    spare = f"{names} needs {replicas} replicas in case one fails" if names else ""
    if len(reason.redundant) > 1:
        spare = f"{names} need {replicas} replicas each in case one fails"
    return ", and ".join(filter(None, [spare, COUNTS[reason.count_bound_by]]))
