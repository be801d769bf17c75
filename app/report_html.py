"""A plan as one HTML file to attach to a decision: nothing in it comes from anywhere else.

Every text goes through the template's escaping; only charts, which escape their own, the library
that draws them and the method, a file of ours, are put in as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from plotly.io import to_html
from plotly.offline import get_plotlyjs

from app import answers, assumption_words, figures, figures_schedule
from app.answers import Answer
from app.figures import Chart
from app.methodology import methodology_html
from app.scenario_words import difference_rows, path_words, readable, value_words
from app.sources_used import sources_used
from app.text import MINUS, duration, limit, number, percent, power, sentence
from app.why import fleet_whys
from ecoserve.catalog import Catalog
from ecoserve.constraints import FAMILIES
from ecoserve.differences import NAMED_BY, Path, differences
from ecoserve.plan import Plan, plan_record
from ecoserve.scenario import Scenario, canonical_json

TEMPLATE = resources.files("assets") / "report.html"
Row = dict[str, Any]
NOT_STATED = "not stated"
CHART_CONFIG = {"displayModeBar": False, "responsive": False}
SCOPES: Mapping[str, str] = {
    "scope_2_location_based": "Scope 2, location-based: burnt at power stations",
    "scope_2_market_based": "Scope 2, market-based: by your contracts",
    "scope_3_fuel_and_plants": "Scope 3, category 3: fuel supply and power plants",
    "electricity_life_cycle": "Electricity over its life cycle, location-based (in the total)",
    "scope_3_embodied": "Scope 3: a year's share of making the servers (in the total)",
}
INPUT, VALUE = "Input", "Value"
SERVERS = "Servers"
SMALLEST_CHANGE = 0.0005


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What a report says that is not in the plan: when it was made and how to see it again."""

    made_on: str
    link: str | None = None
    """The address that opens the scenario; None where it has none."""
    other_sets: tuple[str, ...] = ()
    """What the headline becomes under the other sets of embodied coefficients, where planned."""


def report_html(
    answer: Answer, catalog: Catalog, presets: Mapping[str, Scenario], occasion: Occasion
) -> str:
    """The whole file."""
    plan, scenario = answer.plan, answer.scenario
    preset = nearest_preset(scenario, presets)
    notes = (sentence(readable(note.message, catalog)) for note in plan.notes)
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    return template.render(
        plotly_js=get_plotlyjs(),
        made_on=occasion.made_on,
        link=occasion.link,
        other_sets=occasion.other_sets,
        coefficients=scenario.policy.coefficients,
        scenario=scenario,
        scenario_json=canonical_json(scenario),
        plan=plan,
        headline=answers.headline(answer, catalog),
        status=answers.status_words(plan),
        latency=answers.slo_words(plan),
        baseline=answers.baseline_line(answer, catalog),
        baseline_name=answer.other_name,
        cards=cards(answer),
        charts=[_drawn(chart, i) for i, chart in enumerate(_charts(answer))],
        comparison=comparison_rows(answer),
        scopes=scope_rows(answer),
        sunk=_mass(plan.sunk_kgco2e_per_year) if plan.sunk_kgco2e_per_year else "",
        fleet=_fleet_rows(plan, scenario, catalog),
        pools=_pool_rows(plan, catalog),
        slo=_slo_rows(plan),
        assumptions=assumption_words.assumption_lines(answer, catalog),
        notes=list(dict.fromkeys(notes)),
        preset=preset,
        changes=difference_rows(
            (presets[preset], scenario), ("Preset", "This scenario"), catalog
        ),
        inputs=input_rows(scenario, catalog),
        sources=sources_used(plan, scenario, catalog),
        own_rows=bool(catalog.overlay_figures),
        methodology=methodology_html(),
        constraints=[
            {"Rows": row.name, "For each": row.indices, "Say": row.sentence} for row in FAMILIES
        ],
    )  # fmt: skip


def nearest_preset(scenario: Scenario, presets: Mapping[str, Scenario]) -> str:
    """The one that differs in the fewest places, the first by name among equals."""
    return min(sorted(presets), key=lambda name: len(differences((presets[name], scenario))))


def _charts(answer: Answer) -> list[Chart]:
    plan = answer.plan
    days, intensity = plan.site_days, plan.hourly.gco2e_per_kwh
    title = figures_schedule.power_title(days, intensity, at_meter=False)
    day = figures_schedule.power_by_hour(days, intensity, title, "workload", at_meter=False)
    return [answers.picture(answer), figures.carbon_by_part(plan), day]


def _drawn(chart: Chart, place: int) -> Row:
    """The chart as part of the page; figures carry their finding as a title."""
    chart.figure.update_layout(
        font={"color": figures.INK["light"], "family": "Liberation Sans, Arial, sans-serif"},
        width=figures.PAGE_PX,
    )
    drawn = to_html(
        chart.figure,
        config=CHART_CONFIG,
        include_plotlyjs=False,
        full_html=False,
        div_id=f"chart-{place}",
    )
    return {"alt": chart.alt, "html": drawn}


