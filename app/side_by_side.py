"""Scenarios side by side as plain data: figures of their plans, inputs that differ, files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.safe_csv import safe_csv
from app.scenario_words import difference_rows
from app.text import MINUS, number, percent, sentence_list
from ecoserve import __version__
from ecoserve.catalog import Catalog
from ecoserve.differences import ABSENT, differences
from ecoserve.plan import Plan, Status, plan_record
from ecoserve.scenario import Scenario
from ecoserve.units import t_from_kg

Row = dict[str, Any]
FIGURE = "Figure"
SMALLEST_CHANGE = 0.0005
NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A scenario and its plan, or why there is none."""

    name: str
    """Unlike that of every other one it stands beside."""
    scenario: Scenario
    plan: Plan | None
    reason: str = ""


def unlike_names(scenarios: Sequence[Scenario]) -> list[str]:
    """Their names, numbered where two are called the same.

    >>> from types import SimpleNamespace
    >>> unlike_names([SimpleNamespace(name=name) for name in ("a", "b", "a")])
    ['a', 'b', 'a (2)']
    """
    seen = Counter[str]()
    names: list[str] = []
    for scenario in scenarios:
        seen[scenario.name] += 1
        again = seen[scenario.name]
        name = scenario.name if again == 1 else f"{scenario.name} ({again})"
        names.append(name if name not in names else f"{name} ({scenario.fingerprint()})")
    return names


def same_traffic(compared: Sequence[Compared]) -> bool:
    """Whether all of them serve the same requests, so that their totals can be compared."""
    places = differences([one.scenario for one in compared])
    return not any(place.path[0] == "workloads" and _is_traffic(place.path) for place in places)


def _is_traffic(path: tuple[str, ...]) -> bool:
    """Latency targets and precisions are demands on the fleet; the rest is what is asked of it."""
    return len(path) < 3 or path[2] not in ("slo", "precisions", "sites", "deadline_h")


def figure_rows(compared: Sequence[Compared], catalog: Catalog) -> list[Row]:
    """A row per figure, a column per scenario.

    The change against the first one is that of the totals where all serve the same traffic, else
    that of 1,000 output tokens.
    """
    whole = same_traffic(compared)
    columns = [_figures(one, compared[0].plan, catalog, whole=whole) for one in compared]
    labels = [label for label in _LABELS if label != (_CHANGE_PER_UNIT if whole else _CHANGE)]
    return [
        {FIGURE: label}
        | {one.name: column.get(label, "") for one, column in zip(compared, columns, strict=True)}
        for label in labels
    ]


_CHANGE = "tCO2e per year, against the first"
_CHANGE_PER_UNIT = "gCO2e per 1,000 output tokens, against the first"
_LABELS = (
    "tCO2e per year",
    _CHANGE,
    "of it operational",
    "of it embodied",
    "gCO2e per 1,000 output tokens",
    _CHANGE_PER_UNIT,
    "USD per hour",
    "Mean IT power, kW",
    "IT power in the busiest hour, kW",
    "Electricity, MWh per year",
    "Latency targets",
    "Fleet",
    "Certainty",
)


def _figures(one: Compared, first: Plan | None, catalog: Catalog, *, whole: bool) -> dict[str, str]:
    plan = one.plan
    if plan is None:
        return {_LABELS[0]: NO_ANSWER}
    change = "" if first is None or first is plan else _change(plan, first, whole=whole)
    values = (
        number(t_from_kg(plan.kgco2e_per_year)),
        change,
        number(t_from_kg(plan.operational_kgco2e_per_year)),
        number(t_from_kg(plan.embodied_kgco2e_per_year)),
        number(plan.gco2e_per_functional_unit),
        change,
        number(plan.usd_per_h),
        number(plan.it_power_kw),
        number(plan.peak_it_power_kw),
        number(plan.facility_kwh_per_year / 1000),
        _slo_words(plan),
        fleet_words(plan, catalog),
        _certainty(plan),
    )
    return dict(zip(_LABELS, values, strict=True))


