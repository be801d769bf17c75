"""Writes ``catalog_db/README.md``, the data dictionary, from the schema.

``python -m catalog_db.dictionary`` writes it anew.
"""

from __future__ import annotations

from pathlib import Path

from catalog_db.csvfiles import BUILD_ORDER, PROVENANCE
from catalog_db.schema import Column, Table, schema
from catalog_db.wording import allowed, within_a_row

README = Path(__file__).with_name("README.md")

HEAD = """\
# The catalog

<!-- Written by `python -m catalog_db.dictionary` from schema.sql: change that or dictionary.py. -->

Every number that EcoServe planner knows about the world, each with its unit, its source and how
far to trust it. The CSV files in `data/` are the truth; `ecoserve catalog build` checks them
against `schema.sql` and turns them into one DuckDB file. It reports every bad cell at once
(file, line, column, what was expected, what was found) and swaps a finished file in, so a
failed or killed build leaves the old catalog working. The same content gives the same catalog
version, whatever the order of rows and columns.

- `quality` is `measured`, `manufacturer` (data sheets and price lists, read at the maker or in the
  compilation that the source names), `modelled` (derived from other figures) or `assumed`; what is
  assumed says so in its `note`.
- A row's source and quality hold for all of its cells but those listed in `cell_sources.csv`.
- Units are those of the sources and stand in the column's name or description; `reader.py`
  converts them once.
- `ecoserve catalog list TABLE --where column=value` and `ecoserve catalog show TABLE ID` show
  what is there.

## How to add an accelerator

1. `data/sources.csv`: one row for the data sheet, with its address and the day you read it.
2. `data/accelerators.csv`: one row. Rates are dense, never sparse; `family` names its rows in
   `serving_parameters.csv` and `power_parameters.csv` (a family without them is listed, but
   cannot be planned with).
3. `data/dies.csv`: one row per kind of die, with `product_id` = the accelerator's id. Without a
   published area take the nearest sibling's, `quality` = `assumed`, and a band that holds the
   truth.
4. `data/servers.csv`: at least one server that carries it; a new machine also needs a row in
   `data/hosts.csv`, a rented one a row in `data/rental_prices.csv`.
5. Single figures from elsewhere go to `data/cell_sources.csv`.
6. `ecoserve catalog build`, then `ecoserve embodied YOUR_ID` and `pytest tests/data`.

## How to use your own rows without changing ours

`ecoserve catalog new-overlay DIR --kind accelerator` (or `server`, `host`, `cpu`, `region`, `llm`,
`measurements`) writes example files to edit; any command takes them with `--overlay DIR`, and the
Hardware page takes the same files, and measurements with the columns of `ecoserve validate` under
any name. An overlay has any of the tables below, under the same names.

- A row whose id is known corrects that row: only the cells that are given change, an empty cell
  keeps ours.
- A row with a new id is added and needs every required column but `source_id`, `quality` and
  `note`: without them it is your word (source `your_overlay`, quality `assumed`). Corrected
  figures are marked as yours one by one.
- A `config.json` of Hugging Face, named `my-model.json` or `my-model/config.json`, becomes a
  row of `llms`.
- Buckets and percentiles can be given for length mixes of your own only; a full year in
  `grid_series.csv` replaces the hourly means of its zone.
- At most 40 files of 5 MB each, in UTF-8.
"""


def dictionary() -> str:
    """The text of the data dictionary."""
    parts = [HEAD, "## Tables\n", _contents()]
    parts += [_section(schema()[table]) for table in (*BUILD_ORDER, *_written_by_build())]
    return "\n".join(parts)


def _written_by_build() -> tuple[str, ...]:
    return tuple(sorted(schema().keys() - set(BUILD_ORDER)))


def _contents() -> str:
    names = (*BUILD_ORDER, *_written_by_build())
    return "\n".join(f"- [`{name}`](#{name}): {schema()[name].comment}" for name in names) + "\n"


def _section(table: Table) -> str:
    key = ", ".join(f"`{name}`" for name in table.key)
    lines = [f"### {table.name}", "", f"{table.comment}."]
    if key not in ("", "`id`"):
        lines.append(f"A row is named by {key}.")
    if set(PROVENANCE) <= set(table.names):
        lines.append("Every row has `source_id`, `quality` and `note`.")
    lines += ["", "| column | type | unit and meaning | allowed |", "|---|---|---|---|"]
    lines += [_row(table, column) for column in table.columns if not _is_provenance(table, column)]
    rules = within_a_row(table)
    if rules:
        lines += ["", f"Within a row: {'; '.join(rules)}."]
    return "\n".join(lines) + "\n"


def _is_provenance(table: Table, column: Column) -> bool:
    return set(PROVENANCE) <= set(table.names) and column.name in PROVENANCE


def _row(table: Table, column: Column) -> str:
    rules = allowed(table, column, lambda other: f"[`{other}`](#{other})")
    cells = (f"`{column.name}`", column.type.lower(), column.comment, ", ".join(rules))
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


if __name__ == "__main__":
    README.write_text(dictionary(), encoding="utf-8")
