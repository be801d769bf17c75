"""The terminal: the same engine as the dashboard's, as commands for people and for programs.

The engine and the store are imported where they are used, so that help and mistakes cost no time.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict
from typing import Annotated

import typer

from app import records, reports
from app.cli_analysis import ANALYSES
from app.cli_compare import compare
from app.cli_data import Json, Source, catalog_app, link_app
from app.cli_embodied import embodied
from app.cli_lifecycle import lifecycle
from app.cli_options import (
    HOSTS_VARIABLE,
    LIBRARY_VARIABLE,
    LOGIN_VARIABLE,
    OVERLAY_VARIABLE,
    USER_HEADER_VARIABLE,
    Coefficients,
    Effort,
    Hosts,
    LibraryFile,
    Login,
    OverlayFolder,
    UserHeader,
    finite,
    positive,
)
from app.cli_paper import paper_claims
from app.cli_points import calibrate, validate
from app.cli_report import CsvFile, LaunchFile, report, with_policy, write_plan_files
from app.cli_simulate import simulate
from app.cli_trace import trace_app
from app.presets import open_scenario
from app.records import open_catalog
from app.selfcheck import selfcheck
from app.terminal import (
    CLI_SETTINGS,
    INTERRUPTED,
    INTERRUPTED_WORDS,
    Boundary,
    emit,
    emit_json,
    emit_text,
    say,
)
from app.text import number
from app.why import fleet_whys
from ecoserve import __version__
from ecoserve.scenario import check_scenario
from ecoserve.scenario_parts import KvPrecision, Objective, Precision

app = typer.Typer(
    name="ecoserve",
    cls=Boundary,
    help="Which LLM serving fleet meets its latency targets with the least carbon, and why.",
    **CLI_SETTINGS,
)
app.add_typer(catalog_app)
app.add_typer(link_app)
app.add_typer(trace_app)
app.command()(compare)
app.command()(embodied)
app.command()(lifecycle)
app.command()(report)
app.command()(paper_claims)
app.command()(validate)
app.command()(calibrate)
app.command()(selfcheck)
app.command()(simulate)
for analysis in ANALYSES:
    app.command()(analysis)


Tokens = Annotated[float, typer.Option(parser=positive, metavar="TOKENS")]
Seconds = Annotated[float | None, typer.Option(parser=positive, metavar="SECONDS")]


def _print_version(wanted: bool) -> None:
    if wanted:
        emit_text(f"ecoserve {__version__}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Which LLM serving fleet meets its latency targets with the least carbon, and why."""


@app.command("app")
def dashboard(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8501,
    address: Annotated[str, typer.Option(help="0.0.0.0 to be reached from outside.")] = "localhost",
    headless: Annotated[bool, typer.Option("--headless", help="Open no browser.")] = False,
    overlay: OverlayFolder = None,
    library: LibraryFile = None,
    hosts: Hosts = None,
    login: Login = None,
    user_header: UserHeader = None,
) -> None:
    """Serve the dashboard until interrupted."""
    from app.serve import check_address, serve

    check_address(address, port)
    records.catalog_path(records.read_overlay(overlay))
    if library is not None:
        records.check_library(library)
    for variable, value in (
        (OVERLAY_VARIABLE, overlay),
        (LIBRARY_VARIABLE, library),
        (HOSTS_VARIABLE, hosts),
        (LOGIN_VARIABLE, login),
        (USER_HEADER_VARIABLE, user_header),
    ):
        if value is not None:
            os.environ[variable] = str(value)  # the pages run in this process
    serve(address, port, headless, lambda url: emit_text(f"EcoServe planner is at {url}"))


@app.command()
def plan(
    source: Source,
    objective: Annotated[Objective | None, typer.Option(help="What to minimise.")] = None,
    carbon_price: Annotated[
        float | None,
        typer.Option(parser=finite, metavar="USD_PER_T", help="Minimise cost plus carbon."),
    ] = None,
    coefficients: Coefficients = None,
    effort: Effort = "interactive",
    csv: CsvFile = None,
    launch: LaunchFile = None,
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """Plan the fleet that serves a scenario best."""
    from ecoserve.planner import plan_fleet

    catalog = open_catalog(records.read_overlay(overlay))
    asked = open_scenario(source, catalog)
    scenario = with_policy(asked, objective, carbon_price, coefficients)
    with records.failure_as_json(as_json, catalog, scenario):
        check_scenario(scenario, catalog)
        start = time.perf_counter()
        answer = plan_fleet(scenario, catalog, effort=effort)
        seconds = time.perf_counter() - start
    write_plan_files(answer, scenario, catalog, csv, launch)
    if as_json:
        emit_json(records.explained_record(answer, scenario, catalog, seconds))
    else:
        title = f"{scenario.name}, planned in {number(seconds, 2)} s"
        emit(reports.plan_report(answer, title, fleet_whys(answer, scenario, catalog)))


@app.command()
def profile(
    llm: Annotated[str, typer.Option()],
    accelerator: Annotated[str, typer.Option()],
    isl: Tokens,
    osl: Tokens,
    tp: Annotated[int, typer.Option(min=1, help="Accelerators of one replica.")] = 1,
    stack: Annotated[str, typer.Option()] = "vllm_v1",
    precision: Annotated[Precision, typer.Option(help="Of the weights.")] = "bf16",
    kv_precision: Annotated[KvPrecision, typer.Option(help="Of the KV cache.")] = "bf16",
    prefix_cache_hit: Annotated[
        float, typer.Option(parser=finite, metavar="SHARE", help="Of the prompt, 0 to 0.95.")
    ] = 0.0,
    max_num_seqs: Annotated[int, typer.Option(min=1, help="Most requests at once.")] = 256,
    batch: Annotated[int | None, typer.Option(min=1, help="Requests at once.")] = None,
    ttft_s: Seconds = None,
    tpot_s: Seconds = None,
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """Speed and power of one replica, at a batch or at the largest one within latency targets.

    Give either --batch, or both --ttft-s and --tpot-s.
    """
    from ecoserve.profile import load_power, profile_at_batch, profile_at_slo
    from ecoserve.profile_query import ProfileQuery

    catalog = open_catalog(records.read_overlay(overlay))
    query = ProfileQuery(
        llm_id=llm,
        accelerator_id=accelerator,
        tp=tp,
        stack=stack,
        precision=precision,
        isl_tokens=isl,
        osl_tokens=osl,
        kv_precision=kv_precision,
        prefix_cache_hit=prefix_cache_hit,
        max_num_seqs=max_num_seqs,
    )
    with records.failure_as_json(as_json, catalog):
        if batch is not None and ttft_s is None and tpot_s is None:
            answer = profile_at_batch(catalog, query, batch)
        elif batch is None and ttft_s is not None and tpot_s is not None:
            answer = profile_at_slo(catalog, query, ttft_s, tpot_s)
        else:
            raise typer.BadParameter("give either --batch, or both --ttft-s and --tpot-s")
        quarter = load_power(catalog, query, answer.batch)
    if as_json:
        record = {**asdict(answer), "quarter_load": asdict(quarter)}
        emit_json({**records.stamp(catalog), **record})
    else:
        at = f"{llm} on {tp} x {accelerator}, {stack}, {precision}, {isl:g} in, {osl:g} out"
        emit(reports.profile_report(answer, quarter, at))


def main() -> None:
    """Entry point of the ``ecoserve`` command."""
    try:
        app(prog_name="ecoserve")
    except KeyboardInterrupt:  # before any command has begun
        say(INTERRUPTED_WORDS)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
