"""The inputs of a scenario in words: what a place is called, and what stands there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.text import NARROW_SPACE, in_words
from ecoserve.catalog import Catalog
from ecoserve.differences import ABSENT, NAMED_BY, Difference, Path, differences
from ecoserve.scenario import Scenario

MAX_VALUE_CHARS = 300
MAX_STEP_CHARS = 60
"""Of a value in a tooltip."""
MAX_LISTED = 3

LABELS: Mapping[str, str] = {
    "version": "version of the file",
    "name": "name",
    "workloads": "workload",
    "llm": "LLM",
    "kind": "kind",
    "mix": "length mix",
    "rate_rps": "mean rate, requests/s",
    "token_share": "share of all tokens",
    "profile": "rate profile",
    "slo": "latency targets",
    "ttft_s": "TTFT limit, s",
    "tpot_s": "TPOT limit, s",
    "percentile": "share of requests that must meet them",
    "deadline_h": "deadline, h",
    "precisions": "precisions of the weights",
    "prefix_cache_hit": "prompt tokens found in the prefix cache",
    "sites": "sites that may serve it",
    "site": "Site",
    "other_sites": "another site",
    "region": "region",
    "intensity": "carbon intensity",
    "season": "season of the hours",
    "intensity_kind": "what the hours count",
    "custom_gco2e_per_kwh": "own intensity, gCO2e/kWh",
    "pue": "PUE",
    "electricity_usd_per_kwh": "electricity, USD/kWh",
    "market": "contracts for electricity",
    "cfe_share": "covered by carbon-free contracts",
    "gco2e_per_kwh": "the rest, gCO2e/kWh",
    "round_trip_s": "network time there and back, s",
    "max_it_power_kw": "IT power at most, kW",
    "max_rack_units": "rack units at most",
    "hardware": "Hardware",
    "offer": "servers are",
    "provider": "provider",
    "price_date": "price list of",
    "accelerators": "allowed accelerators",
    "limits": "count of a server",
    "server": "server",
    "max_count": "at most",
    "min_count": "at least",
    "count": "count",
    "stock": "owned already",
    "age_years": "age, years",
    "host_variants": "trimmed hosts",
    "accelerator_years": "life of accelerators, years",
    "host_years": "life of hosts, years",
    "stack": "serving stack",
    "kv_precision": "precision of the KV cache",
    "max_num_seqs": "most requests at once in a replica",
    "power_cap_ratios": "power caps, of TDP",
    "levers": "Levers",
    "reuse": "reuse of host CPUs",
    "shift": "shifting of offline work",
    "phases_apart": "phases apart",
    "reduce": "reduced hosts",
    "park": "parked servers",
    "policy": "Policy",
    "objective": "objective",
    "carbon_price_usd_per_t": "carbon price, USD/t",
    "coefficients": "coefficient set",
    "headroom": "headroom",
    "burst": "burst, peak over mean in the hour",
    "min_replicas": "least replicas per online workload",
    "max_kgco2e_per_year": "carbon at most, kgCO2e/year",
    "max_usd_per_h": "cost at most, USD/h",
    "given": "your own fleets",
    "servers": "servers",
}
"""Every key that a scenario can have, with its unit."""
OBJECTIVES: Mapping[str, str] = {
    "carbon": "Least carbon",
    "cost": "Least cost",
    "energy": "Least energy",
    "performance": "Best latency",
}
RATIOS = frozenset(
    {"token_share", "percentile", "prefix_cache_hit", "cfe_share", "power_cap_ratios", "headroom"}
)
NONE_WORDS: Mapping[str, str] = {
    "slo": "none",
    "market": "none",
    "token_share": "not given",
    "rate_rps": "not given",
    "sites": "all",
    "accelerators": "all",
    "pue": "the region's",
    "electricity_usd_per_kwh": "the region's",
    "gco2e_per_kwh": "the grid's mean",
    "price_date": "the latest",
    "carbon_price_usd_per_t": "none",
}
"""What a value that is not given means; elsewhere there is no such limit or choice."""


def path_words(path: Path) -> str:
    """A place in words: what it belongs to, and what it is.

    >>> path_words(("workloads", "chat", "slo", "ttft_s"))
    'chat: TTFT limit, s'
    >>> path_words(("site", "pue")), path_words(("hardware", "limits", "l4_x1", "max_count"))
    ('Site: PUE', 'l4_x1: at most')
    >>> path_words(("workloads", "chat")), path_words(("name",))
    ('Workload: chat', 'Name')
    """
    parents = [i for i, key in enumerate(path[:-1]) if key in NAMED_BY]
    if not parents:
        words = LABELS[path[-1]]
        return f"{LABELS[path[0]]}: {words}" if len(path) > 1 else f"{words[:1].upper()}{words[1:]}"
    name, rest = path[parents[-1] + 1], path[parents[-1] + 2 :]
    if rest:
        return f"{name}: {LABELS[rest[-1]]}"
    words = LABELS[path[parents[-1]]]
    return f"{words[:1].upper()}{words[1:]}: {name}"


def value_words(key: str, value: Any, catalog: Catalog) -> str:
    """What stands at a place whose last key is ``key``; rows of the catalog by name.

    >>> value_words("headroom", 0.15, None).replace("\\u202f", " "), value_words("pue", None, None)
    ('15 %', "the region's")
    """
    if value is ABSENT:
        return "not there"
    if value is None:
        return NONE_WORDS.get(key, "none")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{100 * value:g}{NARROW_SPACE}%" if key in RATIOS else f"{value:,.6g}"
    if isinstance(value, list):
        words = ", ".join(value_words(key, entry, catalog) for entry in value)
        return _short(words, MAX_VALUE_CHARS) or "none"
    if isinstance(value, dict):
        return _short(_member_words(value, catalog), MAX_VALUE_CHARS)
    if key == "objective":
        return OBJECTIVES[value].lower()
    return _row_name(key, str(value), catalog)


def _member_words(member: Mapping[str, Any], catalog: Catalog) -> str:
    """A workload, site or server as a whole: what of it is set, without its name."""
    return "; ".join(
        value_words(key, value, catalog)
        if isinstance(value, dict)
        else f"{LABELS.get(key, key)}: {value_words(key, value, catalog)}"
        for key, value in member.items()
        if key != "name" and value not in (None, [], False, 0)
    )


def _row_name(key: str, value: str, catalog: Catalog) -> str:
    rows: Mapping[str, Mapping[str, Any]] = {
        "llm": catalog.llms,
        "region": catalog.regions,
        "server": catalog.servers,
        "accelerators": catalog.accelerators,
        "mix": catalog.length_mixes,
        "profile": catalog.rate_profiles,
    }
    return str(getattr(rows.get(key, {}).get(value), "name", value))


def difference_rows(
    scenarios: Sequence[Scenario], names: Sequence[str], catalog: Catalog
) -> list[dict[str, str]]:
    """A row per place at which the scenarios differ, a column per scenario."""
    return [
        {"Input": path_words(place.path)} | dict(zip(names, _values(place, catalog), strict=True))
        for place in differences(scenarios)
    ]


def _values(place: Difference, catalog: Catalog) -> list[str]:
    return [value_words(place.path[-1], value, catalog) for value in place.values]


def step_words(before: Scenario, after: Scenario, catalog: Catalog) -> str:
    """What an edit changed, in one line."""
    places = differences((before, after))
    words = []
    for place in places[:MAX_LISTED]:
        then, now = (_short(value, MAX_STEP_CHARS) for value in _values(place, catalog))
        words.append(f"{path_words(place.path)} from {then} to {now}")
    if len(places) > MAX_LISTED:
        words.append(f"{len(places) - MAX_LISTED} more")
    return "; ".join(words)


def _short(words: str, limit: int) -> str:
    return words if len(words) <= limit else f"{words[: limit - 4]} ..."


def readable(text: str, catalog: Catalog) -> str:
    """A remark of the catalog or the engine with names in place of ids."""
    titles = {source.id: source.title for source in catalog.sources.values()}
    names = {row_id: title for row_id, title in titles.items() if "_" in row_id}
    names |= {row.id: row.name for row in catalog.accelerators.values()}
    return in_words(text, names)
