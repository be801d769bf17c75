"""Recycle over time: what replacing accelerators and hosts at different ages saves a planned fleet.

    Plan -> PlannedFleet -> refresh policies (the grid) -> the best split one in whole servers
                                 `-> the same with every trend at its ends

A longer life in the account is bookkeeping; here newer hardware does the work with less, the grid
changes, and the yardstick is the best joint refresh, not a bad one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ecoserve.catalog import Catalog
from ecoserve.cohort_program import SIDES
from ecoserve.cohorts import CohortPlan, plan_cohorts
from ecoserve.plan import Note, Plan, Status
from ecoserve.planner import Effort
from ecoserve.refresh import (
    CONVENTION,
    PlannedFleet,
    Refresh,
    RefreshGrid,
    YearCarbon,
    planned_fleet,
    refresh,
    refresh_grid,
    saving_ratio,
)
from ecoserve.scenario import Scenario
from ecoserve.trends import End, LifecycleAssumptions, at_the_end, uncertain_trends

PUBLISHED_YEARS = (3, 10)
PUBLISHED_SAVING = 0.16
"""Accelerators of 3 and hosts of 10 years save about this much over a decade, EcoServe reports
(arXiv 2502.05043); neither its trends nor what it compares with are known."""
PUBLISHED_JOINT_YEARS = (3, 4, 5)
NODES: Mapping[Effort, int] = {"quick": 0, "interactive": 300, "report": 5000}
"""Of the search for purchases over the whole horizon."""
ENDS: tuple[End, End] = ("low", "high")
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What Recycle is worth with some trends at one end of their band."""

    trends: tuple[str, ...]
    end: End
    recycle_kgco2e_per_year: float
    recycle_ratio: float
    split_years: tuple[int, int]
    joint_years: int

    @classmethod
    def of(cls, grid: RefreshGrid, trends: tuple[str, ...], end: End) -> Effect:
        """The figures of one grid."""
        split, joint = grid.best_split, grid.best_joint
        return cls(
            trends=trends,
            end=end,
            recycle_kgco2e_per_year=grid.recycle_kgco2e_per_year,
            recycle_ratio=grid.recycle_ratio,
            split_years=(split.accelerator_years, split.host_years),
            joint_years=joint.accelerator_years,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """The study of one planned fleet."""

    engine_version: str
    catalog_version: str
    scenario_fingerprint: str
    plan_status: Status
    plan_gap: float
    """Of the plan whose years these are."""
    fleet: PlannedFleet
    assumptions: LifecycleAssumptions
    grid: RefreshGrid
    published: Refresh
    """Accelerators and hosts of the published comparison, with the trends of this study."""
    published_savings: Mapping[str, float]
    """Its saving over joint refreshes: the best, and every 3, 4 and 5 years."""
    effects: tuple[Effect, ...]
    """Each uncertain trend at its ends, then all of them at once."""
    cohorts: CohortPlan
    notes: tuple[Note, ...]

    @property
    def recycle_range_kgco2e_per_year(self) -> tuple[float, float]:
        """Least and most that Recycle is worth over all effects and the study itself."""
        found = [effect.recycle_kgco2e_per_year for effect in self.effects]
        found.append(self.grid.recycle_kgco2e_per_year)
        return min(found), max(found)

    @property
    def recycle_range_ratio(self) -> tuple[float, float]:
        """The same as shares of each case's best joint refresh."""
        found = [effect.recycle_ratio for effect in self.effects]
        found.append(self.grid.recycle_ratio)
        return min(found), max(found)


def study_lifecycle(
    plan: Plan,
    scenario: Scenario,
    catalog: Catalog,
    assumptions: LifecycleAssumptions,
    effort: Effort = "interactive",
    on_progress: Progress = lambda done, total, label: None,
) -> Lifecycle:
    """Refresh policies, what they are worth under other trends, and purchases by year.

    In the purchases parts serve at most as long as in the best split refresh, unless the
    assumptions say how long. Raises :class:`ScenarioError` for a plan without servers and
    :class:`SolverError` where no purchases are found.
    """
    fleet = planned_fleet(plan, scenario, catalog)
    grid = refresh_grid(fleet, assumptions)
    split = grid.best_split
    published = refresh(fleet, assumptions, *PUBLISHED_YEARS)
    on_progress(0, assumptions.horizon_years, "refresh policies")
    return Lifecycle(
        engine_version=plan.engine_version,
        catalog_version=plan.catalog_version,
        scenario_fingerprint=plan.scenario_fingerprint,
        plan_status=plan.status,
        plan_gap=plan.gap,
        fleet=fleet,
        assumptions=assumptions,
        grid=grid,
        published=published,
        published_savings={
            "best_joint": saving_ratio(published, grid.best_joint),
            **{
                f"joint_{years}": saving_ratio(published, refresh(fleet, assumptions, years, years))
                for years in PUBLISHED_JOINT_YEARS
            },
        },
        effects=tuple(_effects(fleet, assumptions, catalog)),
        cohorts=plan_cohorts(
            fleet,
            assumptions,
            assumptions.longest_accelerator_years or split.accelerator_years,
            assumptions.longest_host_years or split.host_years,
            nodes=NODES[effort],
            on_progress=on_progress,
        ),
        notes=tuple(_notes(plan, catalog, assumptions, grid)),
    )


def _effects(
    fleet: PlannedFleet, assumptions: LifecycleAssumptions, catalog: Catalog
) -> Iterator[Effect]:
    uncertain = uncertain_trends(assumptions, catalog)
    together = [uncertain] if len(uncertain) > 1 else []
    for names in (*((name,) for name in uncertain), *together):
        for end in ENDS:
            moved = at_the_end(assumptions, catalog, end, names)
            if moved != assumptions:
                yield Effect.of(refresh_grid(fleet, moved), names, end)


def _notes(
    plan: Plan, catalog: Catalog, assumptions: LifecycleAssumptions, grid: RefreshGrid
) -> Iterator[Note]:
    yield Note("embodied_convention", CONVENTION)
    yield Note(
        "continuous_amounts",
        "Refresh policies count fractions of servers; the purchases by year are whole, with "
        "accelerators counted in sets, those of one server.",
    )
    yield Note(
        "accelerators_fit_hosts",
        "A split refresh takes for granted that newer accelerators fit into older hosts: board, "
        "power supply and cooling. Where they do not, the best joint refresh is the figure.",
    )
    yield Note(
        "trends_extrapolated",
        "Trends of the past years are carried on at the same pace to the end of the horizon.",
    )
    cards, hosts = ({lives[side] for lives in grid.policies} for side in (0, 1))
    split = grid.best_split
    if split.accelerator_years in (min(cards), max(cards)) or split.host_years in (
        min(hosts),
        max(hosts),
    ):
        yield Note(
            "edge_of_range",
            f"The best split refresh lies at the edge of what is tried, accelerators every "
            f"{min(cards)} to {max(cards)} years and hosts every {min(hosts)} to {max(hosts)}.",
        )
    used = [catalog.trend(name) for name in uncertain_trends(assumptions, catalog)]
    assumed = [row.id.replace("_", " ") for row in used if row.quality == "assumed"]
    if assumed:
        yield Note("trends_assumed", f"Assumed, for lack of a source: {', '.join(assumed)}.")
    if len({(entry.server, entry.variant) for entry in plan.fleet}) > 1:
        yield Note("mean_server", "A fleet of several kinds is replaced in the mix that it has.")
    if any(entry.owned for entry in plan.fleet):
        yield Note(
            "owned_as_new",
            "Servers owned already cost nothing to make, but are taken to be new; older ones have "
            "to be replaced sooner.",
        )
    if any(catalog.server(entry.server).offer == "rental" for entry in plan.fleet):
        yield Note("rented", "Servers are rented: it is their owner who decides when to refresh.")


def lifecycle_record(study: Lifecycle, seconds: float) -> dict[str, Any]:
    """The study as plain data: the JSON object of ``ecoserve lifecycle --json``.

    Years count from 1, the year of the plan.
    """
    grid = study.grid
    return {
        "engine_version": study.engine_version,
        "catalog_version": study.catalog_version,
        "scenario_fingerprint": study.scenario_fingerprint,
        "notes": [{"code": note.code, "message": note.message} for note in study.notes],
        "seconds": seconds,
        "convention": CONVENTION,
        "assumptions": asdict(study.assumptions),
        "plan": {"status": study.plan_status.value, "gap": study.plan_gap},
        "fleet": asdict(study.fleet),
        "policies": [_policy_record(policy) for policy in grid.policies.values()],
        "best_joint": {
            **_policy_record(grid.best_joint),
            "by_year": _by_year(grid.best_joint.years),
        },
        "best_split": {
            **_policy_record(grid.best_split),
            "by_year": _by_year(grid.best_split.years),
        },
        "recycle": {
            "horizon_years": study.assumptions.horizon_years,
            "kgco2e_per_year": grid.recycle_kgco2e_per_year,
            "saving": grid.recycle_ratio,
            "kgco2e_per_year_range": list(study.recycle_range_kgco2e_per_year),
            "saving_range": list(study.recycle_range_ratio),
            "effects": [asdict(effect) for effect in study.effects],
        },
        "published": {
            **_policy_record(study.published),
            "reported_saving": PUBLISHED_SAVING,
            "savings": dict(study.published_savings),
        },
        "cohorts": _cohorts_record(study.cohorts),
    }


def _policy_record(policy: Refresh) -> dict[str, Any]:
    return {
        "accelerator_years": policy.accelerator_years,
        "host_years": policy.host_years,
        "kgco2e_per_year": _carbon_record(policy.mean),
    }


def _carbon_record(carbon: YearCarbon) -> dict[str, float]:
    return {
        "total": carbon.total,
        "operational": carbon.operational,
        "embodied": carbon.embodied,
        **asdict(carbon),
    }


def _by_year(years: Iterable[YearCarbon]) -> list[dict[str, float]]:
    return [{"year": number, **_carbon_record(year)} for number, year in enumerate(years, start=1)]


def _cohorts_record(cohorts: CohortPlan) -> dict[str, Any]:
    return {
        "status": cohorts.status.value,
        "gap": cohorts.gap,
        "bound_kgco2e_per_year": cohorts.bound_kgco2e_per_year,
        "kgco2e_per_year": cohorts.kgco2e_per_year,
        "longest_accelerator_years": cohorts.accelerator_years,
        "longest_host_years": cohorts.host_years,
        "by_year": [
            {
                **carbon,
                **{
                    f"{side}s_{what}": getattr(cohorts, what)(side, year)
                    for side in SIDES
                    for what in ("bought", "retired", "serving")
                },
            }
            for year, carbon in enumerate(_by_year(cohorts.years))
        ],
        "cohorts": [
            {**asdict(cohort), "bought": cohort.bought + 1, "retired": cohort.retired + 1}
            for cohort in cohorts.cohorts
        ],
    }
