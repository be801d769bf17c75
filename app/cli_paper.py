"""The terminal's command that tries the paper's claims."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from app import records
from app.cli_data import Json
from app.cli_options import Coefficients, Effort, OverlayFolder
from app.presets import PAPER_SCENE, open_scenario
from app.records import open_catalog
from app.terminal import emit, emit_json, progress
from app.text import number


def paper_claims(
    effort: Effort = "interactive",
    region: Annotated[
        str | None, typer.Option(help="Only this one of paper_17, paper_261 and paper_501.")
    ] = None,
    coefficients: Coefficients = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that plan; they change no answer.")
    ] = 1,
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """Plan the EcoServe paper's scene, and set what comes out beside what it claims.

    At 17, 261 and 501 gCO2e/kWh, under every set of embodied coefficients.
    """
    from app.reports_paper import paper_claims_report
    from ecoserve.paper_claims import REGIONS, paper_claims_record, try_claims

    if region is not None and region not in REGIONS:
        raise typer.BadParameter(f"no scene {region[:40]!r}; there are: {', '.join(REGIONS)}")
    catalog = open_catalog(records.read_overlay(overlay))
    scenario = open_scenario(PAPER_SCENE, catalog)
    with records.failure_as_json(as_json, catalog, scenario), progress("planning") as on_progress:
        start = time.perf_counter()
        claims = try_claims(
            scenario, catalog, effort, on_progress,
            regions=REGIONS if region is None else (region,),
            coefficients=None if coefficients is None else (coefficients,),
            workers=workers,
        )  # fmt: skip
        seconds = time.perf_counter() - start
    if as_json:
        emit_json({**records.stamp(catalog, scenario), **paper_claims_record(claims, seconds)})
    else:
        title = f"{scenario.name}, effort {effort}, planned in {number(seconds, 2)} s"
        emit(paper_claims_report(claims, title))
