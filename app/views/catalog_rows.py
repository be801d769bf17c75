"""Tables of the catalog, filtered and sorted by its database; a row opens all of its figures.

The same view serves the Hardware page, with a few tables, and the Evidence page, with all.
"""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from app import state
from app.text import column_words, plain
from catalog_db import tables
from catalog_db.schema import Column
from catalog_db.tables import Figure, Filter
from ecoserve.errors import CatalogError
from ecoserve.rows import Source

PAGE_ROWS = 25
ALL = 1_000_000
"""More rows than any table has."""
MAX_CHOICES = 40
CATEGORIES = (
    *("vendor", "provider_id", "offer", "set", "kind", "trust", "price_date", "convention"),
    *("stack", "provenance", "accelerator_id", "quality"),
)
"""Columns to filter by where a table has them, in the order of their menus."""
MAX_MENUS = 4
SEARCHED = ("id", "name")
POINTERS = {
    **{"accelerator_id": "accelerators", "host_id": "hosts", "server_id": "servers"},
    **{"llm_id": "llms", "provider_id": "providers"},
}
"""What a row points at is found by the other row's id and name too."""
MAX_SEGMENTS = 8
LAST = ("quality", "source_title", "note", "id")
OWN = "is_own"
HIDDEN = ("source_id",)
FLAGGED = ("assumed", "inherited")

TITLE_CHARS = 60
METHODOLOGY = "assets/methodology.md"
"""The source of the planner's own assumptions: a file of this software."""

Row = dict[str, Any]


@st.fragment
def show(names: Mapping[str, str], key: str, first: str = "") -> None:
    """A choice of tables, the filters, one page of rows, and the figures of the chosen row."""
    path = state.catalog_path()
    try:
        _show_table(path, names, key, first or next(iter(names)))
    except CatalogError as error:
        st.error(plain(str(error)))


def _show_table(path: Path, names: Mapping[str, str], key: str, first: str) -> None:
    table = _choose_table(names, key, first)
    columns = tables.columns(table)
    where = _filters(path, table, columns, f"{key}:{table}")
    total = tables.count(path, table, where)
    order_by, descending, offset = _order(columns, total, f"{key}:{table}")
    rows = tables.rows(
        path, table, where=where, order_by=order_by, descending=descending, limit=PAGE_ROWS,
        offset=offset,
    )  # fmt: skip
    st.caption(_count_words(total, tables.count(path, table), offset))
    if rows:
        asked = repr((where, order_by, descending, offset, state.catalog().version))
        _draw_rows(path, table, columns, rows, f"{key}:{table}:rows:{_short(asked)}")


def _choose_table(names: Mapping[str, str], key: str, first: str) -> str:
    if len(names) > MAX_SEGMENTS:
        chosen = st.selectbox(
            "Table", list(names), index=list(names).index(first), key=f"{key}:table",
            format_func=lambda table: names.get(table, ""),
        )  # fmt: skip
    else:
        chosen = st.segmented_control(
            "Table", list(names), key=f"{key}:table", format_func=lambda table: names[table],
            default=first, required=True,
        )  # fmt: skip
    return chosen or first


# ---- what is asked of the table


def _filters(path: Path, table: str, columns: Sequence[Column], key: str) -> tuple[Filter, ...]:
    menus = [name for name in CATEGORIES if any(c.name == name for c in columns)]
    menus = menus[: MAX_MENUS - 1] + [name for name in menus[MAX_MENUS - 1 :] if name == "quality"]
    search, *places = st.columns([1.4, *(1 for _ in menus)])
    with search:
        text = st.text_input("Search", key=f"{key}:search", placeholder=_search_words(columns))
    where = _only_mine(table, key)
    if text and text.strip():
        where.append(Filter("id", "one_of", sorted(_found(path, table, columns, text.strip()))))
    for name, place in zip(menus, places, strict=True):
        with place:
            picked = _menu(path, table, name, key)
        if picked:
            where.append(Filter(name, "one_of", picked))
    return tuple(where)


def _search_words(columns: Sequence[Column]) -> str:
    names = [column.name for column in columns]
    looked_into = [name for name in (*reversed(SEARCHED), *POINTERS) if name in names]
    return f"part of {' or '.join(column_words(name).lower() for name in looked_into)}"


def _found(path: Path, table: str, columns: Sequence[Column], text: str) -> set[str]:
    """Ids of the rows that have the text in their id or name, or point at a row that has."""
    names = {column.name for column in columns}
    tests = [Filter(name, "contains", text) for name in SEARCHED if name in names]
    for name, other in POINTERS.items():
        if name in names and other != table:
            there = [column for column in tables.columns(other) if column.name in SEARCHED]
            tests.append(Filter(name, "one_of", sorted(_found(path, other, there, text))))
    return {
        row["id"] for test in tests for row in tables.rows(path, table, where=[test], limit=ALL)
    }


