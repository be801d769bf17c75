"""The user's own rows: files with the names and columns of ours that correct or add to them.

A row whose id we have corrects ours: the cells that are given replace ours, an empty cell keeps
ours. A row with a new id is added. What is given without source is the user's word: source
``your_overlay``, quality ``assumed``. Corrected figures carry that provenance alone
(``cell_sources``), so that the rest of the row stays ours.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from catalog_db.csvfiles import (
    BUILD_ORDER,
    PROVENANCE,
    THE_FILE,
    THE_HEADER,
    THE_LINE,
    BadCell,
    CsvTable,
    content_digest,
    parse_csv,
    plain,
    shortened,
    unseparated,
)
from catalog_db.huggingface import ConfigError, llm_cells, llm_id
from catalog_db.schema import schema
from ecoserve.catalog import nearest
from ecoserve.errors import CatalogError

MAX_FILES = 40
MAX_FILE_BYTES = 5_000_000
MAX_NAME_CHARS = 60
MAX_LISTED = 10
README = "README.txt"
"""What the example files bring with them; no data."""

MARKUP = re.compile(r"[<\[\]`$]")
"""What begins a tag, a link, a picture, code or a formula where text is drawn."""

OWN_SOURCE = "your_overlay"
OWN_QUALITY = "assumed"
OWN_QUALITIES = {"measured_points": "measured"}
"""Of tables whose rows are something else by what they are."""
OWN_NOTE = "From the overlay."
CONFIG_NOTE = "From a config.json of Hugging Face; parameters counted from its shapes."
MEMBERS = {"length_buckets": "length_mixes", "length_percentiles": "length_mixes"}
"""Tables whose rows belong to a row of another: ours get no members, only the user's own do."""

Cells = dict[str, str]
Key = tuple[str, ...]


class OverlayError(CatalogError):
    """The overlay cannot be read; the message says why and what to do."""


FITTED = frozenset({"serving_parameters", "power_parameters"})
"""Tables whose rows are replaced with their source, quality and note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """CSV files (any of the catalog's tables, any of their columns) and ``config.json`` files.

    Hashable and comparable; ``files`` are (name, text), sorted by name. Files that cannot be read
    are among its ``problems``, so that they are told together with those of the others.
    """

    name: str
    files: tuple[tuple[str, str], ...]
    problems: tuple[BadCell, ...] = ()
    """Of files that are not text, too large or of another kind; named without the overlay."""
    ignored: tuple[str, ...] = field(default=(), compare=False)
    """Files of the folder that are no data and were not read."""
    digest: str = field(init=False)
    """Of the content; part of the catalog's version."""

    def __post_init__(self) -> None:
        configs = [entry for entry in self.files if not entry[0].endswith(".csv")]
        content = repr((self.name, content_digest(self.tables()), configs, self.problems))
        object.__setattr__(self, "digest", hashlib.sha256(content.encode()).hexdigest())

    @classmethod
    def from_folder(cls, folder: Path) -> Overlay:
        """The CSV and JSON files of a folder, and ``<model>/config.json`` below it.

        Raises :class:`OverlayError`.
        """
        if not folder.is_dir():
            raise OverlayError(f"no folder {folder}; an overlay is a folder of CSV files")
        found = [*folder.glob("*.csv"), *folder.glob("*.json"), *folder.glob("*/config.json")]
        ignored = _ignored(folder, found)
        if not found:
            other = f", only {_listed(ignored)}" if ignored else ""
            raise OverlayError(
                f"{folder} has no CSV and no JSON file{other}; name them after the catalog's"
                " tables, for example servers.csv"
            )
        _check_count(len(found))
        try:
            files = {f.relative_to(folder).as_posix(): _read(f) for f in sorted(found)}
        except OSError as error:
            raise OverlayError(f"cannot read {error.filename}: {error.strerror}") from error
        return replace(cls.from_files(files, name=folder.resolve().name), ignored=ignored)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], name: str = "uploaded files") -> Overlay:
        """Files given by name, for example uploads. Raises :class:`OverlayError` for too many."""
        _check_count(len(files))
        problems = [bad for file, content in sorted(files.items()) for bad in _bad(file, content)]
        unreadable = {bad.file for bad in problems if not bad.line}
        texts = tuple(
            (file, _text(content))
            for file, content in sorted(files.items())
            if file not in unreadable
        )
        printable = "".join(char for char in name if char.isprintable())
        short = shortened(printable, MAX_NAME_CHARS) or "overlay"
        return cls(name=short, files=texts, problems=tuple(problems))

    def over(self, base: Overlay | None) -> Overlay:
        """Both together; a file of this one takes the place of the base's of the same name."""
        if base is None:
            return self
        files = dict(base.files) | dict(self.files)
        problems = (*base.problems, *self.problems)
        return Overlay(name=self.name, files=tuple(sorted(files.items())), problems=problems)

    def ignored_in_words(self) -> str:
        """Which files of its folder were not read; empty where there are none."""
        if not self.ignored:
            return ""
        return (
            f"not read in {self.name}: {_listed(self.ignored)}; an overlay has CSV files named"
            " after tables, and a config.json per model, alone or in a folder of the model's name"
        )

    def tables(self) -> tuple[CsvTable, ...]:
        """Its CSV files in cells, those with unknown names included."""
        return tuple(
            parse_csv(file.removesuffix(".csv"), f"{self.name}/{file}", text)
            for file, text in self.files
            if file.endswith(".csv")
        )

    def configs(self) -> tuple[tuple[str, str], ...]:
        """Its ``config.json`` files: name and text."""
        return tuple((file, text) for file, text in self.files if file.endswith(".json"))


