"""Lifecycle: when to replace accelerators and hosts, and what that is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import figures_lifecycle as figures
from app import inputs, state
from app.reports_lifecycle import compared_words
from app.solving.desk import Desk
from app.text import MassUnit, column_words, mass_unit, number, percent, plain, sentence
from app.views import answer as draw
from app.views import on_demand
from ecoserve.cohort_program import SIDES
from ecoserve.errors import EcoServeError, InfeasibleError
from ecoserve.lifecycle import ENDS, PUBLISHED_SAVING, Effect, Lifecycle
from ecoserve.plan import Status
from ecoserve.trends import DEFAULT_HORIZON_YEARS, RANGES, catalog_assumptions

HORIZON = "horizon_years"
LONGEST_SHOWN_YEARS = 15  # purchases over more take long to find; the terminal has them


@dataclass(frozen=True, slots=True)
class Trend:
    """A control: its name, what it does, and its steps in what is shown."""

    label: str
    help: str
    per_cent: bool = True


CONTROLS: Mapping[str, Trend] = {
    "accelerator_efficiency_gain": Trend(
        "Accelerators: work per kWh, % more a year",
        "How much more of the same traffic newer accelerators serve with a kWh.",
    ),
    "accelerator_throughput_gain": Trend(
        "Accelerators: work each, % more a year",
        "Faster accelerators need fewer hosts for the same traffic.",
    ),
    "accelerator_embodied_decline": Trend(
        "Accelerators: making, % less a year", "Carbon of making them, for the same work."
    ),
    "generation_years": Trend(
        "Years per generation", "Progress comes with a new generation, not in between.", False
    ),
    "host_efficiency_gain": Trend(
        "Hosts: watts, % saved a year", "Mostly idle CPUs, DRAM and fans of a newer host."
    ),
    "host_embodied_decline": Trend("Hosts: making, % less a year", "Carbon of making a host."),
    "grid_decline": Trend("Grid: intensity, % less a year", "Carbon of a kWh."),
    "demand_growth": Trend("Traffic: % more a year", "Bought for when it comes."),
}


@st.fragment
def page() -> None:
    """Assumptions on the left, policies and purchases on the right; below, what stands behind."""
    inputs.header("Lifecycle")
    controls, result = st.columns([1, 3], gap="large")
    with controls:
        assume()
    with result:
        try:
            study = studied()
        except EcoServeError as error:
            failed(error)
            return
        if study is None:
            return
        answer(study)
    behind(study)


def assume() -> None:
    """The horizon and the trends; what the visitor leaves is the catalog's."""
    held, catalog = state.session().trends, state.catalog()
    st.slider(
        "Horizon, years",
        2,
        LONGEST_SHOWN_YEARS,
        value=int(held.get(HORIZON, DEFAULT_HORIZON_YEARS)),
        key=_key(HORIZON),
        on_change=_keep,
        args=(HORIZON, 1.0),
    )
    for name, trend in CONTROLS.items():
        row, factor = catalog.trend(name), 100.0 if trend.per_cent else 1.0
        low, high = RANGES[name]
        band = f"{factor * row.low:g} to {factor * row.high:g}"
        st.number_input(
            trend.label,
            min_value=factor * low,
            max_value=factor * high,
            value=round(factor * held.get(name, row.value), 6),
            step=1.0 if trend.per_cent else 0.5,
            format="%g",
            key=_key(name),
            on_change=_keep,
            args=(name, factor),
            help=plain(f"{trend.help} Catalog: {factor * row.value:g}, {band}, {row.quality}."),
        )
    if held:
        st.button("Back to the catalog's", on_click=_forget)


def _key(name: str) -> str:
    return f"trend:{name}"


def _keep(name: str, factor: float) -> None:
    value = float(st.session_state[_key(name)])
    state.session().trends[name] = round(value / factor, 9)


def _forget() -> None:
    state.session().trends.clear()
    for name in (HORIZON, *CONTROLS):
        st.session_state.pop(_key(name), None)


def studied() -> Lifecycle | None:
    """The study of the current scenario under the visitor's assumptions; None until it is done."""
    given: dict[str, float | int] = dict(state.session().trends)
    if HORIZON in given:
        given[HORIZON] = int(given[HORIZON])
    scenario, assumptions = state.scenario(), catalog_assumptions(state.catalog(), given)

    def study(desk: Desk) -> Lifecycle:
        desk.task.tell(0, 2, "the fleet")
        plan = desk.our_plan(scenario, "interactive")
        desk.task.tell(1, 2, "its years")
        return desk.years(scenario, plan, assumptions)

    key = scenario.fingerprint(), repr(assumptions)
    found: Lifecycle | None = on_demand.planned("years", key, study)
    return found


def failed(error: EcoServeError) -> None:
    """Says why there is nothing to study."""
    st.error(plain(sentence(state.readable(str(error)))))
    if isinstance(error, InfeasibleError):
        draw.show_table(draw.blocked_rows(error.blocked), "")
    st.caption("There is no fleet to refresh; the Plan page says what stands in its way.")


