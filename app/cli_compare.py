"""The terminal's command that sets a plan beside what else could be bought."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app import records
from app.cli_data import Json, Source
from app.cli_options import Effort, OverlayFolder
from app.presets import open_scenario
from app.records import open_catalog
from app.terminal import emit, emit_json, progress
from ecoserve.scenario import check_scenario

if TYPE_CHECKING:
    from ecoserve.comparison import Wishes


def compare(
    source: Source,
    effort: Effort = "interactive",
    baselines: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Only these, for example cost,energy,performance,splitwise,single:l4; single and"
            " given stand for all of their kind.",
        ),
    ] = None,
    ablations: Annotated[
        bool, typer.Option("--ablations", help="Also each lever alone, and all levers but one.")
    ] = False,
    what_ifs: Annotated[
        bool, typer.Option(help="Also with fp8 accepted or not, and in other regions.")
    ] = True,
    given: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Your own fleets: columns name, server, count."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that plan; they change no answer.")
    ] = 1,
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """Plan a scenario and the fleets people would buy instead."""
    from app.given import with_given
    from app.reports_compare import comparison_report
    from app.versus import plan_words
    from ecoserve.comparison import compare_plans

    catalog = open_catalog(records.read_overlay(overlay))
    scenario = open_scenario(source, catalog)
    if given is not None:
        scenario = with_given(scenario, given, catalog)
    with records.failure_as_json(as_json, catalog, scenario), progress("planning") as on_progress:
        check_scenario(scenario, catalog)
        start = time.perf_counter()
        comparison = compare_plans(
            scenario, catalog, effort,
            lambda done, total, key: on_progress(done, total, plan_words(key, scenario, catalog)),
            wishes=_wishes(baselines, given is not None, ablations, what_ifs), workers=workers,
        )  # fmt: skip
        seconds = time.perf_counter() - start
    if as_json:
        emit_json(records.comparison_record(comparison, scenario, catalog, seconds))
    else:
        title = f"{scenario.name}, compared in {seconds:.2g} s"
        emit(
            comparison_report(
                comparison, title, lambda key: plan_words(key, scenario, catalog, column=False)
            )
        )


def _wishes(baselines: str | None, has_given: bool, ablations: bool, what_ifs: bool) -> Wishes:
    """Whoever hands in fleets wants to see them, whatever else is left out."""
    from ecoserve.comparison import Wishes

    names = None
    if baselines is not None:
        names = tuple(name.strip() for name in baselines.split(",") if name.strip())
        names += ("given",) if has_given else ()
    return Wishes(baselines=names, ablations=ablations, what_ifs=what_ifs)
