"""What the terminal shows of a lifecycle study, as rich tables and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from app.reports import percent, table
from app.text import MassUnit, mass_unit, number, replaced
from ecoserve.catalog import Catalog
from ecoserve.cohort_program import SIDES
from ecoserve.cohorts import CohortPlan
from ecoserve.lifecycle import PUBLISHED_JOINT_YEARS, PUBLISHED_SAVING, Effect, Lifecycle
from ecoserve.plan import Status
from ecoserve.refresh import Refresh, RefreshGrid
from ecoserve.trends import RANGES

PARTS = (
    ("operational_accelerator", "oper. accel. >"),
    ("operational_host", "oper. hosts >"),
    ("embodied_accelerator", "emb. accel. >"),
    ("embodied_host", "emb. hosts >"),
    ("total", "total >"),
)


def lifecycle_report(study: Lifecycle, catalog: Catalog, title: str) -> list[RenderableType]:
    """The finding, the grid of policies, the best ones by part, purchases by year, trends."""
    unit = mass_unit(study.grid.best_joint.kgco2e_per_year)
    return [
        Text(title, style="bold"),
        Text(recycle_sentence(study, unit)),
        Text(published_sentence(study)),
        _grid(study.grid, unit),
        _policies(study, unit),
        _purchases(study.cohorts, unit),
        Text(cohorts_sentence(study.cohorts, unit)),
        _trends(study, catalog, unit),
        *(Text(f"note ({note.code}): {note.message}") for note in study.notes),
    ]


def recycle_sentence(study: Lifecycle, unit: MassUnit) -> str:
    """What Recycle is worth, with its horizon and its range."""
    grid, horizon = study.grid, study.assumptions.horizon_years
    split, joint = grid.best_split, grid.best_joint
    low, high = (number(unit.value(kg)) for kg in study.recycle_range_kgco2e_per_year)
    least, most = (percent(ratio) for ratio in study.recycle_range_ratio)
    joint_words = f"the best joint refresh, {replaced(joint.accelerator_years, horizon)}"
    if grid.recycle_kgco2e_per_year == 0.0:
        saved = f"Recycle saves nothing over {horizon} years: the best refresh is {joint_words}"
    else:
        saved = (
            f"Recycle saves {number(unit.value(grid.recycle_kgco2e_per_year))} {unit.name} CO2e a"
            f" year over {horizon} years, {percent(grid.recycle_ratio)} of {joint_words}:"
            f" accelerators {replaced(split.accelerator_years, horizon)}, hosts"
            f" {replaced(split.host_years, horizon)}"
        )
    return f"{saved}. With the trends at their ends {low} to {high} {unit.name}, {least} to {most}."


def published_sentence(study: Lifecycle) -> str:
    """The published lives beside joint refreshes, in the figures of this study."""
    savings = study.published_savings
    lives = study.published.accelerator_years, study.published.host_years
    return (
        f"Published: accelerators every {lives[0]} and hosts every {lives[1]} years save about"
        f" {number(100 * PUBLISHED_SAVING)} % over a decade. Here they emit"
        f" {compared_words(savings)}."
    )


def compared_words(savings: Mapping[str, float]) -> str:
    """The published lives against joint refreshes, each saving in words."""
    named = [("best_joint", "the best joint refresh")]
    named += [(f"joint_{years}", f"every {years} years") for years in PUBLISHED_JOINT_YEARS]
    return ", ".join(
        f"{percent(abs(savings[key]))} {'less' if savings[key] >= 0 else 'more'} than {name}"
        for key, name in named
    )


def cohorts_sentence(cohorts: CohortPlan, unit: MassUnit) -> str:
    """What the purchases emit and how sure it is that there are no better ones."""
    sure = "proven optimal"
    if cohorts.status is not Status.OPTIMAL:
        sure = f"feasible, within {percent(cohorts.gap)} of the best possible"
    return (
        f"Purchases in whole servers: {number(unit.value(cohorts.kgco2e_per_year))} {unit.name}"
        f" CO2e a year, {sure}; accelerators serve at most {cohorts.accelerator_years} years,"
        f" hosts {cohorts.host_years}."
    )


def _grid(grid: RefreshGrid, unit: MassUnit) -> Table:
    """Accelerator years down, host years across."""
    cards = sorted({lives[0] for lives in grid.policies})
    hosts = sorted({lives[1] for lives in grid.policies})
    rows = [(f"{a} years", *(_cell(grid, grid.policies[a, h], unit) for h in hosts)) for a in cards]
    title = (
        f"Mean {unit.name} CO2e a year, accelerators replaced every (down), hosts every (across)"
    )
    drawn = table(title, ("", *(f"{h} >" for h in hosts)), rows)
    drawn.caption = "* best split, j best joint refresh"
    drawn.caption_justify = "left"
    return drawn


def _cell(grid: RefreshGrid, policy: Refresh, unit: MassUnit) -> str:
    marks = (("j", grid.best_joint), ("*", grid.best_split))
    mark = "".join(sign for sign, best in marks if best == policy)
    return f"{mark}{number(unit.value(policy.kgco2e_per_year))}"


def _policies(study: Lifecycle, unit: MassUnit) -> Table:
    named = (
        ("best split", study.grid.best_split),
        ("best joint", study.grid.best_joint),
        ("published lives", study.published),
    )
    rows = [
        (
            name,
            f"{policy.accelerator_years} / {policy.host_years}",
            *(number(unit.value(getattr(policy.mean, part))) for part, _ in PARTS),
        )
        for name, policy in named
    ]
    heads = ("refresh", "years >", *(head for _, head in PARTS))
    return table(f"Mean {unit.name} CO2e a year by part", heads, rows)


def _purchases(cohorts: CohortPlan, unit: MassUnit) -> Table:
    rows = []
    for year, carbon in enumerate(cohorts.years):
        counts = [
            f"{getattr(cohorts, what)(side, year):,}"
            for side in SIDES
            for what in ("bought", "retired", "serving")
        ]
        new = {c.generation for c in cohorts.cohorts if c.bought == year and c.side == SIDES[0]}
        generation = "".join(str(g) for g in new)
        kg = (carbon.operational, carbon.embodied, carbon.total)
        rows.append((str(year + 1), generation, *counts, *(number(unit.value(k)) for k in kg)))
    heads = (
        *("year >", "generation >", "sets bought >", "retired >", "there >"),
        *("hosts bought >", "retired >", "there >", "oper. >", "emb. >", "total >"),
    )
    title = f"Purchases by year; a set is the accelerators of one server; {unit.name} CO2e"
    return table(title, heads, rows)


def _trends(study: Lifecycle, catalog: Catalog, unit: MassUnit) -> Table:
    rows = list(_trend_rows(study, catalog, unit))
    heads = ("trend", "value >", "band >", "saves at low >", "at high >", "quality", "source")
    title = f"Trends, and what Recycle saves at their ends, {unit.name} CO2e a year"
    return table(title, heads, rows)


def _trend_rows(study: Lifecycle, catalog: Catalog, unit: MassUnit) -> Iterator[tuple[str, ...]]:
    effects = {(effect.trends, effect.end): effect for effect in study.effects}

    def saved(effect: Effect | None) -> str:
        """Nothing where that end is the value itself."""
        return "" if effect is None else number(unit.value(effect.recycle_kgco2e_per_year))

    for name in RANGES:
        row, value = catalog.trend(name), getattr(study.assumptions, name)
        ends = (saved(effects.get(((name,), end))) for end in ("low", "high"))  # type: ignore[arg-type]
        if value == row.value:
            about = (f"{row.low:g} to {row.high:g}", *ends, row.quality, row.source_id)
        else:
            about = ("", *ends, "yours", "")
        yield name.replace("_", " "), f"{value:g}", *about
    together = {effect.end: saved(effect) for effect in study.effects if len(effect.trends) > 1}
    if together:
        yield "all at once", "", "", together["low"], together["high"], "", ""
