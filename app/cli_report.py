"""The terminal's files for others: a report to attach, the plan as CSV, launch settings."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app import records
from app.answers import Answer
from app.cli_data import Source
from app.cli_options import Coefficients, Effort, OverlayFolder, finite
from app.presets import SourceError, load_presets, open_scenario
from app.records import open_catalog
from app.terminal import emit_text, say
from app.versus import (
    BEST_SINGLE,
    COLUMN_WORDS,
    DEFAULT_BASELINE,
    baseline_choices,
    baseline_words,
    split_key,
)
from ecoserve.catalog import Catalog
from ecoserve.errors import InfeasibleError, Problem, ScenarioError
from ecoserve.scenario import Scenario, check_scenario, read_scenario
from ecoserve.scenario_parts import Objective

if TYPE_CHECKING:
    from ecoserve.plan import Plan

CsvFile = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="Also write the plan as a table, units in heads."),
]
LaunchFile = Annotated[
    Path | None,
    typer.Option(
        "--launch",
        metavar="FILE",
        help="Also write what to start per pool: as JSON where FILE ends in .json, else commands.",
    ),
]


def report(
    source: Source,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="Where it is written.")],
    baseline: Annotated[
        str, typer.Option(metavar="NAME", help="What it is set against, for example energy:same.")
    ] = DEFAULT_BASELINE,
    objective: Annotated[Objective | None, typer.Option(help="What to minimise.")] = None,
    carbon_price: Annotated[
        float | None,
        typer.Option(parser=finite, metavar="USD_PER_T", help="Minimise cost plus carbon."),
    ] = None,
    coefficients: Coefficients = None,
    effort: Effort = "interactive",
    overlay: OverlayFolder = None,
) -> None:
    """Plan a scenario and write one HTML page about it, to attach to a decision."""
    from app.report_html import Occasion, report_html

    catalog = open_catalog(records.read_overlay(overlay))
    asked = open_scenario(source, catalog)
    scenario = with_policy(asked, objective, carbon_price, coefficients)
    check_scenario(scenario, catalog)
    _check_baseline(baseline, scenario, catalog)
    answer = _answer(scenario, catalog, baseline, effort)
    others = _under_other_sets(answer, catalog)
    occasion = Occasion(made_on=f"{datetime.now(UTC):%Y-%m-%d}", other_sets=others)
    write_file(out, report_html(answer, catalog, load_presets(), occasion))
    emit_text(str(out))


def with_policy(
    scenario: Scenario, objective: str | None, carbon_price: float | None, coefficients: str | None
) -> Scenario:
    """The scenario with the command line's wishes; an objective undoes the scenario's own price."""
    data = scenario.model_dump(mode="json")
    if objective is not None:
        data["policy"].update(objective=objective, carbon_price_usd_per_t=None)
    if carbon_price is not None:
        data["policy"]["carbon_price_usd_per_t"] = carbon_price
    if coefficients is not None:
        data["policy"]["coefficients"] = coefficients
    return read_scenario(data)


def write_plan_files(
    plan: Plan, scenario: Scenario, catalog: Catalog, csv: Path | None, launch: Path | None
) -> None:
    """The files that were asked for beside the answer."""
    from app.exports import plan_csv
    from app.launch import launch_commands, launch_json

    if csv is not None:
        write_file(csv, plan_csv(plan, scenario, catalog))
    if launch is not None:
        make = launch_json if launch.suffix == ".json" else launch_commands
        write_file(launch, make(plan, scenario, catalog))


def write_file(path: Path, text: str) -> None:
    """Writes text as it is; raises :class:`SourceError` where the file cannot be written."""
    try:
        path.expanduser().write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise SourceError(f"cannot write {path}: {error.strerror}") from error
    say(f"written to {path}")


def _check_baseline(key: str, scenario: Scenario, catalog: Catalog) -> None:
    known = baseline_choices(scenario, catalog)
    if key not in known:
        problem = Problem("baseline", f"{key[:60]!r} is unknown; choose of {', '.join(known)}")
        raise ScenarioError([problem])


def _answer(scenario: Scenario, catalog: Catalog, key: str, effort: Effort) -> Answer:
    """The plan beside its baseline. Raises InfeasibleError where nothing serves the traffic."""
    from ecoserve.baselines import best_single, plan_baseline
    from ecoserve.planner import plan_fleet

    plan = plan_fleet(scenario, catalog, effort=effort)
    name, column = split_key(key)
    other, reason = None, ""
    try:
        if name == BEST_SINGLE:
            name, other = best_single(scenario, catalog, column, effort)
        else:
            other = plan_baseline(name, column, scenario, catalog, effort)
    except InfeasibleError as error:
        reason = str(error)
    words = f"{baseline_words(name, scenario, catalog)}, {COLUMN_WORDS[column]}"
    return Answer(
        scenario=scenario, baseline=key, plan=plan, other=other, other_name=words, reason=reason
    )


def _under_other_sets(answer: Answer, catalog: Catalog) -> tuple[str, ...]:
    """What the headline becomes under the other sets, by quick answers."""
    from app.answers import set_line, view_unit

    used, lines = answer.scenario.policy.coefficients, []
    for name in catalog.coefficient_sets:
        if name == used:
            continue
        scenario = with_policy(answer.scenario, None, None, name)
        try:
            other = _answer(scenario, catalog, answer.baseline, "quick")
        except InfeasibleError as error:  # where carbon is capped
            lines.append(f"with {name}: {error}")
        else:
            lines.append(set_line(name, other, view_unit(answer)))
    return tuple(lines)
