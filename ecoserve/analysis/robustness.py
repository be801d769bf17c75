"""Which fleet to regret least: chosen under one view of the world, priced under all the others.

Views are the coefficient sets, embodied coefficients and host power at the ends of their bands, and
a cleaner and a dirtier grid. Fleets are held whole and their day planned anew under each view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecoserve.analysis.bands import BANDS, ENDS, BandEnd
from ecoserve.analysis.edits import edited, with_intensities
from ecoserve.analysis.sensitivity import SPANS
from ecoserve.catalog import Catalog
from ecoserve.fleet_rule import FleetRule, servers_of
from ecoserve.plan import FleetEntry
from ecoserve.planner import Effort
from ecoserve.questions import Answer, Progress, Question, Runner, serially
from ecoserve.scenario import Scenario

Fleet = tuple[FleetEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One view of the world."""

    name: str
    scenario: Scenario
    band: BandEnd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustFleet:
    """One fleet under every view, in their order."""

    fleet: Fleet
    best_under: tuple[str, ...]
    """Views under which no other fleet of the matrix is better."""
    kgco2e_per_year: tuple[float, ...]
    regret_kgco2e_per_year: tuple[float, ...]
    """More than the best fleet of the matrix under that view."""
    regret_ratio: tuple[float, ...]
    """The same as a fraction of that best fleet's carbon."""

    @property
    def worst_ratio(self) -> float:
        """The largest regret."""
        return max(self.regret_ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """The regret matrix: fleets by views."""

    views: tuple[str, ...]
    fleets: tuple[RobustFleet, ...]
    """The least worst regret first."""
    gap: float
    """The most that any choice may be above the best possible under its own view."""

    @property
    def least_regret(self) -> RobustFleet:
        """The fleet whose worst regret is smallest."""
        return self.fleets[0]


def default_views(scenario: Scenario, catalog: Catalog) -> tuple[View, ...]:
    """Every coefficient set, then each band and the grid at both ends under the scenario's set."""
    sets = tuple(
        View(name=set_id, scenario=edited(scenario, {"policy.coefficients": set_id}))
        for set_id in sorted(
            catalog.coefficient_sets, key=lambda s: (s != scenario.policy.coefficients, s)
        )
    )
    bands = tuple(
        View(name=f"{figures} {end}", scenario=scenario, band=BandEnd(figures, end))
        for figures in BANDS
        for end in ENDS
    )
    grids = tuple(
        View(name=f"intensity x {factor:g}", scenario=with_intensities(scenario, catalog, factor))
        for factor in SPANS["carbon intensity"]
    )
    return (*sets, *bands, *grids)


def robustness(
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort = "interactive",
    *,
    views: Sequence[View] = (),
    run: Runner = serially,
    on_progress: Progress | None = None,
) -> Robustness:
    """Every fleet chosen under some view, priced under all; the scenario's objective chooses.

    Views in which nothing serves, or a fleet cannot, raise
    :class:`~ecoserve.errors.InfeasibleError`: views differ in prices, not in traffic.
    """
    asked = tuple(views) or default_views(scenario, catalog)
    chosen = run([_question(view) for view in asked], catalog, effort, on_progress)
    fleets = list(dict.fromkeys(servers_of(answer.expect().fleet) for answer in chosen))
    pairs = [(fleet, view) for fleet in fleets for view in asked]
    priced = run([_question(view, fleet) for fleet, view in pairs], catalog, effort, on_progress)
    kg = [[answer.expect().kgco2e_per_year for answer in row] for row in _rows(priced, len(asked))]
    names = tuple(view.name for view in asked)
    least = [min(column) for column in zip(*kg, strict=True)]
    rows = [_row(fleet, row, least, names) for fleet, row in zip(fleets, kg, strict=True)]
    rows.sort(key=lambda row: row.worst_ratio)
    return Robustness(
        views=names, fleets=tuple(rows), gap=max(answer.expect().gap for answer in chosen)
    )


def _question(view: View, fleet: Fleet | None = None) -> Question:
    return Question(
        scenario=view.scenario, rule=FleetRule(fleet=fleet), band=view.band,
        label=view.name,
    )  # fmt: skip


def _rows(answers: Sequence[Answer], width: int) -> list[Sequence[Answer]]:
    return [answers[i : i + width] for i in range(0, len(answers), width)]


def _row(
    fleet: Fleet, kg: Sequence[float], least: Sequence[float], names: Sequence[str]
) -> RobustFleet:
    regret = tuple(value - best for value, best in zip(kg, least, strict=True))
    return RobustFleet(
        fleet=fleet,
        best_under=tuple(name for name, more in zip(names, regret, strict=True) if more == 0.0),
        kgco2e_per_year=tuple(kg),
        regret_kgco2e_per_year=regret,
        regret_ratio=tuple(more / best for more, best in zip(regret, least, strict=True)),
    )