@dataclass(slots=True, kw_only=True)
class StagedRow:
    """The cells of a row as text, and the file and line to blame for it."""

    cells: Cells
    file: str
    line: int
    absent: frozenset[str] = frozenset()
    """Columns that a file with new rows leaves out."""


@dataclass(slots=True, kw_only=True)
class Staged:
    """The rows of a table in the order of their files; ``missing`` columns are in no header."""

    rows: list[StagedRow]
    missing: frozenset[str] = frozenset()


OwnCell = tuple[str, str, str]
"""Table, row and column that are the user's; column "" stands for the whole row."""


@dataclass(slots=True)
class Merge:
    """Lays an overlay over the staged rows of our own files."""

    staged: dict[str, Staged]
    problems: list[BadCell] = field(default_factory=list)
    own: set[OwnCell] = field(default_factory=set)
    partial: set[str] = field(default_factory=set)
    """Tables of which not every row of the user's could be read; ours are there."""

    def lay(self, overlay: Overlay) -> None:
        """Correct and add rows; what is wrong with the files goes to ``problems``."""
        self._add_source(overlay)
        for bad in overlay.problems:
            self.problems.append(replace(bad, file=f"{overlay.name}/{bad.file}"))
            if not bad.line:
                self.partial.add(PurePosixPath(bad.file).stem)
        self._lay_configs(overlay)
        given = {table.name: table for table in overlay.tables()}
        for name in sorted(given.keys() - set(BUILD_ORDER)):
            expected = f"a file named after a table: {', '.join(BUILD_ORDER)}"
            self._complain(given[name].file, 0, THE_FILE, expected, hint=near(name, BUILD_ORDER))
        for name in BUILD_ORDER:
            if name in given:
                self._lay_table(given[name])
        self._own_series_make_own_zones()

    def _add_source(self, overlay: Overlay) -> None:
        cells = {
            "id": OWN_SOURCE,
            "title": "Your own data",
            "publisher": overlay.name,
            "url": "not published",
            "published": "",
            "retrieved": "at the build of the catalog",
            "licence": "yours",
        }
        self.staged["sources"].rows.append(StagedRow(cells=cells, file=overlay.name, line=0))
        self.own.add(("sources", OWN_SOURCE, ""))

    def _lay_configs(self, overlay: Overlay) -> None:
        index, seen = self._index("llms"), set()
        for file, text in overlay.configs():
            name = f"{overlay.name}/{file}"
            try:
                row_id, shapes = llm_id(file, text), llm_cells(text)
            except ConfigError as error:
                self._complain(name, 0, error.about, error.expected, error.found)
                self.partial.add("llms")
                continue
            if row_id in seen:
                self._complain(name, 0, "id", "a model that no other file describes", row_id)
            seen.add(row_id)
            given = {"id": row_id, **shapes, "quality": "modelled", "note": CONFIG_NOTE}
            known = index.get((row_id,))
            if known is None:
                title = PurePosixPath(file.removesuffix("/config.json")).stem
                self._add("llms", given | {"name": title, "aliases": "[]"}, name, 0)
            elif not shapes.items() <= known.cells.items():
                self._correct("llms", known, given, name, 0)

    def _lay_table(self, table: CsvTable) -> None:
        self.problems += table.problems
        if table.problems:
            self.partial.add(table.name)
        if not self._header_is_known(table):
            self.partial.add(table.name)
            return
        absent = frozenset(schema()[table.name].names) - {*table.header, *PROVENANCE}
        index, seen = self._index(table.name), set()
        for line, row in zip(table.lines, table.rows, strict=True):
            if len(row) != len(table.header):
                expected = f"{len(table.header)} cells"
                self._complain(table.file, line, THE_LINE, expected, str(len(row)))
                self.partial.add(table.name)
                continue
            given = {n: cell.strip() for n, cell in zip(table.header, row, strict=True)}
            given = {name: cell for name, cell in given.items() if cell}
            key = _key(table.name, given)
            if key in seen:
                columns = ", ".join(schema()[table.name].key)
                self._complain(table.file, line, columns, "a key that no earlier row has", *key[:1])
            seen.add(key)
            self._lay_row(table.name, given, index, table.file, line, absent)

    def _header_is_known(self, table: CsvTable) -> bool:
        known, header = schema()[table.name].names, table.header
        unreadable = unseparated(table)
        if unreadable is not None:
            self.problems.append(unreadable)
            return False
        unknown = [name for name in header if name not in known]
        lacking = [name for name in schema()[table.name].key if name not in header]
        if unknown or len(set(header)) != len(header):
            expected = f"columns out of {', '.join(known)}, each once"
            hint = near(unknown[0], known) if unknown else ""
            found = ", ".join(unknown or header)
            self._complain(table.file, 1, THE_HEADER, expected, found, hint)
        if lacking:
            self.problems.append(missing_columns(table.file, lacking))
        return not lacking and len(set(header)) == len(header)

    def _lay_row(
        self,
        table: str,
        given: Cells,
        index: Mapping[Key, StagedRow],
        file: str,
        line: int,
        absent: frozenset[str],
    ) -> None:
        row = index.get(_key(table, given))
        if table in MEMBERS and not self._owns_parent(table, given):
            if row is None or not given.items() <= row.cells.items():
                expected = f"a mix of your own, with a new id in {MEMBERS[table]}.csv"
                self._complain(file, line, "mix_id", expected, given.get("mix_id", ""))
        elif row is None:
            self._add(table, given, file, line, absent)
        else:
            self._correct(table, row, given, file, line)

    def _owns_parent(self, table: str, given: Cells) -> bool:
        return (MEMBERS[table], given.get("mix_id", ""), "") in self.own

    def _add(
        self,
        table: str,
        given: Cells,
        file: str,
        line: int,
        absent: frozenset[str] = frozenset(),
    ) -> None:
        cells = {name: given.get(name, "") for name in schema()[table].names}
        if "source_id" in cells:
            cells |= _provenance({"quality": OWN_QUALITIES.get(table, OWN_QUALITY)} | given)
        self._refuse_markup(table, cells, file, line)
        row = StagedRow(cells=cells, file=file, line=line, absent=absent)
        self.staged[table].rows.append(row)
        if table != "cell_sources":
            self.own.add((table, given.get(schema()[table].key[0], ""), ""))

    def _correct(self, table: str, row: StagedRow, given: Cells, file: str, line: int) -> None:
        """Only what differs from ours is a correction, so a whole copied row does no harm."""
        news = {name: cell for name, cell in given.items() if cell != row.cells.get(name)}
        figures = {name: cell for name, cell in news.items() if name not in PROVENANCE}
        if not news:
            return
        self._refuse_markup(table, news, file, line)
        row.cells |= figures
        row.file, row.line = file, line
        row_id = given[schema()[table].key[0]]
        if "source_id" not in row.cells:
            self.own |= {(table, row_id, name) for name in figures}
        elif not figures:
            row.cells |= news
        elif table in FITTED:
            # A fit is one thing: what it rests on goes with its figures.
            row.cells |= news
            self.own |= {(table, row_id, name) for name in figures}
        else:
            self.own |= {(table, row_id, name) for name in figures}
            self._cite(table, row_id, figures, _provenance(news), file, line)

    def _cite(
        self, table: str, row_id: str, names: Iterable[str], why: Cells, file: str, line: int
    ) -> None:
        index = self._index("cell_sources")
        for name in names:
            place = {"table_name": table, "row_id": row_id, "column_name": name}
            known = index.get((table, row_id, name))
            row = StagedRow(cells=place | why, file=file, line=line)
            if known is None:
                self.staged["cell_sources"].rows.append(row)
            else:
                known.cells, known.file, known.line = row.cells, file, line

    def _own_series_make_own_zones(self) -> None:
        """A zone's source is that of its series, so a zone of ours with a series is the user's."""
        index = self._index("grid_zones")
        for table, zone_id, _ in sorted(self.own):
            zone = index.get((zone_id,))
            if table == "grid_series" and zone and ("grid_zones", zone_id, "") not in self.own:
                zone.cells |= _provenance({})
                self.own.add(("grid_zones", zone_id, ""))

    def _refuse_markup(self, table: str, cells: Cells, file: str, line: int) -> None:
        """Whoever opens a page with these rows sees text, whatever draws it."""
        texts = [column.name for column in schema()[table].columns if column.type == "VARCHAR"]
        for name in texts:
            if MARKUP.search(cells.get(name, "")):
                found = shortened(cells[name], MAX_NAME_CHARS)
                self._complain(file, line, name, "text without any of < [ ] ` $", found)

    def _index(self, table: str) -> dict[Key, StagedRow]:
        return {_key(table, row.cells): row for row in self.staged[table].rows}

    def _complain(
        self, file: str, line: int, column: str, expected: str, found: str = "", hint: str = ""
    ) -> None:
        self.problems.append(BadCell(file, line, column, expected, found, hint))


