"""What the analyses print with ``--json``, as plain data; an answer that is not there is null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from ecoserve.analysis.crossover import Crossovers
from ecoserve.analysis.limits import TrafficPrice
from ecoserve.analysis.pareto import FleetPoint
from ecoserve.analysis.reuse import ReuseBreakEven, ReuseEntry
from ecoserve.analysis.robustness import Robustness
from ecoserve.analysis.sensitivity import SensitivityRow
from ecoserve.plan import Plan

Record = dict[str, Any]
PROPERTIES: Mapping[type, Sequence[str]] = {
    FleetPoint: ("usd_per_h", "kgco2e_per_year", "gap"),
    SensitivityRow: ("spread_kgco2e_per_year", "fleet_changes"),
    Crossovers: ("intensities_g_per_kwh", "gap"),
    TrafficPrice: ("sentence",),
    ReuseBreakEven: ("sentence",),
    ReuseEntry: ("sentence",),
}
"""Computed figures that are printed beside the fields."""
PLAN_FIGURES = ("gap", "bound", "objective", "objective_name", "kgco2e_per_year", "usd_per_h")


def analysis_record(answer: Any) -> Record:
    """The object of an analysis, without the keys that every object has."""
    if isinstance(answer, tuple):
        return {"rows": [plain(row) for row in answer]}
    found: Record = plain(answer)
    if isinstance(answer, Robustness):
        found["least_regret"] = plain(answer.least_regret)
    return found


def plain(value: Any) -> Any:
    """Dataclasses as dictionaries; a plan as its fleet and main figures."""
    if isinstance(value, Plan):
        figures = {name: getattr(value, name) for name in PLAN_FIGURES}
        return {"status": value.status.value, **figures, "fleet": plain(value.fleet)}
    if is_dataclass(value):
        names = [field.name for field in fields(value)]
        names += PROPERTIES.get(type(value), ())
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value