def _only_mine(table: str, key: str) -> list[Filter]:
    """Offered where there are rows of the visitor's."""
    if not state.session().own or not st.checkbox("Only mine", key=f"{key}:mine"):
        return []
    own = state.catalog().overlay_rows
    return [Filter("id", "one_of", sorted(row_id for name, row_id in own if name == table))]


def _menu(path: Path, table: str, column: str, key: str) -> tuple[Any, ...]:
    choices = tables.distinct_values(path, table, column)[:MAX_CHOICES]
    picked = st.multiselect(
        column_words(column), choices, key=f"{key}:{column}", placeholder="all",
        format_func=lambda value: _choice_words(column, value),
    )  # fmt: skip
    return tuple(picked)


def _choice_words(column: str, value: Any) -> str:
    card = state.catalog().accelerators.get(value) if column == "accelerator_id" else None
    return card.name if card else str(value)


def _order(columns: Sequence[Column], total: int, key: str) -> tuple[str, bool, int]:
    """Column to sort by, whether downwards, and the first row to show."""
    sortable = [column.name for column in columns if not column.is_list]
    first = "name" if "name" in sortable else "id"
    left, right, page, _ = st.columns([1.4, 0.8, 0.8, 1.4], vertical_alignment="bottom")
    with left:
        order_by = st.selectbox(
            "Sort by", sortable, index=sortable.index(first), key=f"{key}:order",
            format_func=column_words,
        )  # fmt: skip
    with right:
        descending = st.toggle("Largest first", key=f"{key}:descending")
    with page:
        offset = _page(total, key)
    return order_by, descending, offset