def cards(answer: Answer) -> list[tuple[str, str]]:
    """The four figures of the headline."""
    plan, unit = answer.plan, answers.view_unit(answer)
    saving = "no baseline" if answer.saving is None else _signed(-answer.saving)
    return [
        (f"{unit.name}CO2e per year", number(unit.value(plan.kgco2e_per_year))),
        ("Against the baseline", saving),
        ("USD per hour", number(plan.usd_per_h)),
        ("Mean IT power", power(plan.it_power_kw)),
    ]


def comparison_rows(answer: Answer) -> list[Row]:
    """A row per figure: ours, the baseline's and the difference."""
    ours = _figures(answer.plan)
    theirs = {} if answer.other is None else _figures(answer.other)
    return [
        {
            "Figure": name,
            "This plan": _figure(name, value),
            "Baseline": _figure(name, theirs[name]) if theirs else "cannot serve this",
            "Difference": _change(value, theirs[name]) if theirs else "",
        }
        for name, value in ours.items()
    ]


def _figures(plan: Plan) -> dict[str, float]:
    return {
        "kgCO2e per year": plan.kgco2e_per_year,
        "of it operational": plan.operational_kgco2e_per_year,
        "of it embodied": plan.embodied_kgco2e_per_year,
        "gCO2e per 1,000 output tokens": plan.gco2e_per_functional_unit,
        "USD per hour": plan.usd_per_h,
        "IT power, kW, mean of the day": plan.it_power_kw,
        "IT power, kW, busiest hour of a mean day": plan.peak_it_power_kw,
        "Electricity at the meter, kWh per year": plan.facility_kwh_per_year,
        SERVERS: float(sum(entry.count for entry in plan.fleet)),
    }


def _figure(name: str, value: float) -> str:
    return f"{value:,.0f}" if name == SERVERS else number(value)


def _change(now: float, then: float) -> str:
    return _signed(now / then - 1) if then else ""


def _signed(ratio: float) -> str:
    if abs(ratio) < SMALLEST_CHANGE:
        return "the same"
    return f"{'+' if ratio >= 0 else MINUS}{percent(abs(ratio))}"


def scope_rows(answer: Answer) -> list[Row]:
    """A row per scope of the GHG Protocol; what is not known is not stated."""
    plans = {"This plan, kgCO2e": answer.plan}
    if answer.other is not None:
        plans["Baseline, kgCO2e"] = answer.other
    scopes = {
        name: plan_record(plan, 0.0)["scopes_kgco2e_per_year"] for name, plan in plans.items()
    }
    return [
        {"Scope": words} | {name: _stated(values[key]) for name, values in scopes.items()}
        for key, words in SCOPES.items()
    ]


def _stated(kgco2e: float | None) -> str:
    return NOT_STATED if kgco2e is None else number(kgco2e)


def _mass(kgco2e: float) -> str:
    return f"{number(kgco2e)} kgCO2e"


def _fleet_rows(plan: Plan, scenario: Scenario, catalog: Catalog) -> list[Row]:
    whys = fleet_whys(plan, scenario, catalog)
    return [
        {
            "Site": entry.site,
            "Servers": f"{entry.count:,}",
            "Kind": catalog.server(entry.server).name,
            "Host": entry.variant,
            "Owned": "yes" if entry.owned else "no",
            "Why": why,
        }
        for entry, why in zip(plan.fleet, whys, strict=True)
    ]


def _pool_rows(plan: Plan, catalog: Catalog) -> list[Row]:
    return [
        {
            "Workloads": ", ".join(pool.workloads),
            "LLM": catalog.llm(pool.llm).name,
            "Role": pool.role.replace("_", " "),
            "Runs on": f"{catalog.server(pool.server).name}, {pool.site}",
            "Replicas": f"{pool.replicas:,}",
            "Each on": f"{pool.tp:,}",
            "Weights, KV": f"{pool.precision}, {pool.kv_precision}",
            "Busy at peak": percent(pool.utilisation),
            "Speed figures": pool.provenance,
            "Draw": "within the fit" if pool.fitted else "outside the fit",
        }
        for pool in plan.pools
    ]


def _slo_rows(plan: Plan) -> list[Row]:
    return [
        {
            "Workload": row.workload,
            "Share of requests": f"{100 * row.percentile:g} %",
            "TTFT": duration(row.ttft_s),
            "TTFT limit": limit(row.ttft_limit_s),
            "TPOT": duration(row.tpot_s),
            "TPOT limit": limit(row.tpot_limit_s),
            "Holds": "yes" if row.meets_slo else "no",
        }
        for row in plan.slo
    ]


def input_rows(scenario: Scenario, catalog: Catalog) -> list[Row]:
    """Every input in words, one row each."""
    leaves = _leaves((), scenario.model_dump(mode="json"))
    return [
        {INPUT: path_words(path), VALUE: value_words(path[-1], value, catalog)}
        for path, value in leaves
    ]


def _leaves(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    """What stands where; members of a list by their names, as differences have it."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves((*path, key), inner)
    elif path and path[-1] in NAMED_BY and value:
        for member in value:
            yield from _leaves((*path, member[NAMED_BY[path[-1]]]), member)
    else:
        yield path, value
