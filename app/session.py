"""What one browser tab holds between runs, and the catalog it works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

import streamlit as st

from app.answers import Answer
from app.history import History
from app.presets import load_presets
from app.records import named_overlay
from app.versus import DEFAULT_BASELINE, baseline_choices
from catalog_db.library import Library, default_library_path
from catalog_db.overlay import Overlay
from catalog_db.reader import ensure_catalog, load_catalog
from ecoserve.catalog import Catalog
from ecoserve.scenario import Scenario

DEFAULT_PRESET = "azure-chat-and-code"
MAX_CATALOGS = 8
"""Catalogs kept in memory: the server's, and those with rows of their visitors."""

_KEY = "ecoserve"


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the top of the page."""

    level: Literal["error", "warning"]
    text: str
    refused: bool = False
    """Whether this is about an edit that was refused, made on the page now shown."""


@dataclass(frozen=True, slots=True)
class OwnData:
    """The visitor's own rows, and the catalog that has them."""

    overlay: Overlay
    path: Path


@dataclass(slots=True)
class Session:
    """What one browser tab holds between runs."""

    history: History
    unopened: Mapping[str, str] = field(default_factory=dict)
    """The address of a scenario that needs rows which are not there; opened once they are."""
    own: OwnData | None = None
    """Rows of this tab alone; nobody else sees them and no link carries them."""
    saved: set[str] = field(default_factory=set)
    """Fingerprints of scenarios that this tab knows to be in the library."""
    beside: tuple[Scenario, ...] = ()
    """What the page Compare shows beside the scenario."""
    baseline: str = DEFAULT_BASELINE
    page: str = ""
    notices: tuple[Notice, ...] = ()
    rejected: str = ""
    """The widget whose last entry was refused; it keeps showing that entry."""
    revisions: dict[str, int] = field(default_factory=dict)
    """How often each widget was drawn anew because the scenario changed under it."""
    answer: Answer | None = None
    previous: Answer | None = None
    finished: dict[tuple[str, str], Answer] = field(default_factory=dict)
    """The best answers of this tab, so that going back and forth solves nothing twice."""
    asked: set[tuple[str, str]] = field(default_factory=set)
    """What was asked for that is only planned on demand, by its name and the scenario."""
    trends: dict[str, float] = field(default_factory=dict)
    """What the visitor assumes of the years to come, by field; the catalog has the rest."""
    choices: tuple[Scenario, str, dict[str, str]] | None = None
    """Baselines offered, for which scenario and catalog: a page asks for them often."""

    @property
    def scenario(self) -> Scenario:
        """The current scenario, always valid."""
        return self.history.current


def has_session() -> bool:
    """Whether this tab has begun."""
    return _KEY in st.session_state


def session() -> Session:
    """This tab's session."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = new_session()
    held: Session = st.session_state[_KEY]
    return held


def new_session() -> Session:
    """A session at its beginning, with the default preset."""
    return Session(history=History((presets()[DEFAULT_PRESET],)))


def begin(new: Session) -> None:
    """Makes ``new`` this tab's session."""
    st.session_state[_KEY] = new


def scenario() -> Scenario:
    """The current scenario, always valid."""
    return session().scenario


@cache
def presets() -> dict[str, Scenario]:
    """The scenarios that travel with the planner, by name."""
    return load_presets()


def baselines() -> dict[str, str]:
    """What the plan can be set against, in words, by the key it has in the address."""
    held, rows, now = session(), catalog(), scenario()
    if held.choices is None or held.choices[:2] != (now, rows.version):
        held.choices = now, rows.version, baseline_choices(now, rows)
    return held.choices[2]


def baseline() -> str:
    """The key of the baseline chosen, or of the first where the scenario does not have that one."""
    chosen = session().baseline
    return chosen if chosen in baselines() else DEFAULT_BASELINE


def library() -> Library:
    """The saved scenarios of everybody who uses this server."""
    return Library(default_library_path())


# ---- the catalog of this tab


def catalog() -> Catalog:
    """The catalog of this tab: the server's, with the visitor's own rows where there are any."""
    return read_catalog(catalog_path())


def catalog_path() -> Path:
    """The database behind :func:`catalog`, for questions to its tables."""
    own = session().own if has_session() else None
    if own is None:
        return shared_catalog()
    return own.path if own.path.exists() else laid_over(own.overlay)


@cache
def shared_catalog() -> Path:
    """The database that all visitors share."""
    return ensure_catalog(overlay=named_overlay())


def laid_over(overlay: Overlay) -> Path:
    """The database with a visitor's rows over those of the server."""
    return ensure_catalog(overlay=overlay.over(named_overlay()))


@lru_cache(MAX_CATALOGS)
def read_catalog(path: Path) -> Catalog:
    """Read once per server; the file of a catalog with a visitor's rows is named by its content.

    A page asks for it dozens of times, so finding it must cost nothing.
    """
    return load_catalog(path)
