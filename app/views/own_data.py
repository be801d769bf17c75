"""The visitor's own rows: take files in, say all that is wrong with them, give them back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from app import own_catalog, state
from app.templates import TEMPLATES, template_zip, zipped
from app.text import column_words, plain, problem_text, sentence, sentence_list
from app.views import answer as draw
from app.views import embodied_panel
from catalog_db.build import CatalogBuildError
from catalog_db.csvfiles import plain as text_of
from catalog_db.huggingface import ConfigError, own_name
from catalog_db.own_points import POINTS_FILE, is_points_file, with_own_points
from ecoserve.errors import EcoServeError, Problem, ScenarioError

UPLOAD = "own:upload"
REFUSED = "own:refused"
MODEL_NAME = "own:model:"
PRESET = "own:preset"
CONFIG_NAME = re.compile(r"config ?(\(\d+\))?\.json")
"""What browsers call the configs of several models."""
NAME_IT = "Not taken yet: the config.json does not say the name of its model; give it below."
IN_USE = "Not taken off: the scenario uses your rows. Choose something else there, or:"
NO_PRESET = "Not taken off: with the preset's values the scenario does not hold up. Correct it, or:"
MEASUREMENTS = "measured_points"
TALL_PX = 720
MAX_FILE_MB = 5
MAX_LISTED = 20

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why files were not taken, or not taken off: a sentence, and one row per problem."""

    heading: str
    rows: tuple[Row, ...] = ()
    is_taking_off: bool = False


def show() -> None:
    """Files in, problems, rows taken, files out."""
    st.markdown("## Your own data")
    st.caption(
        "Add or correct rows for this browser tab: servers, accelerators, LLMs, prices, regions, "
        "measurements or any other table. Nobody else sees them. Measurements appear on the "
        "Evidence page and correct predictions inside what they cover; ecoserve calibrate fits "
        "parameters to them."
    )
    files, examples = st.columns([3, 2], gap="large")
    with files:
        _upload()
        _problems()
    with examples:
        _templates()
    if state.session().own is not None:
        _taken()


def _upload() -> None:
    st.file_uploader(
        "CSV files named after a table (servers.csv); or, under any name, measurements with the "
        "columns of ecoserve validate, or a Hugging Face config.json per LLM",
        type=["csv", "json"],
        accept_multiple_files=True,
        max_upload_size=MAX_FILE_MB,
        key=UPLOAD,
        on_change=_take,
    )
    for key in _nameless(st.session_state.get(UPLOAD) or ()):
        st.text_input(
            "Name of the model in config.json",
            key=key,
            placeholder="my-llm",
            max_chars=60,
            on_change=_take,
        )


def _take() -> None:
    """Reads what was uploaded; where anything is wrong, nothing changes."""
    given = st.session_state[UPLOAD]
    st.session_state.pop(REFUSED, None)
    if not given:
        return
    names = {file.file_id: _file_name(file) for file in given}
    if not all(names.values()):
        st.session_state[REFUSED] = Refusal(NAME_IT)
        return
    try:
        own_catalog.lay_over(_with_points({names[file.file_id]: file.getvalue() for file in given}))
    except EcoServeError as error:
        st.session_state[REFUSED] = _refusal(error)
    else:
        _show_own_product()


