"""What a plan rests on, and what it leaves out, as sentences."""

from __future__ import annotations

from app.answers import Answer
from app.text import mass_unit
from ecoserve.catalog import Catalog
from ecoserve.cost import rental_date
from ecoserve.operational import hourly_intensity, site_pue
from ecoserve.plan import Plan
from ecoserve.scenario import Scenario
from ecoserve.scenario_parts import Site

NOT_COUNTED = (
    "Not counted: networks beyond the servers' own NICs, the building, its cooling plant and UPS as"
    " things made, transport beyond the sources' own, end of life, training."
)


def assumption_lines(answer: Answer, catalog: Catalog) -> list[str]:
    """The settings that move the headline most, as sentences."""
    plan = answer.plan
    *settings, not_counted = scenario_lines(answer.scenario, catalog)
    versions = (
        f"Engine {plan.engine_version}, catalog {plan.catalog_version}, "
        f"scenario {plan.scenario_fingerprint}."
    )
    return [*settings, scopes_line(plan), not_counted, versions]


def scenario_lines(scenario: Scenario, catalog: Catalog) -> list[str]:
    """Those that hold before anything is planned; what is not counted stands last."""
    hardware, policy = scenario.hardware, scenario.policy
    price = "capex straight-line over the life, power and colocation"
    if hardware.offer == "rental":
        year = rental_date(hardware, catalog)
        price = f"on-demand list of {hardware.provider}, {year}, electricity included"
    return [
        f"Embodied carbon by the coefficient set {policy.coefficients}; accelerators serve "
        f"{hardware.accelerator_years:g} years, hosts {hardware.host_years:g}.",
        *(_grid_line(site, catalog) for site in scenario.sites),
        f"Prices: {price}.",
        f"Slack: headroom {100 * policy.headroom:g} %, burst {policy.burst:g} within the hour, at "
        f"least {policy.min_replicas} replicas per online workload; baselines have the same.",
        NOT_COUNTED,
    ]


def _grid_line(site: Site, catalog: Catalog) -> str:
    intensity = hourly_intensity(site, catalog).mean()
    kind = {"hourly": "by hour", "annual": "yearly mean", "custom": "your own figure"}
    counted = {"lifecycle": "life-cycle", "direct": "direct emissions only"}[site.intensity_kind]
    return (
        f"{site.name}: carbon intensity {intensity:.0f} gCO2e/kWh on average "
        f"({kind[site.intensity]}), location-based, {counted}; PUE {site_pue(site, catalog):g}."
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