def _page(total: int, key: str) -> int:
    """The first row to show."""
    pages = -(-total // PAGE_ROWS)
    if pages <= 1:
        return 0
    number = st.number_input(
        f"Page, of {pages}", min_value=1, max_value=pages, key=f"{key}:page:{pages}"
    )
    return PAGE_ROWS * (int(number) - 1)


def _count_words(found: int, total: int, offset: int) -> str:
    rows = f"{found:,} of {total:,} rows" if found != total else f"{total:,} rows"
    if found == 0:
        return f"No row of {total:,} passes the filters; loosen one."
    last = min(found, offset + PAGE_ROWS)
    shown = f"; shown are {offset + 1} to {last}" if found > PAGE_ROWS else ""
    return (
        f"{rows}{shown}. Tick a row at its left edge to see every figure with its unit, quality "
        "and source."
    )


# ---- the rows


def _draw_rows(
    path: Path, table: str, columns: Sequence[Column], rows: list[Row], key: str
) -> None:
    shown = [_row_cells(table, columns, row) for row in rows]
    words = {column.name: column.comment for column in columns}
    config: dict[str, Any] = {
        column_words(name): st.column_config.Column(help=plain(comment) or None)
        for name, comment in words.items()
    }
    config["Name"] = st.column_config.Column(width="medium")
    config["Assumed here"] = st.column_config.Column(width="medium")
    event = st.dataframe(
        shown,
        hide_index=True,
        height="content",
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        column_config=config,
        placeholder="",
        alt=f"Rows of {column_words(table)}; choose one to see its figures and their sources.",
    )
    for position in event["selection"]["rows"]:
        if position < len(rows):
            row_figures(path, table, rows[position])


def _row_cells(table: str, columns: Sequence[Column], row: Row) -> Row:
    """Name first, then figures, then where they come from; with what is not the catalog's."""
    names = [column.name for column in columns if column.name not in (*HIDDEN, *LAST)]
    names += [name for name in LAST if name in row]
    cells = {_heading(name): _cell(row[name]) for name in names}
    first = next(iter(cells))
    whose = {"Whose": "yours" if row[OWN] else "catalog"} if state.session().own else {}
    return {first: cells.pop(first), **whose, "Assumed here": _assumed(table, row), **cells}


def _assumed(table: str, row: Row) -> str:
    """Which figures of the row are assumed, or that all without a source of their own are."""
    single = [
        cell
        for (of_table, row_id, _), cell in state.catalog().cell_sources.items()
        if of_table == table and row_id == row["id"]
    ]
    assumed = [cell.column_name for cell in single if cell.quality == "assumed"]
    if row.get("quality") == "assumed":
        others = [cell.column_name for cell in single if cell.quality != "assumed"]
        return f"all but {_names(others)}" if others else "all"
    return _names(assumed)


def _names(columns: Sequence[str]) -> str:
    return ", ".join(column_words(name, unit=False) for name in columns)


def _heading(column: str) -> str:
    return "Source" if column == "source_title" else column_words(column)


def _cell(value: Any) -> Any:
    return ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else value


# ---- every figure of one row


def row_figures(path: Path, table: str, row: Row) -> None:
    """Value, unit, quality, source and note of each figure of a row."""
    figures = [f for f in tables.figures(path, table, row["id"]) if f.column != "name"]
    name = row.get("name") or row["id"]
    st.markdown(f"### Every figure of {plain(str(name))}")
    st.caption(plain(_quality_line(figures, row)))
    if row.get("note"):
        st.caption(plain(f"Note on the row: {state.readable(row['note'])}"))
    st.dataframe(
        [_figure_cells(figure, row) for figure in figures if figure.value is not None],
        hide_index=True,
        height="content",
        key=f"figures:{table}:{_short(row['id'])}",
        column_config={
            "Figure": st.column_config.Column(width=170),
            "Value": st.column_config.Column(width=180),
            "Unit": st.column_config.Column(width=150),
            "Quality": st.column_config.Column(width=130),
            "Source": st.column_config.Column(width=330),
            "Link": st.column_config.LinkColumn("Link", display_text="open", width=60),
            "What it is": st.column_config.Column(width="large"),
            "Note": st.column_config.Column(width="large"),
        },
        placeholder="",
        alt=f"Figures of {name} with unit, quality and source.",
    )


def _quality_line(figures: Sequence[Figure], row: Row) -> str:
    given = [figure for figure in figures if figure.value is not None]
    assumed = sum(figure.quality == "assumed" for figure in given)
    empty = [figure.column for figure in figures if figure.value is None]
    line = f"{len(given)} figures, {assumed} of them assumed."
    if row.get("provenance") in FLAGGED:
        line += f" The parameters are {row['provenance']}, not calibrated for this key."
    return line + (f" Unknown: {_names(empty)}." if empty else "")


def _figure_cells(figure: Figure, row: Row) -> Row:
    inherited = row.get("provenance") == "inherited"
    return {
        "Figure": column_words(figure.column, unit=False),
        "Value": value_words(figure.value),
        "Unit": figure.unit,
        "Quality": quality_words(figure.quality, own=figure.is_own, inherited=inherited),
        "Source": source_words(figure.source_title, figure.publisher, figure.url),
        "Link": web_address(figure.url),
        "Note": figure.note if figure.note != row.get("note") else "",
        "What it is": figure.comment.removeprefix(figure.unit).lstrip(",;: "),
    }


def quality_words(quality: str, *, own: bool = False, inherited: bool = False) -> str:
    """How far to trust a figure, with a tilde in front where nobody measured or published it.

    >>> quality_words("assumed"), quality_words("measured"), quality_words("assumed", own=True)
    ('~ assumed', 'measured', '~ assumed, yours')
    """
    words = [quality, *(["inherited"] if inherited else []), *(["yours"] if own else [])]
    tilde = "~ " if quality == "assumed" or inherited else ""
    return tilde + ", ".join(words)


def value_words(value: Any) -> str:
    """A figure as it stands in the catalog.

    >>> value_words(33500.0), value_words(2022), value_words(True), value_words([0.5, 1.0])
    ('33,500', '2022', 'yes', '0.5, 1')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,.10g}" if abs(value) >= 10_000 else f"{value:.10g}"
    if isinstance(value, list | tuple):
        return ", ".join(value_words(item) for item in value)
    return str(value)


def web_address(url: str) -> str | None:
    """The address where it leads to the web; a book or a user's file has none."""
    return url if url.startswith(("https://", "http://")) else None


def source_words(title: str, publisher: str, url: str) -> str:
    """A source by title and publisher; the planner's own assumptions by where they are argued.

    >>> source_words("HGX H100", "NVIDIA", "https://nvidia.com")
    'HGX H100, NVIDIA'
    >>> source_words("Planning assumptions", "EcoServe planner", "assets/methodology.md")
    'Planning assumptions (methodology)'
    """
    if url == METHODOLOGY:
        return f"{title.partition(';')[0]} (methodology)"
    return f"{title}, {publisher}"


def source_link(source: Source) -> str:
    """A source as markdown, in short, with its address where it is on the web."""
    title = textwrap.shorten(source.title, TITLE_CHARS, placeholder=" ...")
    words, address = source_words(title, source.publisher, source.url), source.url
    return f"[{plain(words)}]({address})" if web_address(address) else plain(words)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]
