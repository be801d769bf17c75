"""The terminal's command about years: when to replace accelerators and hosts."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from app import records
from app.cli_data import Json, Source
from app.cli_options import Effort, OverlayFolder, finite
from app.presets import open_scenario
from app.records import open_catalog
from app.terminal import emit, emit_json, progress

WholeYears = Annotated[int | None, typer.Option(metavar="YEARS")]


def _trend(words: str) -> typer.models.OptionInfo:
    """An option that takes the place of a row of the catalog's trends."""
    option: typer.models.OptionInfo = typer.Option(parser=finite, metavar="RATIO", help=words)
    return option


def lifecycle(
    source: Source,
    horizon_years: Annotated[int, typer.Option(metavar="YEARS")] = 10,
    growth: Annotated[float | None, _trend("Traffic gained a year, 0.1 for 10 %.")] = None,
    efficiency_gain: Annotated[
        float | None, _trend("Work per kWh that accelerators gain a year.")
    ] = None,
    throughput_gain: Annotated[
        float | None, _trend("Work per accelerator that they gain a year.")
    ] = None,
    embodied_decline: Annotated[
        float | None, _trend("Carbon of making accelerators, per work, lost a year.")
    ] = None,
    generation_years: Annotated[
        float | None,
        typer.Option(parser=finite, metavar="YEARS", help="From one generation to the next."),
    ] = None,
    host_gain: Annotated[float | None, _trend("Watts that hosts save a year.")] = None,
    host_embodied_decline: Annotated[
        float | None, _trend("Carbon of making hosts, lost a year.")
    ] = None,
    grid_decline: Annotated[float | None, _trend("Carbon intensity lost a year.")] = None,
    accelerator_years: WholeYears = None,
    host_years: WholeYears = None,
    effort: Effort = "interactive",
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """When to replace the accelerators and the hosts of the planned fleet.

    Trends that are not given are the catalog's. --accelerator-years and --host-years bound how
    long parts serve in the purchases by year; without, as long as in the best split refresh.
    """
    from app.reports_lifecycle import lifecycle_report
    from ecoserve.lifecycle import lifecycle_record, study_lifecycle
    from ecoserve.planner import plan_fleet
    from ecoserve.trends import catalog_assumptions

    given = {
        "horizon_years": horizon_years,
        "demand_growth": growth,
        "accelerator_efficiency_gain": efficiency_gain,
        "accelerator_throughput_gain": throughput_gain,
        "accelerator_embodied_decline": embodied_decline,
        "generation_years": generation_years,
        "host_efficiency_gain": host_gain,
        "host_embodied_decline": host_embodied_decline,
        "grid_decline": grid_decline,
        "longest_accelerator_years": accelerator_years,
        "longest_host_years": host_years,
    }
    catalog = open_catalog(records.read_overlay(overlay))
    scenario = open_scenario(source, catalog)
    assumptions = catalog_assumptions(
        catalog, {name: value for name, value in given.items() if value is not None}
    )
    with records.failure_as_json(as_json, catalog, scenario), progress("planning") as on_progress:
        start = time.perf_counter()
        plan = plan_fleet(scenario, catalog, effort=effort)
        study = study_lifecycle(
            plan, scenario, catalog, assumptions, effort=effort, on_progress=on_progress
        )
        seconds = time.perf_counter() - start
    if as_json:
        emit_json(lifecycle_record(study, seconds))
    else:
        title = f"{scenario.name}, {horizon_years} years, studied in {seconds:.2g} s"
        emit(lifecycle_report(study, catalog, title))