def _change(plan: Plan, first: Plan, *, whole: bool) -> str:
    now, then = (p.kgco2e_per_year if whole else p.gco2e_per_functional_unit for p in (plan, first))
    ratio = now / then - 1 if then else 0.0
    if abs(ratio) < SMALLEST_CHANGE:
        return "the same"
    return f"{'+' if ratio > 0 else MINUS}{percent(abs(ratio))}"


def _slo_words(plan: Plan) -> str:
    missed = [row.workload for row in plan.slo if not row.meets_slo]
    if missed:
        return f"missed by {sentence_list(missed)}"
    return "all hold" if plan.slo else "none (offline only)"


def fleet_words(plan: Plan, catalog: Catalog) -> str:
    """Servers by kind, the most frequent first."""
    counts = Counter[str]()
    for entry in plan.fleet:
        counts[catalog.server(entry.server).name] += entry.count
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} x ({name})" for name, count in ranked) or "no server"


def _certainty(plan: Plan) -> str:
    if plan.status is Status.OPTIMAL:
        return "proven optimal"
    return f"within {percent(plan.gap, 2)} of the best"


def input_rows(compared: Sequence[Compared], catalog: Catalog) -> list[Row]:
    """A row per input that differs, a column per scenario."""
    names = [one.name for one in compared]
    return list(difference_rows([one.scenario for one in compared], names, catalog))


def as_csv(compared: Sequence[Compared], catalog: Catalog) -> str:
    """A row per scenario: what it is, the figures of its plan, and the inputs that differ."""
    inputs = input_rows(compared, catalog)
    return safe_csv([_csv_row(one, catalog, inputs) for one in compared])


def _csv_row(one: Compared, catalog: Catalog, inputs: Sequence[Row]) -> Row:
    plan = one.plan
    row: Row = {
        "scenario": one.name,
        "scenario_fingerprint": one.scenario.fingerprint(),
        "engine_version": __version__,
        "catalog_version": catalog.version,
        "status": plan.status.value if plan else NO_ANSWER,
        "gap_ratio": plan.gap if plan else None,
        "kgco2e_per_year": plan.kgco2e_per_year if plan else None,
        "operational_kgco2e_per_year": plan.operational_kgco2e_per_year if plan else None,
        "embodied_kgco2e_per_year": plan.embodied_kgco2e_per_year if plan else None,
        "gco2e_per_1000_output_tokens": plan.gco2e_per_functional_unit if plan else None,
        "usd_per_h": plan.usd_per_h if plan else None,
        "it_power_kw": plan.it_power_kw if plan else None,
        "peak_it_power_kw": plan.peak_it_power_kw if plan else None,
        "facility_kwh_per_year": plan.facility_kwh_per_year if plan else None,
        "latency_targets": _slo_words(plan) if plan else "",
        "fleet": fleet_words(plan, catalog) if plan else "",
        "reason": one.reason,
    }
    return row | {f"input {place['Input']}": place[one.name] for place in inputs}


def as_record(compared: Sequence[Compared], catalog: Catalog) -> Row:
    """All of it as one JSON object."""
    places = differences([one.scenario for one in compared])
    return {
        "engine_version": __version__,
        "catalog_version": catalog.version,
        "scenarios": [_record(one) for one in compared],
        "differences": [
            {"path": list(place.path), "values": [None if v is ABSENT else v for v in place.values]}
            for place in places
        ],
    }


def _record(one: Compared) -> Row:
    plan = plan_record(one.plan, 0.0) if one.plan else None
    if plan is not None:
        del plan["seconds"]  # of the page's own making; it says nothing about the plan
    return {
        "name": one.name,
        "scenario_fingerprint": one.scenario.fingerprint(),
        "scenario": one.scenario.model_dump(mode="json"),
        "plan": plan,
        "reason": one.reason,
    }
