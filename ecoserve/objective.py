"""What a scenario asks to be least, and what of the day's account it caps."""

from __future__ import annotations

from collections.abc import Mapping

from ecoserve.scenario import Scenario
from ecoserve.units import DAYS_PER_YEAR, HOURS_PER_DAY

CARBON: Mapping[str, float] = {"kg": 1.0}
OWN_OPTIMUM_SLACK = 0.005
"""A baseline is the least-carbon plan within this share of its own optimum."""


def account_caps(scenario: Scenario) -> dict[str, float]:
    """The scenario's caps as most of a day's account."""
    policy = scenario.policy
    caps = {}
    if policy.max_kgco2e_per_year is not None:
        caps["kg"] = policy.max_kgco2e_per_year / DAYS_PER_YEAR
    if policy.max_usd_per_h is not None:
        caps["usd"] = policy.max_usd_per_h * HOURS_PER_DAY
    return caps


def objective_weights(scenario: Scenario) -> dict[str, float]:
    """Weights of the day's account in the scenario's objective."""
    price = scenario.policy.carbon_price_usd_per_t
    if price is not None:
        return {"usd": 1.0, "kg": price / 1000.0}
    names = {"carbon": "kg", "cost": "usd", "energy": "kwh", "performance": "servers"}
    return {names[scenario.policy.objective]: 1.0}


def objective_name(scenario: Scenario, *, least_carbon: bool = False) -> str:
    """What is minimised, with its unit."""
    price = scenario.policy.carbon_price_usd_per_t
    if price is not None:
        return f"USD/day with carbon at {price:g} USD/t"
    own = {
        "carbon": "kgCO2e/day",
        "cost": "USD/day",
        "energy": "facility kWh/day",
        "performance": "servers, on the fastest option of each model",
    }[scenario.policy.objective]
    if not least_carbon or scenario.policy.objective == "carbon":
        return own
    return f"kgCO2e/day, within {OWN_OPTIMUM_SLACK:.1%} of the least {own}"
