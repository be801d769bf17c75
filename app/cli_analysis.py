"""The terminal's commands about what would change the answer, and about many scenarios at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app import records, reports_analysis
from app.cli_data import Json, Source
from app.cli_options import Effort, OverlayFolder, positive
from app.presets import open_scenario
from app.records import open_catalog
from app.terminal import emit, emit_json, progress, say
from ecoserve.errors import Problem, ScenarioError
from ecoserve.scenario import check_scenario

if TYPE_CHECKING:
    from app.reports import Report
    from ecoserve.catalog import Catalog
    from ecoserve.questions import Progress, Runner
    from ecoserve.scenario import Scenario

Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes; all processors by default.")
]
Dask = Annotated[
    str | None, typer.Option("--dask", metavar="ADDRESS", help="A Dask scheduler, tcp://host:port.")
]
Intensity = Annotated[float, typer.Option(parser=positive, metavar="G_PER_KWH")]
Work = Callable[["Scenario", "Catalog", "Runner", "Progress"], Any]


def _run(
    source: str,
    overlay: Path | None,
    as_json: bool,
    task: str,
    places: tuple[int | None, str | None],
    work: Work,
    report: Callable[[Any, str], Report],
) -> None:
    """Opens, asks, and shows what came back: as JSON or as tables under a title."""
    from app.cluster import runner

    run = runner(*places)
    catalog = open_catalog(records.read_overlay(overlay))
    scenario = open_scenario(source, catalog)
    with records.failure_as_json(as_json, catalog, scenario), progress(task) as on_progress:
        check_scenario(scenario, catalog)
        start = time.perf_counter()
        answer = work(scenario, catalog, run, on_progress)
        seconds = time.perf_counter() - start
    if as_json:
        from app.records_analysis import analysis_record

        stamp = {**records.stamp(catalog, scenario), "seconds": seconds}
        emit_json({**stamp, **analysis_record(answer)})
    else:
        emit(report(answer, f"{scenario.name}, {task} in {seconds:.2g} s"))


def _asking(analysis: Callable[..., Any], effort: Effort, **wishes: Any) -> Work:
    """An analysis of many plans as work for whichever runner is asked for."""
    return lambda s, c, run, show: analysis(s, c, effort, run=run, on_progress=show, **wishes)


def pareto(
    source: Source,
    effort: Effort = "interactive",
    workers: Workers = None,
    dask: Dask = None,
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """Carbon against cost: the front no fleet can pass, and fleets near it."""
    from ecoserve.analysis.pareto import pareto as ask

    _run(
        source, overlay, as_json, "carbon against cost", (workers, dask),
        _asking(ask, effort),
        reports_analysis.pareto_report,
    )  # fmt: skip


def sensitivity(
    source: Source,
    effort: Effort = "interactive",
    workers: Workers = None,
    dask: Dask = None,
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """Each input at a low and a high value: what it does to the plan, and to its fleet kept."""
    from ecoserve.analysis.sensitivity import sensitivity as ask

    _run(
        source, overlay, as_json, "sensitivity", (workers, dask),
        _asking(ask, effort),
        reports_analysis.sensitivity_report,
    )  # fmt: skip


def crossover(
    source: Source,
    lowest: Intensity = 1.0,
    highest: Intensity = 1000.0,
    effort: Effort = "interactive",
    workers: Workers = None,
    dask: Dask = None,
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """The carbon intensities at which the least-carbon fleet becomes another."""
    from ecoserve.analysis.crossover import crossovers

    _run(
        source, overlay, as_json, "crossovers", (workers, dask),
        _asking(crossovers, effort, within=(lowest, highest)),
        reports_analysis.crossover_report,
    )  # fmt: skip


def robustness(
    source: Source,
    effort: Effort = "interactive",
    workers: Workers = None,
    dask: Dask = None,
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """Fleets chosen under one view of the world, priced under the others: the least regret."""
    from ecoserve.analysis.robustness import robustness as ask

    _run(
        source, overlay, as_json, "robustness", (workers, dask),
        _asking(ask, effort),
        reports_analysis.robustness_report,
    )  # fmt: skip


def why_not(
    source: Source,
    accelerators: Annotated[
        list[str] | None, typer.Argument(metavar="ACCELERATOR", help="All allowed ones if none.")
    ] = None,
    effort: Effort = "interactive",
    workers: Workers = None,
    dask: Dask = None,
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """What insisting on an accelerator that the plan does without would cost."""
    from ecoserve.analysis.regret import why_not as ask

    _run(
        source, overlay, as_json, "why not", (workers, dask),
        lambda s, c, run, show: ask(
            s, c, effort, accelerators=_known(accelerators, s, c), run=run, on_progress=show
        ),
        reports_analysis.why_not_report,
    )  # fmt: skip


def _known(asked: Sequence[str] | None, scenario: Scenario, catalog: Catalog) -> list[str] | None:
    """The accelerators named, by id; unknown and disallowed ones are refused."""
    from ecoserve.offers import allowed_servers

    if not asked:
        return None
    ids = [catalog.accelerator(name).id for name in asked]
    allowed = {server.accelerator_id for server in allowed_servers(scenario, catalog)}
    problems = [
        Problem(name, f"not allowed by the scenario; allowed are: {', '.join(sorted(allowed))}")
        for name in ids
        if name not in allowed
    ]
    if problems:
        raise ScenarioError(problems)
    return ids


def limits(
    source: Source,
    effort: Effort = "interactive",
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """What one more request a second costs, and what the limits that bind are worth."""
    from ecoserve.analysis.limits import limit_report

    _run(
        source, overlay, as_json, "limits", (1, None),
        lambda s, c, _run, _show: limit_report(s, c, effort),
        reports_analysis.limits_report,
    )  # fmt: skip


def levers(
    source: Source,
    effort: Effort = "interactive",
    workers: Workers = None,
    dask: Dask = None,
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """Reuse token by token and on which grid it pays; Reduce in its two halves."""
    from ecoserve.analysis.levers import lever_report

    _run(
        source, overlay, as_json, "levers", (workers, dask),
        _asking(lever_report, effort),
        reports_analysis.levers_report,
    )  # fmt: skip


def sweep(
    source: Source,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=V1,V2", help="Values of a field; all combinations."),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--table", metavar="FILE.csv", help="One scenario a row, a path a column."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Rows as .csv or .json.")
    ] = None,
    effort: Effort = "interactive",
    workers: Workers = None,
    dask: Dask = None,
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """Plan a scenario many times with some values changed, for example gco2e_per_kwh=50,400."""
    from app.sweeps import read_edits, write_rows
    from ecoserve.analysis.sweep import sweep as ask

    edits = read_edits(values or [], table)
    if out is not None and out.suffix not in (".csv", ".json"):
        raise ScenarioError([Problem("--out", f"{out.name} ends in neither .csv nor .json")])

    def work(scenario: Scenario, catalog: Catalog, run: Runner, show: Progress) -> Any:
        rows = ask(scenario, catalog, edits, effort, run=run, on_progress=show)
        if out is not None:
            write_rows(out, rows)
            say(f"{len(rows)} rows written to {out}")
        return rows

    _run(
        source, overlay, as_json, "sweep", (workers, dask), work, reports_analysis.sweep_report
    )  # fmt: skip


ANALYSES = (*(pareto, sensitivity, crossover, robustness, why_not, limits, levers, sweep),)
"""The commands of this module, in the order of the help."""