def near(unknown: str, known: tuple[str, ...]) -> str:
    """The known names that look most like an unknown one, for a message; empty where none does."""
    close = nearest(unknown, known)
    return f"nearest: {', '.join(close)}" if close else ""


def missing_columns(file: str, names: Sequence[str], hint: str = "") -> BadCell:
    """That a file lacks columns which its rows need."""
    listed = ", ".join(names)
    found = (
        f"the column {listed} is missing"
        if len(names) == 1
        else (f"the columns {listed} are missing")
    )
    return BadCell(file, 1, THE_HEADER, "", found, hint)


def _provenance(given: Cells) -> Cells:
    quality = given.get("quality", OWN_QUALITY)
    note = given.get("note", OWN_NOTE if quality == OWN_QUALITY else "")
    return {"source_id": given.get("source_id", OWN_SOURCE), "quality": quality, "note": note}


def _key(table: str, cells: Mapping[str, str]) -> Key:
    return tuple(cells.get(name, "") for name in schema()[table].key)


def _check_count(n_files: int) -> None:
    if n_files > MAX_FILES:
        raise OverlayError(f"{n_files} files; an overlay has at most {MAX_FILES}")


def _read(file: Path) -> bytes:
    with file.open("rb") as lines:
        return lines.read(MAX_FILE_BYTES + 1)


