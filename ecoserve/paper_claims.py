"""The paper's claims, tried: its scene planned here, beside what was published.

The scene is a scenario with the paper's hardware, traffic and coefficients; it is planned at the
paper's three carbon intensities and under every set of embodied coefficients. What comes out is
reported as it is: the body of the paper, with its models, latency targets and traces, was not
available, so this is the same question put to another planner, not a replication.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from joblib import delayed

from ecoserve.ablations import COST_AS_SOLD
from ecoserve.baselines import COST, ENERGY, PERFORMANCE, SPLITWISE, baseline_names
from ecoserve.catalog import Catalog
from ecoserve.comparison import OURS, Comparison, Wishes, compare_plans
from ecoserve.lifecycle import PUBLISHED_SAVING, PUBLISHED_YEARS
from ecoserve.planner import Effort
from ecoserve.processes import in_processes
from ecoserve.refresh import planned_fleet, refresh_grid, saving_ratio
from ecoserve.scenario import Scenario, read_scenario
from ecoserve.structure import Memory
from ecoserve.trends import DEFAULT_HORIZON_YEARS, catalog_assumptions

Progress = Callable[[int, int, str], None]
REGIONS = ("paper_17", "paper_261", "paper_501")
"""Rows of the catalog with the paper's intensities."""
BASELINES = (PERFORMANCE, ENERGY, COST, SPLITWISE)
"""Those the paper compares with, as far as is known."""
SOURCE_ID = "ecoserve_paper"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedClaim:
    """A figure of the paper; a single one has ``low == high``."""

    what: str
    low: float
    high: float
    unit: str
    seen: str
    """Where: the paper's own text, or somebody's restatement of it."""

    @property
    def text(self) -> str:
        """The figure with its unit, fractions in per cent."""
        ends, unit = (self.low, self.high), self.unit
        if unit == "fraction":
            ends, unit = (100.0 * self.low, 100.0 * self.high), "%"
        low, high = (f"{end:g}" for end in ends)
        return f"{high} {unit}" if low == high else f"{low} to {high} {unit}"


