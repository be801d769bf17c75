"""What would change the answer: each input at a low and a high value, planned anew and as it is.

Lifetimes, rates and latency limits move by stated shares; PUE, embodied coefficients and host power
by the bands that the catalog gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ecoserve.analysis.bands import BANDS, ENDS, BandEnd, Figures, catalog_at
from ecoserve.analysis.edits import edited, mean_intensity_g_per_kwh, with_intensities
from ecoserve.catalog import Catalog
from ecoserve.embodied import server_footprint
from ecoserve.fleet_rule import FleetRule, servers_of
from ecoserve.operational import site_pue
from ecoserve.plan import FleetEntry, Plan
from ecoserve.planner import Effort
from ecoserve.power import host_on_w
from ecoserve.questions import Answer, Progress, Question, Runner, serially
from ecoserve.scenario import Scenario

Span = tuple[float, float]
SPANS: Mapping[str, Span] = {
    "carbon intensity": (0.8, 1.25),
    "accelerator life": (0.75, 1.5),
    "host life": (0.75, 1.5),
    "request rates": (0.8, 1.25),
    "latency limits": (0.8, 1.25),
}
"""Inputs that no source gives a band for, and the shares of their value they are tried at."""
LIFE_RANGE_YEARS = (0.5, 20.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """One input with its low and high value, and the questions they lead to."""

    input: str
    unit: str
    base: float
    low: float
    high: float
    scenarios: tuple[Scenario, Scenario]
    band: Figures | None = None

    def question(self, at: int, fleet: tuple[FleetEntry, ...] | None) -> Question:
        """At the low (0) or high (1) value; with a fleet, only its work is planned anew."""
        return Question(
            scenario=self.scenarios[at],
            rule=FleetRule(fleet=fleet),
            band=None if self.band is None else BandEnd(self.band, ENDS[at]),
            label=f"{self.input}, {ENDS[at]}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What becomes of the plan at one value of an input."""

    value: float
    kgco2e_per_year: float | None
    """Of the best fleet there; None where none can serve."""
    fixed_kgco2e_per_year: float | None
    """Of the plan's own fleet; None where it cannot serve."""
    fleet: tuple[FleetEntry, ...]
    fleet_changes: bool
    """Whether another fleet is better there by more than the solver left open."""
    reason: str
    """Why there is no answer; empty where there are both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityRow:
    """One bar of the tornado."""

    input: str
    unit: str
    base: float
    low: Tried
    high: Tried

    @property
    def spread_kgco2e_per_year(self) -> float:
        """Difference between the two ends, of the best fleets; 0 where one end has none."""
        ends = (self.low.kgco2e_per_year, self.high.kgco2e_per_year)
        return abs(ends[1] - ends[0]) if ends[0] is not None and ends[1] is not None else 0.0

    @property
    def fleet_changes(self) -> bool:
        """Whether the fleet is another at either end."""
        return self.low.fleet_changes or self.high.fleet_changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """The plan and what each input does to it, the widest bar first."""

    plan: Plan
    rows: tuple[SensitivityRow, ...]


def sensitivity(
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort = "interactive",
    *,
    spans: Mapping[str, Span] = SPANS,
    run: Runner = serially,
    on_progress: Progress | None = None,
) -> Sensitivity:
    """The tornado around the scenario's plan.

    Raises :class:`~ecoserve.errors.InfeasibleError` where the scenario itself has no plan.
    """
    (first,) = run([Question(scenario=scenario, label="the plan")], catalog, effort)
    plan = first.expect()
    varied = list(variations(scenario, catalog, plan.fleet, spans))
    questions = [
        variation.question(at, fleet)
        for variation in varied
        for at in (0, 1)
        for fleet in (None, plan.fleet)
    ]
    answers = run(questions, catalog, effort, on_progress)
    rows = [_row(variation, plan, answers[4 * i : 4 * i + 4]) for i, variation in enumerate(varied)]
    rows.sort(key=lambda row: (-row.spread_kgco2e_per_year, row.input))
    return Sensitivity(plan=plan, rows=tuple(rows))


def _row(variation: Variation, plan: Plan, answers: Sequence[Answer]) -> SensitivityRow:
    low, high = (
        _tried(value, plan, anew, fixed)
        for value, anew, fixed in (
            (variation.low, answers[0], answers[1]),
            (variation.high, answers[2], answers[3]),
        )
    )
    return SensitivityRow(
        input=variation.input, unit=variation.unit, base=variation.base, low=low, high=high
    )


def _tried(value: float, base: Plan, anew: Answer, fixed: Answer) -> Tried:
    """The fleet as it is remains possible, so the best is never worse than it."""
    plans = [answer.plan for answer in (fixed, anew) if answer.plan is not None]
    best = min(plans, key=lambda plan: plan.objective, default=None)
    reasons = {answer.reason for answer in (anew, fixed) if answer.plan is None}
    return Tried(
        value=value,
        kgco2e_per_year=None if best is None else best.kgco2e_per_year,
        fixed_kgco2e_per_year=None if fixed.plan is None else fixed.plan.kgco2e_per_year,
        fleet=() if best is None else servers_of(best.fleet),
        fleet_changes=best is not None and _beats(best, fixed.plan, base),
        reason="; ".join(sorted(reasons)),
    )


def _beats(best: Plan, fixed: Plan | None, base: Plan) -> bool:
    """Better than the fleet as it is by more than that fleet's own plan left open."""
    if servers_of(best.fleet) == servers_of(base.fleet):
        return False
    return fixed is None or best.objective < fixed.objective * (1.0 - fixed.gap)