def answer(study: Lifecycle) -> None:
    """The finding, three pictures, and the purchases as a table."""
    st.header(plain(sentence(figures.finding(study))), anchor=False)
    st.markdown(plain(range_words(study)))
    st.caption(plain(f"{plan_words(study)} {published_words(study)}"))
    draw.show_chart(figures.policy_grid(study), "policies")
    draw.show_chart(figures.carbon_by_year(study), "carbon-by-year")
    draw.show_chart(figures.purchases_by_year(study.cohorts), "purchases")
    st.markdown(plain(purchases_words(study)))
    draw.show_table(purchase_rows(study), "")


def plan_words(study: Lifecycle) -> str:
    """Whose years these are."""
    number_of = f"{study.fleet.servers:,} server{'' if study.fleet.servers == 1 else 's'}"
    sure = "proven optimal"
    if study.plan_status is not Status.OPTIMAL:
        sure = f"within {percent(study.plan_gap, 2)} of the best possible"
    return f"For the fleet of the Plan page, {number_of}, {sure}, and its traffic."


def range_words(study: Lifecycle) -> str:
    """What Recycle is worth in mass, and within what band."""
    unit = mass_unit(study.grid.best_joint.kgco2e_per_year)
    low, high = study.recycle_range_kgco2e_per_year
    least, most = study.recycle_range_ratio
    return (
        f"Recycle is worth {unit.text(study.grid.recycle_kgco2e_per_year)}CO2e a year over "
        f"{study.assumptions.horizon_years} years; with the trends at the ends of their bands "
        f"{unit.text(low)} to {unit.text(high)}, {percent(least)} to {percent(most)}."
    )


def published_words(study: Lifecycle) -> str:
    """The published lives, in the figures of this study."""
    savings, lives = study.published_savings, study.published
    return (
        f"Published: {figures.lives_words(lives)} save about {percent(PUBLISHED_SAVING, 2)} over a "
        f"decade. Here they emit {compared_words(savings)}."
    )


def purchases_words(study: Lifecycle) -> str:
    """How the purchases were found, and how good they are."""
    cohorts = study.cohorts
    unit = mass_unit(cohorts.kgco2e_per_year)
    sure = "proven optimal"
    if cohorts.status is not Status.OPTIMAL:
        sure = f"within {percent(cohorts.gap, 2)} of the best possible, not proven optimal"
    return (
        f"In whole servers: {unit.text(cohorts.kgco2e_per_year)}CO2e a year, {sure}; accelerators "
        f"serve at most {cohorts.accelerator_years} years, hosts {cohorts.host_years}, as in the "
        "best split refresh."
    )


def purchase_rows(study: Lifecycle) -> list[dict[str, Any]]:
    """One row per year."""
    cohorts = study.cohorts
    unit = mass_unit(max(year.total for year in cohorts.years))
    names = {"accelerator": "Sets", "host": "Hosts"}
    return [
        {
            "Year": year + 1,
            "Generation on sale": study.assumptions.generation(year),
            **{
                f"{names[side]} {words}": getattr(cohorts, what)(side, year)
                for side in SIDES
                for what, words in (
                    ("bought", "bought"),
                    ("retired", "retired"),
                    ("serving", "there"),
                )
            },
            f"Electricity, {unit.name}CO2e": number(unit.value(carbon.operational)),
            f"Making, {unit.name}CO2e": number(unit.value(carbon.embodied)),
        }
        for year, carbon in enumerate(cohorts.years)
    ]


def behind(study: Lifecycle) -> None:
    """Every trend with its band, source and effect; the conventions."""
    st.markdown("### What each trend is worth")
    draw.show_table(trend_rows(study), "")
    with st.expander("Conventions and assumptions", expanded=True):
        lines = [state.readable(note.message) for note in study.notes]
        st.markdown("\n".join(f"- {plain(line)}" for line in lines))


def trend_rows(study: Lifecycle) -> list[dict[str, Any]]:
    """One row per trend: its value, its band, and Recycle's saving at the ends."""
    catalog, unit = state.catalog(), mass_unit(study.grid.best_joint.kgco2e_per_year)
    effects = {(effect.trends, effect.end): effect for effect in study.effects}
    rows: list[dict[str, Any]] = []
    for name in RANGES:
        row, value = catalog.trend(name), getattr(study.assumptions, name)
        is_own = value != row.value
        rows.append(
            {
                "Trend": column_words(name),
                "Value": f"{value:g}",
                "Band": "" if is_own else f"{row.low:g} to {row.high:g}",
                "Unit": row.unit,
                f"Recycle at low, {unit.name}CO2e": _saved(effects.get(((name,), "low")), unit),
                f"Recycle at high, {unit.name}CO2e": _saved(effects.get(((name,), "high")), unit),
                "Quality": "yours" if is_own else row.quality,
                "Source": "" if is_own else catalog.sources[row.source_id].title,
            }
        )
    together = {effect.end: effect for effect in study.effects if len(effect.trends) > 1}
    if together:
        ends = {f"Recycle at {end}, {unit.name}CO2e": _saved(together[end], unit) for end in ENDS}
        rows.append(dict.fromkeys(rows[0], "") | {"Trend": "All at once", **ends})
    return rows


def _saved(effect: Effect | None, unit: MassUnit) -> str:
    return "" if effect is None else number(unit.value(effect.recycle_kgco2e_per_year))


st.set_page_config(page_title="Lifecycle | EcoServe planner")
page()