SAVING = PublishedClaim(
    what="less total carbon than performance-, energy- or cost-optimised designs, at most",
    low=0.47, high=0.47, unit="fraction", seen="the paper's abstract",
)  # fmt: skip
RATIO = PublishedClaim(
    what="the total carbon of EcoServe's in other designs",
    low=1.4, high=2.2, unit="times", seen="restated by others; the body was not available",
)  # fmt: skip
RECYCLE = PublishedClaim(
    what="less over a decade with accelerators replaced every {} years and hosts every {}".format(
        *PUBLISHED_YEARS
    ),
    low=PUBLISHED_SAVING, high=PUBLISHED_SAVING, unit="fraction",
    seen="restated by others; against which refresh is not said",
)  # fmt: skip
CLAIMS = (SAVING, RATIO, RECYCLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever:
    """What one step of the waterfall takes off, as shares of ``cost`` as sold."""

    step: str
    share: float
    range: tuple[float, float]
    within_gap: bool
    usd_per_h: float
    """More (or less) than the step before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneResult:
    """The scene at one intensity, under one set of embodied coefficients."""

    region: str
    gco2e_per_kwh: float
    coefficients: str
    kgco2e_per_year: float
    embodied_share: float
    gap: float
    savings: Mapping[str, float]
    """Share of the other's carbon, by the key of its plan."""
    gaps: Mapping[str, float]
    """What the search for each of the others left open."""
    blocked: Mapping[str, str]
    """Why a baseline cannot serve the scene, by key."""
    levers: tuple[Lever, ...]
    recycle_ratio: float
    """Best split refresh against the best joint one; of the final fleet."""
    recycle_published_ratio: float
    """The published lives against the best joint refresh; negative where they emit more."""

    def ratio(self, key: str) -> float:
        """The other's carbon over ours."""
        return 1.0 / (1.0 - self.savings[key])


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperClaims:
    """Every cell of the scene, in the order of intensities, then of coefficient sets."""

    results: tuple[SceneResult, ...]
    horizon_years: int
    """Of the Recycle figures."""

    def largest_saving(self, coefficients: str) -> tuple[SceneResult, str]:
        """Where, and against which plan, most is saved under one set of coefficients."""
        found = [
            (result, key)
            for result in self.results
            if result.coefficients == coefficients
            for key in result.savings
        ]
        return max(found, key=lambda item: item[0].savings[item[1]])


def scene(scenario: Scenario, region: str, coefficients: str) -> Scenario:
    """The scenario at another of the paper's intensities and under another set."""
    data = scenario.model_dump(mode="json")
    data["site"]["region"] = region
    data["policy"]["coefficients"] = coefficients
    return read_scenario(data)


def cells(regions: Sequence[str], coefficients: Sequence[str]) -> list[tuple[str, str]]:
    """Every pair, intensity by intensity."""
    return [(region, name) for region in regions for name in coefficients]


def try_claims(
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort = "interactive",
    on_progress: Progress | None = None,
    *,
    regions: Sequence[str] = REGIONS,
    coefficients: Sequence[str] | None = None,
    workers: int = 1,
) -> PaperClaims:
    """The scene in every cell; ``workers`` are processes, a cell each, and change no answer.

    Raises what :func:`~ecoserve.comparison.compare_plans` raises.
    """
    sets = tuple(catalog.coefficient_sets) if coefficients is None else coefficients
    every = cells(regions, sets)
    tell = on_progress or (lambda _done, _total, _label: None)
    labels = [f"{catalog.region(region).name}, set {name}" for region, name in every]
    results: list[SceneResult] = []
    tell(0, len(every), labels[0])
    for found in _results(every, scenario, catalog, effort, workers):
        results.append(found)
        tell(len(results), len(every), [*labels, "done"][len(results)])
    return PaperClaims(results=tuple(results), horizon_years=DEFAULT_HORIZON_YEARS)


def _results(
    every: Sequence[tuple[str, str]],
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort,
    workers: int,
) -> Iterator[SceneResult]:
    if workers == 1:
        memory = Memory()
        return (try_cell(scenario, *cell, catalog, effort, memory) for cell in every)
    jobs = (delayed(try_cell)(scenario, *cell, catalog, effort) for cell in every)
    return in_processes(jobs, workers)


def try_cell(
    scenario: Scenario,
    region: str,
    coefficients: str,
    catalog: Catalog,
    effort: Effort,
    memory: Memory | None = None,
) -> SceneResult:
    """The scene in one cell; ``memory`` lends what earlier plans have in common."""
    here = scene(scenario, region, coefficients)
    wishes = Wishes(baselines=_known(here, catalog), what_ifs=False)
    comparison = compare_plans(here, catalog, effort, wishes=wishes, memory=memory)
    ours = comparison.plans[OURS]
    grid = refresh_grid(planned_fleet(ours, here, catalog), catalog_assumptions(catalog))
    published = grid.policies[PUBLISHED_YEARS]
    return SceneResult(
        region=region,
        gco2e_per_kwh=catalog.region(region).gco2e_per_kwh,
        coefficients=coefficients,
        kgco2e_per_year=ours.kgco2e_per_year,
        embodied_share=ours.embodied_kgco2e_per_year / ours.kgco2e_per_year,
        gap=ours.gap,
        savings=comparison.savings,
        gaps={key: plan.gap for key, plan in comparison.plans.items() if key != OURS},
        blocked=comparison.blocked,
        levers=tuple(_levers(comparison)),
        recycle_ratio=grid.recycle_ratio,
        recycle_published_ratio=saving_ratio(published, grid.best_joint),
    )


def _known(scenario: Scenario, catalog: Catalog) -> tuple[str, ...]:
    """The paper's baselines that this scenario has."""
    known = baseline_names(scenario, catalog)
    return tuple(name for name in BASELINES if name in known)


def _levers(comparison: Comparison) -> Iterator[Lever]:
    steps = comparison.waterfall
    whole = steps[0].kgco2e_per_year if steps else 0.0
    for before, step in pairwise(steps):
        least, most = step.worth_range_kgco2e_per_year
        yield Lever(
            step=step.step,
            share=(before.kgco2e_per_year - step.kgco2e_per_year) / whole,
            range=(least / whole, most / whole),
            within_gap=step.within_gap,
            usd_per_h=step.usd_per_h - before.usd_per_h,
        )


def paper_claims_record(claims: PaperClaims, seconds: float) -> dict[str, Any]:
    """What ``ecoserve paper-claims --json`` adds to the keys of all; shares are fractions."""
    return {
        "seconds": seconds,
        "published": [
            {name: getattr(claim, name) for name in ("what", "low", "high", "unit", "seen")}
            | {"source_id": SOURCE_ID}
            for claim in CLAIMS
        ],
        "recycle_horizon_years": claims.horizon_years,
        "waterfall_from": COST_AS_SOLD,
        "results": [_result_record(result) for result in claims.results],
    }


def _result_record(result: SceneResult) -> dict[str, Any]:
    plain = (
        "region", "gco2e_per_kwh", "coefficients", "kgco2e_per_year", "embodied_share", "gap",
        "recycle_ratio", "recycle_published_ratio",
    )  # fmt: skip
    return {
        **{name: getattr(result, name) for name in plain},
        "savings": dict(result.savings),
        "ratios": {key: result.ratio(key) for key in result.savings},
        "gaps": dict(result.gaps),
        "blocked": dict(result.blocked),
        "levers": [
            {name: getattr(lever, name) for name in Lever.__slots__} for lever in result.levers
        ],
    }
