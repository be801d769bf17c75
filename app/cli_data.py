"""The terminal's commands about data: the catalog's rows and share links."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app import records, reports
from app.cli_options import OverlayFolder
from app.presets import load_presets, open_scenario, read_link
from app.records import catalog_path, open_catalog
from app.terminal import CLI_SETTINGS, emit, emit_json, emit_text, say
from ecoserve import __version__
from ecoserve.errors import CatalogError

if TYPE_CHECKING:
    from catalog_db.tables import Filter, Operator

DEFAULT_BASE_URL = "http://localhost:8501"
MAX_ROWS = 1_000_000
"""A listing is whole."""
OPERATORS: dict[str, Operator] = {
    "=": "is",
    "~": "contains",
    ">=": "at_least",
    "<=": "at_most",
}

Source = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A JSON file, a preset's name or a share link.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEST",
        help="column=value, column~part of a text, column>=value or column<=value; "
        "an empty value finds empty cells. May be given several times.",
    ),
]

catalog_app = typer.Typer(name="catalog", help="The data behind every figure.", **CLI_SETTINGS)
link_app = typer.Typer(name="link", help="Share links of scenarios.", **CLI_SETTINGS)


@catalog_app.command("list")
def catalog_list(
    table: Annotated[str | None, typer.Argument(metavar="[TABLE]")] = None,
    where: Where = None,
    sort: Annotated[str | None, typer.Option(metavar="COLUMN", help="Order by it.")] = None,
    descending: Annotated[bool, typer.Option("--descending", help="Largest first.")] = False,
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """The tables, or the rows of one."""
    from catalog_db import tables

    own = records.read_overlay(overlay)
    path = catalog_path(own)
    filters = [_filter(text) for text in where or ()]
    asked_for = [*(test.column for test in filters), *([sort] if sort else [])]
    if table is None:
        rows = records.table_sizes(path)
    else:
        found = tables.rows(
            path, table, where=filters, order_by=sort, descending=descending, limit=MAX_ROWS
        )
        rows = records.with_ids(table, found)
    if as_json:
        emit_json({**records.stamp(open_catalog(own)), "rows": rows})
    else:
        columns = records.short_columns(rows, asked_for)
        emit(reports.rows_report(rows, table or "Tables", columns))


@catalog_app.command("show")
def catalog_show(
    table: str, row_id: str, overlay: OverlayFolder = None, as_json: Json = False
) -> None:
    """One row: every figure with its unit, its quality and its source."""
    own = records.read_overlay(overlay)
    record = records.row_record(catalog_path(own), table, row_id)
    if as_json:
        emit_json({**records.stamp(open_catalog(own)), **record})
    else:
        emit(reports.figures_report(record["figures"], f"{table}: {row_id}"))


@catalog_app.command("build")
def catalog_build(overlay: OverlayFolder = None, as_json: Json = False) -> None:
    """Build the catalog database anew, or say everything that is wrong with its files."""
    from catalog_db.build import build_catalog
    from catalog_db.reader import default_catalog_path

    own = records.read_overlay(overlay)
    path = default_catalog_path(own)
    version = build_catalog(path, overlay=own)
    record = records.build_record(path)
    if as_json:
        emit_json({**records.stamp(open_catalog(own)), **record})
    else:
        rows = f"{record['n_rows']:,} rows, {record['n_own_rows']:,} of them yours"
        emit_text(f"catalog {version} is at {path}: {rows}")


@catalog_app.command("new-overlay")
def catalog_new_overlay(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    kind: Annotated[
        Literal["server", "accelerator", "host", "cpu", "region", "llm", "measurements"],
        typer.Option(help="What to add."),
    ] = "server",
) -> None:
    """Write files to begin with: one example row of each table you need, to be edited."""
    from app.templates import TEMPLATES, template_files
    from catalog_db.overlay import OverlayError

    template = next(t for t in TEMPLATES if t.id == kind)
    files = template_files(template, catalog_path())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise OverlayError(f"{folder} is not empty; name a new folder")
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OverlayError(f"cannot write to {folder}: {error.strerror}") from error
    emit_text(f"{folder} has {', '.join(sorted(files))}: edit them, then add --overlay {folder}")


@link_app.command("encode")
def link_encode(
    source: Source,
    overlay: OverlayFolder = None,
    base_url: Annotated[str, typer.Option(help="Where the dashboard runs.")] = DEFAULT_BASE_URL,
    as_json: Json = False,
) -> None:
    """The share link of a scenario."""
    from ecoserve.link import encode_link

    scenario, catalog = open_scenario(source), open_catalog(records.read_overlay(overlay))
    token = encode_link(scenario, load_presets(), __version__, catalog.version)
    link = f"{base_url.rstrip('/')}/?s={token}"
    if as_json:
        record = {"link": link, "chars": len(link), "token": token}
        emit_json({**records.stamp(catalog, scenario), **record})
    else:
        emit_text(link)


@link_app.command("decode")
def link_decode(
    link: Annotated[str, typer.Argument(metavar="LINK")],
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """The scenario of a share link, as a JSON file that other commands read."""
    decoded, catalog = read_link(link), open_catalog(records.read_overlay(overlay))
    notes = records.link_notes(decoded, catalog)
    for note in notes:
        say(f"note: {note.message}")
    record = decoded.scenario.model_dump(mode="json")
    stamp = records.stamp(catalog, decoded.scenario, notes) if as_json else {}
    emit_json({**stamp, **record})


def _filter(text: str) -> Filter:
    from catalog_db.tables import Filter

    match = re.fullmatch(r"([a-z0-9_]+)(>=|<=|=|~)(.*)", text, re.DOTALL)
    if match is None:
        raise CatalogError(f"--where {text[:60]!r} is no test; write for example vendor=NVIDIA")
    operator = OPERATORS[match[2]]
    value = None if operator == "is" and not match[3] else match[3]
    return Filter(match[1], operator, value)