def _with_points(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files, with those of measurements as rows of one table beside the ones taken before.

    Raises :class:`CatalogBuildError` with everything that is wrong with the measurements.
    """
    points = {name: text for name, text in _texts(files) if is_points_file(text)}
    if not points:
        return files
    tables = {name: content for name, content in files.items() if name not in points}
    kept = dict(_texts({**own_catalog.own_files(), **tables})).get(POINTS_FILE, "")
    text = with_own_points(kept, points, state.catalog().point_conventions)
    return {**tables, POINTS_FILE: text.encode()}


def _texts(files: dict[str, bytes]) -> Iterator[tuple[str, str]]:
    """The CSV files that are text; what is wrong with others is said when they are laid over."""
    for name, content in files.items():
        if name.endswith(".csv"):
            try:
                yield name, text_of(content)
            except UnicodeDecodeError:
                continue


def _file_name(file: Any) -> str:
    """The name to keep a file under: that of its model where it is a ``config.json``.

    Empty where nobody said it yet.
    """
    if not CONFIG_NAME.fullmatch(file.name):
        return str(file.name)
    said = st.session_state.get(MODEL_NAME + file.file_id, "")
    name = str(said or _name_inside(file)).strip().replace("/", "-")
    return f"{name}.json" if re.search(r"[A-Za-z0-9]", name) else ""


def _name_inside(file: Any) -> str:
    """The model's name as its ``config.json`` says it; one that cannot be read is named below."""
    try:
        return own_name(file.getvalue().decode())
    except (UnicodeDecodeError, ConfigError):
        return "config"


def _nameless(given: Iterable[Any]) -> list[str]:
    """Keys of the text inputs for configs that do not say the name of their model."""
    configs = [file for file in given if CONFIG_NAME.fullmatch(file.name)]
    return [MODEL_NAME + file.file_id for file in configs if not _name_inside(file)]


def _show_own_product() -> None:
    """Opens the breakdown of what was just added; forgets one that is there no more."""
    own = state.catalog().overlay_rows
    found = sorted(row_id for table, row_id in own if table == "servers")
    found += sorted(row_id for table, row_id in own if table == "accelerators")
    st.session_state.pop(embodied_panel.PRODUCT, None)
    if found:
        st.session_state[embodied_panel.PRODUCT] = found[0]


def _refusal(error: EcoServeError) -> Refusal:
    """One row per problem, with what is not in the file's words kept from markdown."""
    rows: tuple[Row, ...]
    if isinstance(error, CatalogBuildError):
        rows = tuple(
            {
                "File": plain(problem.file.partition("/")[2] or problem.file),
                "Line": str(problem.line or ""),
                "Where": plain(problem.column),
                "Problem": plain(problem.message),
            }
            for problem in error.problems
        )
    else:
        rows = tuple({"Problem": plain(text)} for text in _sentences(error))
    count = "1 problem" if len(rows) == 1 else f"{len(rows):,} problems"
    heading = f"Not taken: {count}. Nothing has changed; correct the file and upload it again."
    return Refusal(heading, rows)


def _sentences(error: EcoServeError) -> list[str]:
    if isinstance(error, ScenarioError):
        names = [workload.name for workload in state.scenario().workloads]
        return [problem_text(p, names) for p in error.problems]
    return [sentence(str(error))]


def _problems() -> None:
    refused: Refusal | None = st.session_state.get(REFUSED)
    if refused is None:
        return
    st.error(refused.heading)
    if refused.rows:
        tall = len(refused.rows) > MAX_LISTED
        with st.container(height=TALL_PX if tall else "content", border=False):
            st.table(list(refused.rows), hide_index=True, alt="What is wrong.")
    if refused.is_taking_off:
        _take_off_with_preset()


def _templates() -> None:
    st.markdown("Files to begin with, each with a valid example row and what its columns mean:")
    path = state.catalog_path()
    with st.container(horizontal=True):
        for template in TEMPLATES:
            st.download_button(
                template.title,
                partial(template_zip, template, path),
                file_name=f"ecoserve-{template.id}.zip",
                mime="application/zip",
                on_click="ignore",
                key=f"own:template:{template.id}",
            )


def _taken() -> None:
    st.markdown(f"**{plain(_summary())}**")
    draw.show_table(own_rows(), "The files have no row that the catalog does not have already.")
    waiting = not_yet_allowed()
    if waiting:
        st.warning(
            f"{plain(sentence_list(waiting))}: tick it under Allowed accelerators, or no plan will "
            "use it."
        )
    st.caption(
        "Share links carry the version of the catalog but not these rows: whoever opens one needs "
        "the same files. In the terminal, unpack the download and add --overlay FOLDER."
    )
    with st.container(horizontal=True):
        st.download_button(
            "Download my files",
            zipped({name: content.decode() for name, content in own_catalog.own_files().items()}),
            file_name="ecoserve-own-data.zip",
            mime="application/zip",
            on_click="ignore",
        )
        st.button("Take my rows off", on_click=_take_off)


def _summary() -> str:
    catalog = state.catalog()
    files = ", ".join(own_catalog.own_files())
    return f"In use here: {files}; catalog version {catalog.version}."


def _take_off() -> None:
    try:
        own_catalog.take_off()
    except ScenarioError:
        st.session_state[REFUSED] = Refusal(IN_USE, is_taking_off=True)
    else:
        st.session_state.pop(REFUSED, None)
        _show_own_product()


def _take_off_with_preset() -> None:
    """What the scenario uses of the visitor's rows, and a button that puts a preset's there."""
    presets = sorted(state.presets())
    start = presets.index(state.DEFAULT_PRESET)
    preset = st.selectbox("Preset to take values from", presets, index=start, key=PRESET)
    choices = own_catalog.own_choices(preset)
    names = [workload.name for workload in state.scenario().workloads]
    rows = [
        {
            "Choice": plain(problem_text(Problem(c.path, ""), names).rstrip(": .")),
            "Now": plain(_in_words(c.chosen)),
            "In the preset": plain(_in_words(c.instead)),
        }
        for c in choices
    ]
    if rows:
        st.table(rows, hide_index=True, alt="Choices that use your rows.")
    st.button(
        "Use the preset's values and take my rows off",
        on_click=_replace_and_take_off,
        args=({c.path: c.instead for c in choices},),
    )


def _replace_and_take_off(replacing: dict[str, Any]) -> None:
    try:
        own_catalog.take_off(replacing)
    except ScenarioError as error:
        refusal = _refusal(error)
        st.session_state[REFUSED] = Refusal(NO_PRESET, refusal.rows, is_taking_off=True)
    else:
        st.session_state.pop(REFUSED, None)
        _show_own_product()


def _in_words(value: Any) -> str:
    """A value of the scenario: ids, a list of them, or limits by server."""
    if value is None:
        return "any"
    if isinstance(value, list):
        return ", ".join(_in_words(entry) for entry in value) or "none"
    return str(value["server"] if isinstance(value, dict) else value)


def not_yet_allowed() -> list[str]:
    """The visitor's accelerators that the scenario's list of allowed ones leaves out."""
    catalog, allowed = state.catalog(), state.scenario().hardware.accelerators
    own = [row for row in catalog.accelerators.values() if _is_own(row.id)]
    return [row.name for row in own if allowed is not None and row.id not in allowed]


def _is_own(accelerator_id: str) -> bool:
    return ("accelerators", accelerator_id) in state.catalog().overlay_rows


def own_rows() -> list[Row]:
    """Table, id and name of the rows that are, or have figures of, the visitor's."""
    catalog = state.catalog()
    rows = []
    for table, row_id in sorted(catalog.overlay_rows):
        if table == MEASUREMENTS:
            continue
        known = getattr(catalog, table, {})
        name = getattr(known.get(row_id), "name", "") if hasattr(known, "get") else ""
        if table != "sources":
            rows.append({"Table": column_words(table), "Row": name or row_id, "Id": row_id})
    n_points = sum(table == MEASUREMENTS for table, _ in catalog.overlay_rows)
    if n_points:
        many = "1 measurement" if n_points == 1 else f"{n_points:,} measurements"
        rows.append({"Table": column_words(MEASUREMENTS), "Row": many, "Id": "see Evidence"})
    return rows
