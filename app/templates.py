"""Files to begin with: a valid example of every table that a new row needs, to be edited."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalog_db import tables
from catalog_db.schema import Column, schema
from catalog_db.wording import KINDS, allowed, within_a_row

Values = Mapping[str, Any]

LEFT_OUT = ("source_id", "quality")
"""The user's word unless they add these columns and a row in sources.csv."""
NOTE = "Example: change every figure to yours."


@dataclass(frozen=True, slots=True)
class ExampleRow:
    """A row of the catalog under a new name, with some values of its own."""

    table: str
    like: str
    values: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Template:
    """What somebody wants to add, and the rows that it takes."""

    id: str
    title: str
    rows: tuple[ExampleRow, ...]
    hint: tuple[str, ...] = ()
    """Lines of the text beside the files."""


SERVER = ExampleRow(
    "servers", "own_8x_h100_sxm", {"id": "my_server", "name": "My server, 8 x H100"}
)
HOST = ExampleRow("hosts", "host_hgx_spr", {"id": "my_host", "name": "My host"})
HOST_SERVER = ExampleRow(SERVER.table, SERVER.like, {**SERVER.values, "host_id": "my_host"})
DIE_OF_CPU = "xeon_8480c/xcc_tile"
TEMPLATES = (
    Template("server", "A server", (SERVER,)),
    Template(
        "accelerator",
        "An accelerator",
        (
            ExampleRow("accelerators", "h100_sxm_80gb", {"id": "my_card", "name": "My card"}),
            ExampleRow("dies", "h100_sxm_80gb/gh100", {"id": "my_card/gpu", "product_id": "my_card",
                                                  "die": "gpu"}),
            ExampleRow(SERVER.table, SERVER.like, {
                "id": "my_server", "name": "My server, 8 x my card", "accelerator_id": "my_card",
            }),
        ),
    ),
    Template("host", "A host", (HOST, HOST_SERVER)),
    Template(
        "cpu",
        "A CPU",
        (
            ExampleRow("cpus", "xeon_8480c", {"id": "my_cpu", "name": "My CPU"}),
            ExampleRow("dies", DIE_OF_CPU, {"id": "my_cpu/compute", "product_id": "my_cpu",
                                            "die": "compute"}),
            ExampleRow(HOST.table, HOST.like, {**HOST.values, "cpu_id": "my_cpu"}),
            HOST_SERVER,
        ),
    ),
    Template(
        "region",
        "A region",
        (
            ExampleRow("regions", "aws_eu_central_1", {
                "id": "my_region", "name": "My region", "provider_id": "own",
            }),
        ),
    ),
    Template(
        "llm",
        "An LLM",
        (ExampleRow("llms", "llama_3_1_8b", {"id": "my_llm", "name": "My LLM", "aliases": []}),),
    ),
    Template(
        "measurements",
        "Measurements",
        (
            ExampleRow("measured_points", "vidur_0001", {
                "id": "own_00001", "source": "my_bench", "model": "llama_3_1_8b",
                "hardware": "h100_sxm_80gb", "precision": "bf16", "stack": "vllm_v1",
                "phase": "decode", "batch": 32.0, "input_len": 500.0, "output_len": 200.0,
                "context_len": 600.0, "latency_ms": 9.5, "power_w": 560.0,
            }),
        ),
        hint=(
            "One row per measurement; leave blank what was not measured. Such rows are shown on",
            "the Evidence page and correct predictions between them. To fit parameters to them:",
            "ecoserve calibrate measured_points.csv --out FOLDER. Speed needs 5 rows of a family,",
            "stack and precision; power needs power_w, batch, input_len and output_len on decode",
            "or e2e rows, at least 6 of them from 2 models.",
        ),
    ),
)  # fmt: skip
"""What can be started from: title, and the rows each file gets."""


def template_files(template: Template, path: Path) -> dict[str, str]:
    """The template's CSV files by name and a text that says what each column means."""
    files = {f"{row.table}.csv": _csv(row, path) for row in template.rows}
    return {**files, "README.txt": _readme(template)}


def template_zip(template: Template, path: Path) -> bytes:
    """The files of a template, zipped."""
    return zipped(template_files(template, path))


def zipped(files: Mapping[str, str]) -> bytes:
    """Text files as a zip that is the same for the same content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), text)
    return buffer.getvalue()


def _csv(row: ExampleRow, path: Path) -> str:
    names = _columns(row.table)
    [known] = tables.rows(path, row.table, where=[tables.Filter("id", "is", row.like)])
    values = {**known, "note": NOTE, **row.values}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerow([_cell(values[name]) for name in names])
    return buffer.getvalue()


def _columns(table: str) -> list[str]:
    return [info.name for info in tables.columns(table) if info.name not in LEFT_OUT]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.12g}"
    return str(value)


def _readme(template: Template) -> str:
    lines = [
        f"EcoServe planner: {template.title.lower()} of your own",
        "",
        "Each CSV file is named after a table of the catalog and has one example row. Change the",
        "values, keep the header, save as CSV UTF-8. Then upload the files on the Hardware page,",
        "or name their folder: ecoserve plan SCENARIO --overlay FOLDER",
        "",
        "An id that the catalog knows corrects that row, and an empty cell keeps what stands",
        "there; a new id adds a row, which needs every column that may not be empty. Ids of other",
        "tables: ecoserve catalog list TABLE, for example ecoserve catalog list accelerators, or",
        "the Hardware and Evidence pages. A figure counts as",
        "your own assumption; to cite a source, add the columns source_id and quality and a row in",
        "sources.csv.",
        *(["", *template.hint] if template.hint else []),
    ]
    for table in dict.fromkeys(row.table for row in template.rows):
        declared = schema()[table]
        lines += ["", f"{table}.csv: {declared.comment}"]
        lines += [_meaning(table, c) for c in declared.columns if c.name not in LEFT_OUT]
        rules = within_a_row(declared)
        if rules:
            lines.append(f"  Within a row: {'; '.join(rules)}.")
    return "\n".join(lines) + "\n"


def _meaning(table: str, column: Column) -> str:
    """Type, unit and meaning of a column, and what it may hold."""
    rules = ", ".join(
        allowed(schema()[table], column, lambda other: f"{other} (ecoserve catalog list {other})")
    )
    parts = [KINDS[column.type], column.comment, rules and f"allowed: {rules}"]
    return f"  {column.name}: {'; '.join(part for part in parts if part)}"
