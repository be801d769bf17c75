"""What moves the answer: inputs at their ends, and other grids."""

from __future__ import annotations

from app import figures_sensitivity as figures
from app import state
from app.reports_analysis import away_from_home
from app.text import mass_unit, number, percent, sentence, sentence_list
from app.views import answer as draw
from app.views.analyses import Found
from app.views.trade_off_parts import Row, certainty, fleet_words, say, table
from ecoserve.analysis.crossover import Crossovers, Segment
from ecoserve.analysis.edits import mean_intensity_g_per_kwh
from ecoserve.analysis.sensitivity import SPANS, Sensitivity, SensitivityRow, Tried
from ecoserve.scenario import Scenario


def show_sensitivity(found: Found, scenario: Scenario) -> None:
    """The tornado, how sure it is, and what to check first."""
    answer: Sensitivity = found.answer
    draw.show_chart(figures.tornado(answer, fleet_words), "tornado")
    say(certainty(found.effort, answer.plan.gap), _sensitivity_advice(answer))
    unit = mass_unit(answer.plan.kgco2e_per_year)
    rows = [
        _tried_row(row, end, tried, unit.name, unit.kg)
        for row in answer.rows
        for end, tried in (("low", row.low), ("high", row.high))
    ]
    table(rows, "sensitivity")


def _sensitivity_advice(answer: Sensitivity) -> str:
    changing = [row.input for row in answer.rows if row.fleet_changes]
    if changing:
        words = sentence_list(changing)
        return f"What to do: check {words} before buying; at an end of them another fleet is best."
    widest = answer.rows[0].input if answer.rows else "nothing"
    return (
        f"What to do: no input asked for another fleet; check {widest} first if the total itself "
        "matters, for instance in a report."
    )


def _tried_row(row: SensitivityRow, end: str, tried: Tried, unit: str, unit_kg: float) -> Row:
    def shown(kg: float | None) -> float | None:
        return None if kg is None else round(kg / unit_kg, 4)

    return {
        "Input": row.input,
        "End": end,
        "Value": round(tried.value, 6),
        "Now": round(row.base, 6),
        "Unit": row.unit,
        f"Planned anew, {unit}CO2e a year": shown(tried.kgco2e_per_year),
        f"Fleet kept, {unit}CO2e a year": shown(tried.fixed_kgco2e_per_year),
        "Other fleet": fleet_words(tried.fleet) if tried.fleet_changes else "",
        "Ends from": "assumed shares" if row.input in SPANS else "the catalog's band",
        "Remark": state.readable(tried.reason),
    }


def show_crossovers(found: Found, scenario: Scenario) -> None:
    """The bands, how sure they are, and from which grid on to plan again."""
    answer: Crossovers = found.answer
    mean = mean_intensity_g_per_kwh(scenario.site, state.catalog())
    draw.show_chart(figures.crossover_bands(answer, mean, fleet_words), "crossovers")
    sites = "All sites have one intensity here; the mark is the mean of the users' own site."
    alike = sites if scenario.other_sites else ""
    checked = "" if answer.checked else "Not every change was planned at; there may be more bands."
    away = away_from_home(answer)
    left_open = sentence(away) if away else ""
    advice = _crossover_advice(answer, mean)
    say(certainty(found.effort, answer.gap), left_open, alike, checked, advice)
    table([_segment_row(answer, segment) for segment in answer.segments], "crossovers")


def _crossover_advice(answer: Crossovers, mean: float) -> str:
    below = [g for g in answer.intensities_g_per_kwh if g < mean]
    above = [g for g in answer.intensities_g_per_kwh if g >= mean]
    turns = []
    if below:
        turns.append(f"falls below {number(max(below))}")
    if above:
        turns.append(f"rises above {number(min(above))}")
    if not turns:
        return "What to do: nothing, since no flat grid asked for another fleet."
    return f"What to do: plan again if your grid's mean {' or '.join(turns)} gCO2e/kWh."


def _segment_row(answer: Crossovers, segment: Segment) -> Row:
    gain = figures.band_advantage(answer, segment)
    is_open = gain is not None and gain <= answer.gap
    low, high, line = segment.from_g_per_kwh, segment.to_g_per_kwh, segment.line
    return {
        "From, gCO2e/kWh": round(low, 4),
        "To, gCO2e/kWh": round(high, 4),
        "Fleet": fleet_words(line.fleet),
        "At the low end, kgCO2e a year": round(line.kgco2e_per_year(low), 1),
        "At the high end, kgCO2e a year": round(line.kgco2e_per_year(high), 1),
        "Making, kgCO2e a year": round(line.making_kgco2e_per_year, 1),
        "Next fleet emits more by": "" if gain is None else percent(gain, 2),
        "Within what the search left open": "yes" if is_open else "no",
    }
