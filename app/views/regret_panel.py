"""Other fleets: accelerators insisted on, and fleets under other views of the world."""

from __future__ import annotations

import math

import streamlit as st

from app import figures_trade_offs as figures
from app import state
from app.text import percent, plain, sentence
from app.views import answer as draw
from app.views.analyses import Found
from app.views.trade_off_parts import Row, accelerator_names, certainty, fleet_words, say, table
from ecoserve.analysis.regret import Regret, WhyNot
from ecoserve.analysis.robustness import Robustness
from ecoserve.scenario import Scenario


def show_why_not(found: Found, scenario: Scenario) -> None:
    """What insisting costs, in bars and in a sentence each."""
    answer: WhyNot = found.answer
    names = accelerator_names()
    priced = [regret for regret in answer.regrets if regret.kgco2e_per_year is not None]
    if priced:
        draw.show_chart(figures.regret_bars(answer, names), "why-not")
    else:
        say(sentence(figures.why_not_finding(answer, names)))
    both = (*answer.without, *answer.regrets)
    gaps = [answer.plan.gap, *(r.plan.gap for r in both if r.plan is not None)]
    say(certainty(found.effort, max(gaps)), _why_not_advice(answer))
    st.markdown("\n".join(f"- {plain(state.readable(r.sentence))}" for r in both))
    table([_regret_row(regret, regret in answer.without) for regret in both], "why-not")


def _why_not_advice(answer: WhyNot) -> str:
    if any(regret.within_gap and not regret.idle for regret in answer.regrets):
        return (
            "What to do: where a fleet is within what the search left open, let price or delivery "
            "decide, or search more thoroughly."
        )
    return (
        "What to do: leave these out. If you own some already, enter them as stock on the Hardware "
        "page: what is made already is not counted again."
    )


def _regret_row(regret: Regret, is_without: bool) -> Row:
    ratio = regret.objective_ratio
    return {
        "Accelerator": state.catalog().accelerator(regret.accelerator).name,
        "Tried": "without it" if is_without else "with at least one server of it",
        "More, kgCO2e a year": _rounded(regret.kgco2e_per_year, 1),
        "More, USD/h": _rounded(regret.usd_per_h, 4),
        "More of what is minimised, %": None if ratio is None else round(100.0 * ratio, 3),
        "Within what the search left open": "yes" if regret.within_gap else "no",
        "Stands idle": "yes" if regret.idle else "no",
        "Fleet": "" if regret.plan is None else fleet_words(regret.plan.fleet),
        "In words": state.readable(regret.sentence),
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def view_words(name: str) -> str:
    """A view of the world as people would say it.

    >>> view_words("pcf"), view_words("host power low"), view_words("intensity x 0.8")
    ('pcf coefficients', 'host power at its low end', 'intensity x 0.8')
    """
    for end in ("low", "high"):
        if name.endswith(f" {end}"):
            return f"{name.removesuffix(f' {end}')} at its {end} end"
    return name if name.startswith("intensity") else f"{name} coefficients"


def show_robustness(found: Found, scenario: Scenario) -> None:
    """The regret matrix, how sure it is, and the fleet to buy without faith in one view."""
    answer: Robustness = found.answer
    views = [view_words(view) for view in answer.views]
    draw.show_chart(figures.regret_matrix(answer, fleet_words, views), "robustness")
    say(certainty(found.effort, answer.gap), _robustness_advice(answer))
    rows = [
        {
            "Fleet": fleet_words(fleet.fleet),
            "Worst, %": round(100.0 * fleet.worst_ratio, 3),
            **{
                f"{view}, % more": round(100.0 * ratio, 3)
                for view, ratio in zip(views, fleet.regret_ratio, strict=True)
            },
        }
        for fleet in answer.fleets
    ]
    table(rows, "robustness")


def _robustness_advice(answer: Robustness) -> str:
    least = answer.least_regret
    fleet = fleet_words(least.fleet)
    if len(answer.fleets) == 1:
        return "What to do: buy it; the views differ in the total, not in the fleet."
    worst = percent(least.worst_ratio, 2) if math.isfinite(least.worst_ratio) else "unknown"
    return (
        f"What to do: if you trust no single view, buy {fleet}; whichever of these views turns out "
        f"right, it emits at most {worst} more than the best of these fleets."
    )
