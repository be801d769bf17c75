"""The intensities at which the least-carbon fleet becomes another.

At a flat intensity a fleet at its best emits a straight line over intensity: its making, plus the
energy of its least-energy day. The least-carbon answers are the lower envelope of such lines, whose
corners are the crossovers. Each corner is planned at: a better fleet found there adds its line and
new corners, until nothing is better (the parametric method of Eisner and Severance, 1976).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ecoserve.analysis.edits import INTENSITY, edited, for_carbon, mean_intensity_g_per_kwh
from ecoserve.answer import relative_gap
from ecoserve.catalog import Catalog
from ecoserve.errors import Problem, ScenarioError
from ecoserve.fleet_rule import servers_of
from ecoserve.plan import FleetEntry, Plan
from ecoserve.planner import Effort
from ecoserve.questions import Answer, Progress, Question, Runner, serially
from ecoserve.scenario import Scenario
from ecoserve.units import DAYS_PER_YEAR

RANGE_G_PER_KWH = (1.0, 1000.0)
GRID_POINTS = 6
MAX_PLANS = 30
BETTER = 1e-3
"""A fleet counts as better at a corner from this share of the carbon on."""
SAME_G_PER_KWH = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetLine:
    """What one fleet emits over a flat intensity."""

    fleet: tuple[FleetEntry, ...]
    making_kgco2e_per_year: float
    kgco2e_per_year_per_g: float
    """Carbon a year for each gCO2e/kWh."""

    def kgco2e_per_year(self, gco2e_per_kwh: float) -> float:
        """The line at an intensity."""
        return self.making_kgco2e_per_year + self.kgco2e_per_year_per_g * gco2e_per_kwh


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A range of intensities over which one fleet is the best known."""

    from_g_per_kwh: float
    to_g_per_kwh: float
    line: FleetLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossovers:
    """The best fleets from the cleanest grid to the dirtiest; they change between segments."""

    segments: tuple[Segment, ...]
    checked: bool
    """Whether every corner was planned at; False where the number of plans ran out."""
    gap: float
    """The most that the fleet named may be above the best possible, of the intensities planned."""
    thorough_at_g_per_kwh: float | None = None
    """Where alone fleets were searched for thoroughly; None where the effort was one for all."""

    @property
    def intensities_g_per_kwh(self) -> tuple[float, ...]:
        """Where the fleet changes."""
        return tuple(segment.from_g_per_kwh for segment in self.segments[1:])


def crossovers(
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort = "interactive",
    *,
    within: tuple[float, float] = RANGE_G_PER_KWH,
    run: Runner = serially,
    on_progress: Progress | None = None,
) -> Crossovers:
    """The best fleet at every flat intensity of a range, all sites alike.

    A quick search still plans the mean of the users' own grid as thoroughly as a plan is shown, so
    that it names no fleet there that is worse than the plan's.

    Raises :class:`~ecoserve.errors.InfeasibleError` where nothing serves the traffic, and
    :class:`ScenarioError` for a range that does not start above zero and rise.
    """
    if not 0 < within[0] < within[1]:
        raise ScenarioError([Problem("range", "give two intensities above 0, the smaller first")])
    wanted = for_carbon(scenario)
    lines: dict[tuple[FleetEntry, ...], FleetLine] = {}
    asked: set[float] = set()
    bounds: dict[float, float] = {}
    own = None
    if effort == "quick":
        own = mean_intensity_g_per_kwh(scenario.site, catalog) or None
    if own is not None:
        asked.add(own)
        answers = run([_question(wanted, own)], catalog, "interactive", on_progress)
        _learn(lines, own, answers[0])
        bounds[own] = answers[0].expect().bound * DAYS_PER_YEAR
    new = [float(g) for g in np.geomspace(*within, GRID_POINTS)]
    while new and len(asked) < MAX_PLANS:
        new = new[: MAX_PLANS - len(asked)]
        asked |= set(new)
        answers = run([_question(wanted, g) for g in new], catalog, effort, on_progress)
        for g, answer in zip(new, answers, strict=True):
            _learn(lines, g, answer)
            bounds[g] = answer.expect().bound * DAYS_PER_YEAR
        corners = [segment.from_g_per_kwh for segment in envelope(lines.values(), within)[1:]]
        new = [g for g in corners if not any(abs(g - a) < SAME_G_PER_KWH * g for a in asked)]
    return Crossovers(
        segments=envelope(lines.values(), within),
        checked=not new,
        gap=max(_open_at(g, bound, lines.values()) for g, bound in bounds.items()),
        thorough_at_g_per_kwh=own,
    )


def _open_at(g: float, bound_kgco2e_per_year: float, lines: Iterable[FleetLine]) -> float:
    """How far the best fleet known is above what was proven at an intensity, as a ratio."""
    best = min(line.kgco2e_per_year(g) for line in lines)
    return max(0.0, relative_gap(best, bound_kgco2e_per_year))


def _question(scenario: Scenario, gco2e_per_kwh: float) -> Question:
    return Question(
        scenario=edited(scenario, {INTENSITY: gco2e_per_kwh}),
        label=f"{gco2e_per_kwh:.3g} g/kWh",
    )


def _learn(lines: dict[tuple[FleetEntry, ...], FleetLine], g: float, answer: Answer) -> None:
    """Keeps a fleet's line where it is better than all that are known; of a fleet its best."""
    line = line_of(answer.expect(), g)
    best = min((known.kgco2e_per_year(g) for known in lines.values()), default=np.inf)
    if line.kgco2e_per_year(g) < best * (1.0 - BETTER):
        lines[line.fleet] = line


def line_of(plan: Plan, gco2e_per_kwh: float) -> FleetLine:
    """The line of a plan made for the least carbon at a flat intensity.

    What it decided by is the day's carbon, so making is that without the electricity.
    """
    running = plan.operational_kgco2e_per_year
    return FleetLine(
        fleet=servers_of(plan.fleet),
        making_kgco2e_per_year=plan.objective * DAYS_PER_YEAR - running,
        kgco2e_per_year_per_g=running / gco2e_per_kwh,
    )


def envelope(lines: Iterable[FleetLine], within: tuple[float, float]) -> tuple[Segment, ...]:
    """The lowest of some lines over a range: a walk from corner to corner."""
    known = list(lines)
    here, end = within
    line = min(known, key=lambda k: (k.kgco2e_per_year(here), k.kgco2e_per_year_per_g))
    segments: list[Segment] = []
    while True:
        flatter = [k for k in known if k.kgco2e_per_year_per_g < line.kgco2e_per_year_per_g]
        corner, after = min(
            ((_meet(line, k), k) for k in flatter),
            key=lambda pair: (pair[0], pair[1].kgco2e_per_year_per_g),
            default=(end, line),
        )
        stop = min(max(corner, here), end)
        if stop > here:
            segments.append(Segment(from_g_per_kwh=here, to_g_per_kwh=stop, line=line))
        if corner >= end:
            return tuple(segments)
        here, line = stop, after


def _meet(one: FleetLine, other: FleetLine) -> float:
    """The intensity at which two lines emit the same; ``other`` is the flatter one."""
    making = other.making_kgco2e_per_year - one.making_kgco2e_per_year
    return making / (one.kgco2e_per_year_per_g - other.kgco2e_per_year_per_g)
