"""What stands behind a plan: coefficient set, lifetimes, what is not counted, remarks."""

from __future__ import annotations

from importlib import resources

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import state
from app.state import Answer
from app.text import mass_unit, plain, sentence
from app.views import solve
from app.views.answer import set_line, view_unit
from ecoserve.constraints import FAMILIES
from ecoserve.cost import rental_date
from ecoserve.errors import EcoServeError
from ecoserve.operational import hourly_intensity
from ecoserve.plan import Plan
from ecoserve.scenario_parts import Site

METHODOLOGY = resources.files("assets") / "methodology.md"


def show(answer: Answer) -> None:
    """Assumptions and remarks of this plan, and the method."""
    with st.expander("Assumptions, remarks and what is not counted", expanded=True):
        lines = [
            *assumption_lines(answer),
            *(sentence(state.readable(note.message)) for note in answer.plan.notes),
        ]
        st.markdown("\n".join(f"- {plain(line)}" for line in lines))
    with st.expander("Method"):
        st.markdown(METHODOLOGY.read_text(encoding="utf-8"))
        st.markdown("**The rows of the program.** One family a line, for each of its indices.")
        st.table(
            [{"Rows": row.name, "For each": row.indices, "Say": row.sentence} for row in FAMILIES]
        )


def assumption_lines(answer: Answer) -> list[str]:
    """The settings that move the headline most, as sentences."""
    scenario, plan = answer.scenario, answer.plan
    hardware, policy, sites = scenario.hardware, scenario.policy, scenario.sites
    price = "capex straight-line over the life, power and colocation"
    if hardware.offer == "rental":
        year = rental_date(hardware, state.catalog())
        price = f"on-demand list of {hardware.provider}, {year}, electricity included"
    return [
        f"Embodied carbon by the coefficient set {policy.coefficients}; accelerators serve "
        f"{hardware.accelerator_years:g} years, hosts {hardware.host_years:g}.",
        *(_grid_line(site, day.pue) for site, day in zip(sites, plan.site_days, strict=True)),
        scopes_line(plan),
        f"Prices: {price}.",
        f"Slack: headroom {100 * policy.headroom:g} %, burst {policy.burst:g} within the hour, at "
        f"least {policy.min_replicas} replicas per online workload; the baseline has the same.",
        "Not counted: networks beyond the servers' own NICs, the building, its cooling plant and "
        "UPS as things made, transport beyond the sources' own, end of life, training.",
        f"Engine {plan.engine_version}, catalog {plan.catalog_version}, "
        f"scenario {plan.scenario_fingerprint}.",
    ]


def _grid_line(site: Site, pue: float) -> str:
    intensity = hourly_intensity(site, state.catalog()).mean()
    kind = {"hourly": "by hour", "annual": "yearly mean", "custom": "your own figure"}
    counted = {"lifecycle": "life-cycle", "direct": "direct emissions only"}[site.intensity_kind]
    return (
        f"{site.name}: carbon intensity {intensity:.0f} gCO2e/kWh on average "
        f"({kind[site.intensity]}), location-based, {counted}; PUE {pue:g}."
    )


def scopes_line(plan: Plan) -> str:
    """The year by the scopes of the GHG Protocol."""
    unit = mass_unit(plan.kgco2e_per_year)
    together, direct = plan.operational_kgco2e_per_year, plan.direct_kgco2e_per_year
    if direct is None:
        located = (
            f"electricity {unit.text(together)}CO2e, scope 2 and its fuel supply (scope 3) in one"
        )
    else:
        located = (
            f"scope 2, location-based {unit.text(direct)}CO2e; scope 3, fuel supply and plants "
            f"{unit.text(together - direct)}CO2e"
        )
    if plan.market_kgco2e_per_year is None:
        market = "no market-based figure without contracts (Grid & site)"
    else:
        market = f"market-based {unit.text(plan.market_kgco2e_per_year)}CO2e by your contracts"
    return (
        f"A year by scopes: {located}; {market}; scope 3, embodied "
        f"{unit.text(plan.embodied_kgco2e_per_year)}CO2e. Where servers are rented, all of it is "
        "the tenant's scope 3."
    )


def under_other_sets(place: DeltaGenerator, answer: Answer) -> None:
    """What the headline becomes with the other embodied coefficients, by the quick answer."""
    used = answer.scenario.policy.coefficients
    others = [name for name in state.catalog().coefficient_sets if name != used]
    if others:
        lines = "; ".join(_set_line(name, answer) for name in others)
        place.caption(plain(f"Embodied coefficients {used}. Planned anew {lines}."))


def _set_line(name: str, answer: Answer) -> str:
    scenario = state.changed(answer.scenario, {"policy.coefficients": name})
    try:
        other = solve.answer(scenario, answer.baseline, "quick")
    except EcoServeError as error:
        return f"with {name}: {str(error).rstrip('.')}"
    return set_line(name, other, view_unit(answer))
