"""Changes of a scenario by path, ``policy.headroom`` or ``workloads.chat.rate_rps``, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecoserve.catalog import Catalog
from ecoserve.errors import Problem, ScenarioError
from ecoserve.operational import hourly_intensity
from ecoserve.scenario import Scenario, read_scenario
from ecoserve.scenario_parts import DEFAULT_HOURS, Site

INTENSITY = "gco2e_per_kwh"
"""A path that stands for a flat intensity at every site."""


def edited(scenario: Scenario, edits: Mapping[str, Any]) -> Scenario:
    """The scenario with these values, by dotted path; rows by number or by name.

    ``gco2e_per_kwh`` alone is a flat intensity at every site. Raises :class:`ScenarioError` where a
    path leads nowhere or a value is not allowed.
    """
    data = scenario.model_dump(mode="json")
    for path, value in edits.items():
        if path == INTENSITY:
            _set_flat_intensity(data, value)
        else:
            _set(data, path, value)
    return read_scenario(data)


def with_intensities(scenario: Scenario, catalog: Catalog, factor: float) -> Scenario:
    """Every hour of every site so many times as carbon-intensive."""
    data = scenario.model_dump(mode="json")
    for row, site in zip(_sites(data), scenario.sites, strict=True):
        hours = hourly_intensity(site, catalog) * factor
        _make_custom(row, [float(hour) for hour in hours])
    return read_scenario(data)


def mean_intensity_g_per_kwh(site: Site, catalog: Catalog) -> float:
    """Plain mean of the site's 24 hours."""
    return float(hourly_intensity(site, catalog).mean())


def for_carbon(scenario: Scenario) -> Scenario:
    """The scenario planned for the least carbon, whatever it was planned for."""
    return edited(scenario, {"policy.objective": "carbon", "policy.carbon_price_usd_per_t": None})


def _sites(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [data["site"], *data["other_sites"]]


def _set_flat_intensity(data: dict[str, Any], value: Any) -> None:
    for site in _sites(data):
        _make_custom(site, [value])


def _make_custom(site: dict[str, Any], figures: list[Any]) -> None:
    season, kind = DEFAULT_HOURS
    site |= {
        "intensity": "custom", "custom_gco2e_per_kwh": figures, "season": season,
        "intensity_kind": kind,
    }  # fmt: skip


def _set(data: Any, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    place = data
    for step in parents:
        place = _child(place, step, path)
    if isinstance(place, list):
        place[_row(place, last, path)] = value
    elif isinstance(place, dict) and last in place:
        place[last] = value
    else:
        raise _nowhere(path, last, place)


def _child(place: Any, step: str, path: str) -> Any:
    if isinstance(place, list):
        return place[_row(place, step, path)]
    if isinstance(place, dict) and isinstance(place.get(step), dict | list):
        return place[step]
    raise _nowhere(path, step, place)


def _row(rows: list[Any], step: str, path: str) -> int:
    names = [row.get("name", row.get("server")) for row in rows if isinstance(row, dict)]
    if step in names:
        return names.index(step)
    if step.isdecimal() and int(step) < len(rows):
        return int(step)
    there = ", ".join(str(name) for name in names) or "no rows"
    raise ScenarioError([Problem(path, f"no row {step!r}; there are: {there}")])


def _nowhere(path: str, step: str, place: Any) -> ScenarioError:
    there = ", ".join(sorted(place)) if isinstance(place, dict) else "nothing below it"
    return ScenarioError([Problem(path, f"{step!r} is not there; there are: {there}")])
