"""The terminal's command about request logs: a log in, a mix of lengths and a rate profile out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from app import records
from app.cli_data import Json
from app.cli_options import OverlayFolder
from app.cli_points import write_new_files
from app.terminal import CLI_SETTINGS, emit, emit_json, progress, say
from ecoserve.errors import Problem, ScenarioError

if TYPE_CHECKING:
    from app.reports import Report
    from catalog_db.own_traffic import OwnMix, OwnProfile
    from catalog_db.request_log import LogColumns
    from ecoserve.request_log import LogFindings

BYTES_PER_MB = 1_000_000
TO_PLAN = (
    "{out} has {files}: in a scenario set the workload's mix to {mix}{profile}, then plan with"
    " --overlay {out}"
)
NOT_WRITTEN = "Nothing was written: add --out DIR for an overlay to plan with."

trace_app = typer.Typer(name="trace", help="Request logs.", **CLI_SETTINGS)

Column = Annotated[str | None, typer.Option(metavar="COLUMN", help="Found by name if left out.")]


@trace_app.callback()
def root() -> None:
    """Request logs."""


@trace_app.command("import")
def trace_import(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV with a header and one row per request; .gz and .zip too. Known by name:"
            " columns of the Azure and BurstGPT traces, prompt_tokens and completion_tokens,"
            " arrival_time and the like.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write an overlay with the mix and the profile: --overlay DIR."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Of the mix and the profile; else that of the file.")
    ] = None,
    time_column: Column = None,
    input_column: Column = None,
    output_column: Column = None,
    time_unit: Annotated[
        Literal["s", "ms", "us", "ns"] | None,
        typer.Option(help="Of times that are numbers; else by the column's name or their size."),
    ] = None,
    utc_offset: Annotated[
        int,
        typer.Option(min=-12, max=14, metavar="H", help="How far the log's clock is ahead of UTC."),
    ] = 0,
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """The lengths, the rate and the bad rows of a request log, and an overlay made of it."""
    from catalog_db.own_traffic import mix_of_log, own_id, profile_of_log, traffic_files

    found = _read(file, (time_column, input_column, output_column), time_unit)
    catalog = records.open_catalog(records.read_overlay(overlay))
    title = (name or file.name.split(".")[0]).strip()[:60] or "log"
    row_id = own_id(title, {*catalog.length_mixes, *catalog.rate_profiles})
    mix = mix_of_log(found, mix_id=row_id, name=title, file=file.name, utc_offset_h=utc_offset)
    profile = profile_of_log(
        found, profile_id=row_id, name=title, file=file.name, utc_offset_h=utc_offset
    )
    files = traffic_files({}, mix, profile) if out else {}
    if out is not None:
        write_new_files(out, files)
    if as_json:
        emit_json({**records.stamp(catalog), **_record(found, mix, profile, list(files))})
        return
    emit(_report(found, file.name))
    and_profile = f" and its profile to {row_id}" if profile else ""
    to_plan = TO_PLAN.format(out=out, files=", ".join(files), mix=row_id, profile=and_profile)
    emit([to_plan if out else NOT_WRITTEN])


def _read(
    file: Path, names: tuple[str | None, str | None, str | None], unit: str | None
) -> LogFindings:
    from catalog_db.request_log import read_log
    from ecoserve.request_log import RequestLogError

    path = file.expanduser()
    try:
        columns = named_columns(path, names, unit)
        with progress("reading, MB") as show:
            return read_log(
                path,
                columns,
                lambda done, total: show(
                    done // BYTES_PER_MB, total // BYTES_PER_MB, "reading, MB"
                ),
            )
    except RequestLogError as error:
        hint = "" if all(names[1:]) else option_hint(str(error))
        raise ScenarioError([Problem(str(file), f"{error}{hint}")]) from error


def option_hint(message: str) -> str:
    """What to add to a message about columns."""
    about_columns = message.startswith(("no column is known", "it has no column"))
    return "; use --time-column, --input-column and --output-column" if about_columns else ""


def named_columns(
    path: Path, names: tuple[str | None, str | None, str | None], unit: str | None
) -> LogColumns | None:
    """The columns as named on the command line, the others as recognised."""
    from catalog_db.log_head import LogColumns, Unit, read_head, unit_of

    if not any((*names, unit)):
        return None
    head = read_head(path)
    time, given_input, given_output = names
    isl, osl = given_input or head.input, given_output or head.output
    if isl is None or osl is None:
        return head.checked(None)
    when = time or head.time
    units: dict[str, Unit] = {"s": "s", "ms": "ms", "us": "us", "ns": "ns"}
    return LogColumns(time=when, input=isl, output=osl, unit=units[unit] if unit else unit_of(when))


def _record(
    found: LogFindings, mix: OwnMix, profile: OwnProfile | None, files: list[str]
) -> records.Record:
    arrivals = found.arrivals
    return {
        "n_rows": found.n_rows,
        "n_requests": found.n_used,
        "bad_rows": [
            {
                "reason": bad.reason,
                "message": bad.words,
                "rows": bad.rows,
                "examples": [{"row": e.row, "text": e.text} for e in bad.examples],
            }
            for bad in found.bad
        ],
        "n_out_of_order": arrivals.n_out_of_order if arrivals else 0,
        "mean_isl_tokens": found.mean_isl_tokens,
        "mean_osl_tokens": found.mean_osl_tokens,
        "longest_isl_tokens": found.longest_isl_tokens,
        "longest_osl_tokens": found.longest_osl_tokens,
        "n_buckets": len(found.counts),
        "duration_s": arrivals.duration_s if arrivals else None,
        "mean_rate_rps": arrivals.mean_rps if arrivals else None,
        "day_rate_rps": arrivals.day_rps if arrivals else None,
        "peak_minute_rps": arrivals.peak_minute_rps if arrivals else None,
        "interarrival_cv": arrivals.interarrival_cv if arrivals else None,
        "burst": arrivals.burst if arrivals else None,
        "hourly_ratio": list(profile.hourly_ratio) if profile else None,
        "mix_id": mix.id,
        "profile_id": profile.id if profile else None,
        "files": files,
    }


def _report(found: LogFindings, file: str) -> Report:
    from app.log_words import facts, order_words, profile_words
    from app.reports import table

    report: Report = [Text(file, style="bold"), table("Found", ("", "value >"), facts(found))]
    if found.bad:
        rows = [
            (bad.words, f"{bad.rows:,}", str(example.row), example.text)
            for bad in found.bad
            for example in bad.examples[:1]
        ]
        heads = ("left out because", "rows >", "first in row >", "which reads")
        report.append(table("Rows left out", heads, rows))
    if remark := order_words(found.arrivals):
        say(f"note: {remark}")
    report.append(Text(profile_words(found.arrivals)))
    return report