def _bad(file: str, content: bytes) -> Iterator[BadCell]:
    """What is wrong with a file before its cells are looked at; line 0: it cannot be read."""
    if not file.endswith((".csv", ".json")):
        yield BadCell(file, 0, THE_FILE, "a CSV or a JSON file")
    elif len(content) > MAX_FILE_BYTES:
        expected = f"at most {MAX_FILE_BYTES:,} bytes"
        yield BadCell(file, 0, THE_FILE, expected, hint="leave out rows that correct nothing")
    elif b"\0" in content:
        hint = "save it as 'CSV UTF-8'"
        yield BadCell(file, 0, THE_FILE, "", "this is no plain text", hint)
    else:
        try:
            plain(content)
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            found = "not UTF-8 text"
            yield BadCell(file, line, THE_FILE, "", found, "save it as 'CSV UTF-8'")


def _text(content: bytes) -> str:
    """The text; in another encoding than ours good enough to look for further problems."""
    try:
        return plain(content)
    except UnicodeDecodeError:
        return plain(content.decode("latin-1").encode())


def _ignored(folder: Path, read: Sequence[Path]) -> tuple[str, ...]:
    """Files that are no data; hidden ones and the text of the example files go without saying."""
    found = [f for f in (*folder.iterdir(), *folder.glob("*/*")) if f.is_file() and f not in read]
    names = sorted(f.relative_to(folder).as_posix() for f in found)
    return tuple(n for n in names if n != README and not n.startswith(".") and "/." not in n)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more
