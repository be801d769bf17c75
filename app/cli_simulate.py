"""The terminal's command that replays traffic against the planned fleet."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app import records
from app.cli_data import Json, Source
from app.cli_options import Effort, OverlayFolder, finite, positive
from app.cli_trace import Column, named_columns, option_hint
from app.presets import open_scenario
from app.terminal import emit, emit_json, progress
from ecoserve.errors import Problem, ScenarioError
from ecoserve.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from app.replays import LogTraffic, OwnTraffic, Traffic
    from catalog_db.request_log import LogColumns
    from ecoserve.catalog import Catalog
    from ecoserve.runtime.replay import Progress, Settings
    from ecoserve.scenario import Scenario

HOURS_OF_A_DAY = 24.0
OWN_SCALE, TO_PEAK = "1", "peak"
SECONDS_PER_MINUTE = 60.0

TraceFile = Annotated[
    Path | None,
    typer.Option(
        "--trace",
        metavar="FILE",
        help="A request log as for 'trace import'; without, traffic is drawn from the scenario.",
    ),
]
WorkloadName = Annotated[
    str | None,
    typer.Option(
        "--workload",
        metavar="NAME",
        help="The workload that the log stands for, else the first online one; the others are"
        " drawn from the scenario.",
    ),
]
Scale = Annotated[
    str,
    typer.Option(
        metavar="RATIO|peak",
        help="How many times as many requests as in the log; peak: so that its mean rate is the"
        " plan's highest.",
    ),
]
Speed = Annotated[
    float,
    typer.Option(parser=positive, metavar="RATIO", help="How much faster the log's clock goes."),
]
Hours = Annotated[
    float | None,
    typer.Option(parser=positive, metavar="H", help="24 without a log; with one, all of it."),
]
StartHour = Annotated[
    float | None,
    typer.Option(
        min=0, max=23.99, metavar="H",
        help="Hour of the users' day at which it begins: 0; with a log, the busiest one.",
    ),
]  # fmt: skip
Routing = Annotated[
    Literal["packed", "plan", "shortest_queue", "splitwise", "round_robin"],
    typer.Option(help="How requests find their replica."),
]
OfflinePolicy = Annotated[
    Literal["carbon", "spare", "at_once"] | None,
    typer.Option(
        help="When offline work runs: in clean hours, as room comes, or as it comes; by default in"
        " clean hours where the scenario lets it move."
    ),
]
ForecastError = Annotated[
    float,
    typer.Option(
        parser=finite, metavar="RATIO",
        help="Standard deviation of the forecast intensity of an hour, 0.1 for 10 %.",
    ),
]  # fmt: skip


def simulate(
    source: Source,
    trace: TraceFile = None,
    workload: WorkloadName = None,
    time_column: Column = None,
    input_column: Column = None,
    output_column: Column = None,
    scale: Scale = OWN_SCALE,
    speed: Speed = 1.0,
    hours: Hours = None,
    start_hour: StartHour = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn.")] = 0,
    routing: Routing = "packed",
    offline: OfflinePolicy = None,
    forecast_error: ForecastError = 0.0,
    fix: Annotated[
        bool, typer.Option("--fix", help="Plan again with more headroom until every limit holds.")
    ] = False,
    saving: Annotated[
        bool,
        typer.Option("--saving", help="Also with offline work started at once."),
    ] = False,
    effort: Effort = "interactive",
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """Replay traffic against the planned fleet: does it keep what the plan promises?"""
    from app.replays import OwnTraffic, simulated
    from app.reports_simulate import simulation_record, simulation_report
    from ecoserve.planner import plan_fleet
    from ecoserve.runtime.offline import default_offline
    from ecoserve.runtime.replay import Settings
    from ecoserve.scenario import check_scenario

    if not 0.0 <= forecast_error <= 1.0:
        raise typer.BadParameter("--forecast-error is a ratio from 0 to 1")
    if trace is None and (workload, scale, speed) != (None, OWN_SCALE, 1.0):
        raise typer.BadParameter("--workload, --scale and --speed need a log; add --trace FILE")
    catalog = records.open_catalog(records.read_overlay(overlay))
    scenario = open_scenario(source, catalog)
    check_scenario(scenario, catalog)
    if trace is None:
        traffic: Traffic = _own_traffic(scenario, catalog, hours, start_hour, seed)
    else:
        with _log_problems(trace):
            columns = named_columns(
                trace.expanduser(), (time_column, input_column, output_column), None
            )
        asked = (workload, scale, speed, hours, start_hour, seed)
        traffic = _log_traffic(scenario, catalog, trace, columns, *asked)
    settings = Settings(
        start_h=traffic.start_h,
        duration_s=traffic.duration_s if isinstance(traffic, OwnTraffic) else None,
        routing=routing,
        offline=offline or default_offline(scenario),
        forecast_error=forecast_error,
        seed=seed,
    )
    with records.failure_as_json(as_json, catalog, scenario), _shown(settings) as on_progress:
        start = time.perf_counter()
        plan = plan_fleet(scenario, catalog, effort=effort)
        with _log_problems(trace):
            answer = simulated(
                plan, scenario, catalog, traffic, settings, effort if fix else None, on_progress,
                saving=saving,
            )  # fmt: skip
        seconds = time.perf_counter() - start
    if as_json:
        record = {**simulation_record(answer), "seconds": seconds}
        emit_json({**records.stamp(catalog, answer.scenario, answer.plan.notes), **record})
    else:
        title = f"{scenario.name}, planned and replayed in {seconds:.2g} s"
        emit(simulation_report(answer, title))


def _own_traffic(
    scenario: Scenario, catalog: Catalog, hours: float | None, start_hour: float | None, seed: int
) -> OwnTraffic:
    from app.replays import OwnTraffic
    from ecoserve.demand import workload_demands

    return OwnTraffic(
        demands=workload_demands(scenario, catalog),
        scenario=scenario,
        start_h=start_hour or 0.0,
        duration_s=(hours or HOURS_OF_A_DAY) * SECONDS_PER_HOUR,
        seed=seed,
    )


def _log_traffic(
    scenario: Scenario,
    catalog: Catalog,
    trace: Path,
    columns: LogColumns | None,
    workload: str | None,
    scale: str,
    speed: float,
    hours: float | None,
    start_hour: float | None,
    seed: int,
) -> LogTraffic:
    from app.replays import LogTraffic, peak_hour, scale_to_peak, workload_of
    from ecoserve.demand import workload_demands

    demands, file = workload_demands(scenario, catalog), trace.expanduser()
    number = workload_of(workload, demands)
    with _log_problems(trace):
        to_peak = scale == TO_PEAK
        ratio = scale_to_peak(file, columns, demands[number]) if to_peak else positive(scale)
    return LogTraffic(
        source=file,
        columns=columns,
        demands=demands,
        workload=number,
        scenario=scenario,
        start_h=float(peak_hour(demands[number])) if start_hour is None else start_hour,
        scale=ratio,
        speed=speed,
        until_s=math.inf if hours is None else hours * SECONDS_PER_HOUR,
        seed=seed,
    )


@contextmanager
def _log_problems(trace: Path | None) -> Iterator[None]:
    """What is wrong with a log, under the file's name."""
    from ecoserve.request_log import RequestLogError
    from ecoserve.runtime.trace import TraceError

    try:
        yield
    except (RequestLogError, TraceError) as error:
        raise ScenarioError([Problem(str(trace), f"{error}{option_hint(str(error))}")]) from error


@contextmanager
def _shown(settings: Settings) -> Iterator[Progress]:
    """A bar of the hours replayed; of a log, whose length nobody knows yet, of none in all."""
    total_s = settings.duration_s or 0.0
    with progress("planning and replaying, minutes") as show:

        def on_progress(_n: int, now_s: float) -> None:
            done = int(now_s // SECONDS_PER_MINUTE)
            total = max(int(total_s // SECONDS_PER_MINUTE), done)
            show(done, total, "replaying, minutes")

        yield on_progress
