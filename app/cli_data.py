"""The terminal's commands about data: the catalog's rows and share links."""

from __future__ import annotations

from typing import Annotated

import typer

from app import records, reports
from app.presets import load_presets, open_scenario, read_link
from app.records import catalog_path, open_catalog
from app.terminal import CLI_SETTINGS, emit, emit_json, emit_text, say
from ecoserve import __version__

DEFAULT_BASE_URL = "http://localhost:8501"

Source = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A JSON file, a preset's name or a share link.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

catalog_app = typer.Typer(name="catalog", help="The data behind every figure.", **CLI_SETTINGS)
link_app = typer.Typer(name="link", help="Share links of scenarios.", **CLI_SETTINGS)


@catalog_app.command("list")
def catalog_list(
    table: Annotated[str | None, typer.Argument(metavar="[TABLE]")] = None, as_json: Json = False
) -> None:
    """The tables, or the rows of one."""
    from catalog_db.reader import query_rows

    path = catalog_path()
    rows = query_rows(path, table) if table else records.table_sizes(path)
    if as_json:
        emit_json({**records.stamp(open_catalog()), "rows": records.with_ids(rows)})
    else:
        emit(reports.rows_report(rows, table or "Tables", records.short_columns(rows)))


@catalog_app.command("show")
def catalog_show(table: str, row_id: str, as_json: Json = False) -> None:
    """One row with every column, its source and its quality."""
    row = records.find_row(catalog_path(), table, row_id)
    if as_json:
        emit_json({**records.stamp(open_catalog()), "row": row})
    else:
        emit(reports.record_report(row, f"{table}: {row_id}"))


@catalog_app.command("build")
def catalog_build(as_json: Json = False) -> None:
    """Build the catalog database anew from its CSV files."""
    from catalog_db.build import build_catalog
    from catalog_db.reader import default_catalog_path

    path = default_catalog_path()
    version = build_catalog(path)
    if as_json:
        emit_json({**records.stamp(open_catalog()), "path": str(path)})
    else:
        emit_text(f"catalog {version} is at {path}")


@link_app.command("encode")
def link_encode(
    source: Source,
    base_url: Annotated[str, typer.Option(help="Where the dashboard runs.")] = DEFAULT_BASE_URL,
    as_json: Json = False,
) -> None:
    """The share link of a scenario."""
    from ecoserve.link import encode_link

    scenario, catalog = open_scenario(source), open_catalog()
    token = encode_link(scenario, load_presets(), __version__, catalog.version)
    link = f"{base_url.rstrip('/')}/?s={token}"
    if as_json:
        record = {"link": link, "chars": len(link), "token": token}
        emit_json({**records.stamp(catalog, scenario), **record})
    else:
        emit_text(link)


@link_app.command("decode")
def link_decode(
    link: Annotated[str, typer.Argument(metavar="LINK")], as_json: Json = False
) -> None:
    """The scenario of a share link, as a JSON file that other commands read."""
    decoded, catalog = read_link(link), open_catalog()
    notes = records.link_notes(decoded, catalog)
    for note in notes:
        say(f"note: {note.message}")
    record = decoded.scenario.model_dump(mode="json")
    stamp = records.stamp(catalog, decoded.scenario, notes) if as_json else {}
    emit_json({**stamp, **record})