def variations(
    scenario: Scenario,
    catalog: Catalog,
    fleet: Sequence[FleetEntry],
    spans: Mapping[str, Span] = SPANS,
) -> Iterator[Variation]:
    """Every input that is varied, with its two values."""
    base = mean_intensity_g_per_kwh(scenario.site, catalog)
    yield _scaled(
        "carbon intensity", "gCO2e/kWh", base, spans,
        lambda factor: with_intensities(scenario, catalog, factor),
    )  # fmt: skip
    for name, field in (("accelerator life", "accelerator_years"), ("host life", "host_years")):
        yield _life(name, field, scenario, spans)
    yield _pue(scenario, catalog)
    yield _scaled("request rates", "x", 1.0, spans, lambda f: _with_rates(scenario, f))
    if any(workload.slo is not None for workload in scenario.workloads):
        yield _scaled("latency limits", "x", 1.0, spans, lambda f: _with_limits(scenario, f))
    for figures in BANDS:
        yield _band(figures, scenario, catalog, fleet)


def _scaled(
    name: str, unit: str, base: float, spans: Mapping[str, Span], made: Callable[[float], Scenario]
) -> Variation:
    low, high = spans[name]
    return Variation(
        input=name, unit=unit, base=base, low=base * low, high=base * high,
        scenarios=(made(low), made(high)),
    )  # fmt: skip


def _life(name: str, field: str, scenario: Scenario, spans: Mapping[str, Span]) -> Variation:
    base = getattr(scenario.hardware, field)
    least, most = LIFE_RANGE_YEARS
    low, high = (min(max(base * share, least), most) for share in spans[name])
    made = tuple(edited(scenario, {f"hardware.{field}": years}) for years in (low, high))
    return Variation(
        input=name, unit="years", base=base, low=low, high=high, scenarios=(made[0], made[1])
    )


def _pue(scenario: Scenario, catalog: Catalog) -> Variation:
    """The band of the provider behind the site's region, widened to hold the site's own figure."""
    base = site_pue(scenario.site, catalog)
    provider = catalog.provider(catalog.region(scenario.site.region).provider_id)
    low, high = min(base, provider.pue_low), max(base, provider.pue_high)
    made = tuple(edited(scenario, {"site.pue": pue}) for pue in (low, high))
    return Variation(
        input="PUE", unit="facility / IT", base=base, low=low, high=high,
        scenarios=(made[0], made[1]),
    )  # fmt: skip


def _with_rates(scenario: Scenario, factor: float) -> Scenario:
    """Token shares stay shares, so what they stand for grows alike."""
    return edited(
        scenario,
        {
            f"workloads.{i}.rate_rps": workload.rate_rps * factor
            for i, workload in enumerate(scenario.workloads)
            if workload.rate_rps is not None
        },
    )


def _with_limits(scenario: Scenario, factor: float) -> Scenario:
    return edited(
        scenario,
        {
            f"workloads.{i}.slo.{name}": getattr(workload.slo, name) * factor
            for i, workload in enumerate(scenario.workloads)
            if workload.slo is not None
            for name in ("ttft_s", "tpot_s")
        },
    )


def _band(
    figures: Figures, scenario: Scenario, catalog: Catalog, fleet: Sequence[FleetEntry]
) -> Variation:
    """All figures at one end at once; shown as what that does to the plan's fleet."""

    def measure(offered: Catalog) -> float:
        if figures == "host power":
            return sum(e.count * host_on_w(offered.server(e.server), offered) for e in fleet)
        set_id = scenario.policy.coefficients
        made = (e.count * server_footprint(e.server, set_id, offered).total_kgco2e for e in fleet)
        return sum(made)

    central = measure(catalog)
    low, high = (measure(catalog_at(catalog, BandEnd(figures, end))) / central for end in ENDS)
    return Variation(
        input=figures, unit="x", base=1.0, low=low, high=high, scenarios=(scenario, scenario),
        band=figures,
    )  # fmt: skip
