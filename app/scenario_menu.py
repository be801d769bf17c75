"""What stands in the head of every page: undo, the scenario's menu, the share link."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app import address, own_catalog, state
from app.presets import SourceError, scenario_of_file
from app.scenario_words import step_words
from app.text import plain
from catalog_db.library import MAX_FOUND, MAX_SEARCH_CHARS, Entry, LibraryError
from ecoserve.errors import ScenarioError
from ecoserve.scenario import Scenario, canonical_json

MAX_IDS = 12
MAX_FILE_MB = 1
FOUND = "library:found"
MENU = "menu"


def undo_buttons() -> None:
    """One step back or forward; the tooltips say which."""
    history = state.session().history
    for label, there, step in (
        ("Undo", history.before, state.undo),
        ("Redo", history.after, state.redo),
    ):
        words = f"Nothing to {label.lower()}."
        if there is not None:
            changes = (there, history.current) if label == "Undo" else (history.current, there)
            words = plain(f"{label}: {step_words(*changes, state.catalog())}")
        st.button(
            label,
            key=f"head:{_page()}:{label}",
            on_click=step,
            disabled=there is None,
            type="tertiary",
            help=words,
        )


def show() -> None:
    """Presets, the library, and files; the name stands above."""
    _presets()
    st.markdown("**Library of this server**")
    _save()
    search(_open_saved, "Open")
    st.markdown("**File**")
    _files()


def _presets() -> None:
    chosen = st.selectbox("Preset", sorted(state.presets()), key=f"menu:{_page()}:preset")
    st.button("Load preset", on_click=_load_preset, args=(chosen,), width="stretch")


def _load_preset(name: str) -> None:
    state.replace(state.presets()[name])
    _close()


def _open_saved(fingerprint: str) -> None:
    state.open_saved(fingerprint)
    _close()


def _close() -> None:
    """The menu is drawn anew, and so closed: whoever opens a scenario wants to see its plan."""
    revisions = state.session().revisions
    revisions[MENU] = revisions.get(MENU, 0) + 1


def key() -> str:
    """Of the menu; another one is drawn closed."""
    return f"menu:{_page()}:{state.session().revisions.get(MENU, 0)}"


def _save() -> None:
    if state.scenario().fingerprint() in state.session().saved:
        st.caption(plain(f"Saved as {state.scenario().name}."))
        return
    st.button(
        "Save to the library",
        on_click=state.save,
        width="stretch",
        help="Under its name, for everybody who uses this server. Nothing saved is ever changed "
        "or deleted: another name or figure makes another scenario.",
    )


def search(take: Callable[[str], None], verb: str, place: str = "menu") -> None:
    """Finds saved scenarios by name; ``take`` gets the fingerprint of the one that is chosen."""
    key = f"{place}:{_page()}:search"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Search by name",
            key=key,
            max_chars=MAX_SEARCH_CHARS,
            on_change=_search,
            args=(key,),
            placeholder="all",
        )
        st.button("Search", key=f"{key}:go", on_click=_search, args=(key,))
    found: tuple[Entry, ...] | None = st.session_state.get(FOUND)
    if found is None:
        return
    if not found:
        st.caption("The library has no scenario of that name.")
        return
    if len(found) == MAX_FOUND:
        st.caption(f"The latest {MAX_FOUND}; more words find fewer.")
    chosen = st.selectbox("Saved scenario", found, format_func=entry_words, key=f"{key}:found")
    st.button(verb, key=f"{key}:take", on_click=take, args=(chosen.fingerprint,), width="stretch")


def entry_words(entry: Entry) -> str:
    """A saved scenario in a list: its name, when, and its fingerprint."""
    return f"{entry.name}, {entry.saved_at:%Y-%m-%d %H:%M} UTC, {entry.fingerprint}"


def _search(key: str) -> None:
    st.session_state.pop(FOUND, None)
    try:
        st.session_state[FOUND] = state.library().find(st.session_state[key])
    except LibraryError as error:
        state.complain(str(error))


def _files() -> None:
    scenario = state.scenario()
    st.download_button(
        "Download as JSON",
        canonical_json(scenario),
        file_name=f"ecoserve-{scenario.fingerprint()}.json",
        mime="application/json",
        on_click="ignore",
        width="stretch",
    )
    upload(state.replace, "menu")


def upload(take: Callable[[Scenario], None], place: str) -> None:
    """Where a scenario's JSON file is handed in; ``take`` gets the scenario."""
    name = f"{place}:upload"
    key = f"{place}:{_page()}:upload:{state.session().revisions.get(name, 0)}"
    st.file_uploader(
        "Upload JSON",
        type="json",
        max_upload_size=MAX_FILE_MB,
        key=key,
        on_change=_take_file,
        args=(key, name, take),
    )


def _take_file(key: str, name: str, take: Callable[[Scenario], None]) -> None:
    """Reads the file; the uploader is drawn anew, ready for the next one."""
    file = st.session_state[key]
    if file is None:
        return
    revisions = state.session().revisions
    revisions[name] = revisions.get(name, 0) + 1
    try:
        scenario = scenario_of_file(file.getvalue(), "the file", state.catalog())
    except ScenarioError as error:
        state.refuse(error.problems)
    except SourceError as error:
        state.complain(str(error))
    else:
        take(scenario)


def link_panel() -> None:
    """The addresses that open this scenario elsewhere, or what to do where there is none."""
    url, short = state.share_url(), address.id_url()
    if url is None:
        st.warning(
            "This scenario is too large for a link. Save it to the library of this server, which "
            "gives it a short one, or download it as JSON: both are under Scenario."
        )
        return
    if state.session().own is None:
        st.caption(
            "Opens this scenario, and so the same plan, in any browser that reaches this page."
        )
    else:
        st.warning(plain(_needed_rows()))
    st.code(url, language=None, wrap_lines=True)
    if short is not None and short != url:
        st.caption("Shorter, for as long as this server keeps its library:")
        st.code(short, language=None, wrap_lines=True)


def _needed_rows() -> str:
    """That a link does not carry the visitor's rows, and which they are."""
    ids = own_catalog.own_ids()
    more = f" and {len(ids) - MAX_IDS} more" if len(ids) > MAX_IDS else ""
    named = f" ({', '.join(ids[:MAX_IDS])}{more})" if ids else ""
    return (
        f"The link does not carry your own rows{named}: whoever opens it needs your files too, from"
        " Download my files on the Hardware page, and loads them there."
    )


def _page() -> str:
    """Streamlit forgets a page's widgets when one leaves it, so each page has its own."""
    return state.session().page or "plan"
