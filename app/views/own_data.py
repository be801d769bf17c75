"""The visitor's own rows: take files in, say all that is wrong with them, give them back."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from app import state
from app.templates import TEMPLATES, template_zip, zipped
from app.text import column_words, plain, sentence, sentence_list
from app.views import answer as draw
from app.views import embodied_panel
from catalog_db.build import CatalogBuildError
from ecoserve.errors import EcoServeError, ScenarioError

UPLOAD = "own:upload"
REFUSED = "own:refused"
MAX_FILE_MB = 5
MAX_LISTED = 12

Row = dict[str, Any]


def show() -> None:
    """Files in, problems, rows taken, files out."""
    st.markdown("##### Your own data")
    st.caption(
        "Add or correct rows for this browser tab: servers, accelerators, LLMs, prices, regions "
        "or any other table. Nobody else sees them."
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
        "CSV files named after a table (servers.csv), or a Hugging Face config.json per LLM, "
        "renamed to the model (my_llm.json)",
        type=["csv", "json"],
        accept_multiple_files=True,
        max_upload_size=MAX_FILE_MB,
        key=UPLOAD,
        on_change=_take,
    )


def _take() -> None:
    """Reads what was uploaded; where anything is wrong, nothing changes."""
    given = st.session_state[UPLOAD]
    st.session_state.pop(REFUSED, None)
    if not given:
        return
    try:
        state.lay_over({file.name: file.getvalue() for file in given})
    except EcoServeError as error:
        st.session_state[REFUSED] = _refusal(error)
    else:
        _show_own_product()


def _show_own_product() -> None:
    """Opens the breakdown of what was just added; forgets one that is there no more."""
    own = state.catalog().overlay_rows
    found = sorted(row_id for table, row_id in own if table == "servers")
    found += sorted(row_id for table, row_id in own if table == "accelerators")
    st.session_state.pop(embodied_panel.PRODUCT, None)
    if found:
        st.session_state[embodied_panel.PRODUCT] = found[0]


def _refusal(error: EcoServeError) -> list[Row]:
    """One row per problem."""
    if isinstance(error, CatalogBuildError):
        return [
            {
                "File": problem.file.rpartition("/")[2],
                "Line": problem.line or None,
                "Column": problem.column,
                "Expected": problem.expected,
                "Found": problem.found,
            }
            for problem in error.problems
        ]
    if isinstance(error, ScenarioError):
        names = [workload.name for workload in state.scenario().workloads]
        return [{"Problem": state.problem_text(p, names)} for p in error.problems]
    return [{"Problem": sentence(str(error))}]


def _problems() -> None:
    refused: list[Row] = st.session_state.get(REFUSED, [])
    if not refused:
        return
    count = "1 problem" if len(refused) == 1 else f"{len(refused):,} problems"
    st.error(f"Not taken: {count}. Nothing has changed; correct the file and upload it again.")
    st.dataframe(
        refused,
        hide_index=True,
        height="content" if len(refused) <= MAX_LISTED else draw.TALL_TABLE_PX,
        key="own:problems",
        alt="What is wrong with the files.",
    )


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
            zipped({name: content.decode() for name, content in state.own_files().items()}),
            file_name="ecoserve-own-data.zip",
            mime="application/zip",
            on_click="ignore",
        )
        st.button("Take my rows off", on_click=_take_off)


def _summary() -> str:
    catalog = state.catalog()
    files = ", ".join(state.own_files())
    return f"In use here: {files}; catalog version {catalog.version}."


def _take_off() -> None:
    try:
        state.take_off()
    except ScenarioError as error:
        st.session_state[REFUSED] = _refusal(error)
    else:
        st.session_state.pop(REFUSED, None)
        _show_own_product()


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
        known = getattr(catalog, table, {})
        name = getattr(known.get(row_id), "name", "") if hasattr(known, "get") else ""
        if table != "sources":
            rows.append({"Table": column_words(table), "Row": name or row_id, "Id": row_id})
    return rows
