"""The one module for what a session holds: the scenario, the last good answer, and notices.

The scenario is frozen. Every edit makes a new one through :func:`read_scenario`; an edit that does
not hold up becomes a notice, and the last good scenario stays. The page's address always carries
the whole scenario in ``?s=``.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import streamlit as st

from app.presets import load_presets
from app.records import named_overlay
from app.text import in_words, sentence
from app.versus import DEFAULT_BASELINE, baseline_choices
from catalog_db.overlay import Overlay
from catalog_db.reader import ensure_catalog, load_catalog
from ecoserve import __version__ as engine_version_now
from ecoserve.catalog import Catalog
from ecoserve.errors import LinkError, Problem, ScenarioError
from ecoserve.link import DecodedLink, decode_link, encode_link
from ecoserve.plan import Plan
from ecoserve.scenario import Scenario, check_scenario, read_scenario

DEFAULT_PRESET = "azure-chat-and-code"
NOTHING: Mapping[str, Any] = MappingProxyType({})
WAITING = (
    "The link could not be opened: it was made with another catalog. {reasons} These may be rows of"
    " somebody's own files: load them on the Hardware page and this link opens. Until then the"
    " default scenario is shown; changing it gives the link up."
)
MAX_FINISHED = 50
MAX_CATALOGS = 8
"""Catalogs kept in memory: the server's, and those with rows of their visitors."""

_KEY = "ecoserve"
_LINK = "s"
_VERSUS = "vs"


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the top of the page."""

    level: Literal["error", "warning"]
    text: str
    refused: bool = False
    """Whether this is about an edit that was refused, made on the page now shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A plan beside the one baseline it is compared with."""

    scenario: Scenario
    baseline: str
    plan: Plan
    other: Plan | None
    """None where the baseline cannot serve this traffic, for ``reason``."""
    other_name: str
    reason: str = ""

    @property
    def saving(self) -> float | None:
        """Carbon saved as a ratio of the baseline's; negative when the plan emits more."""
        if self.other is None or not self.other.kgco2e_per_year:
            return None
        return 1 - self.plan.kgco2e_per_year / self.other.kgco2e_per_year


@dataclass(frozen=True, slots=True)
class OwnData:
    """The visitor's own rows, and the catalog that has them."""

    overlay: Overlay
    path: Path


@dataclass(slots=True)
class Session:
    """What one browser tab holds between runs."""

    scenario: Scenario
    unopened: str = ""
    """The link of the address that needs rows which are not there; opened once they are."""
    own: OwnData | None = None
    """Rows of this tab alone; nobody else sees them and no link carries them."""
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
    token: tuple[Scenario, str, str | None] | None = None
    """The link of the scenario, by the version of the catalog; likewise."""


def catalog() -> Catalog:
    """The catalog of this tab: the server's, with the visitor's own rows where there are any."""
    return _read_catalog(catalog_path())


def catalog_path() -> Path:
    """The database behind :func:`catalog`, for questions to its tables."""
    held: Session | None = st.session_state.get(_KEY)
    own = held.own if held else None
    if own is None:
        return _shared_catalog()
    return own.path if own.path.exists() else _laid_over(own.overlay)


@st.cache_resource(show_spinner=False)
def _shared_catalog() -> Path:
    return ensure_catalog(overlay=named_overlay())


def _laid_over(overlay: Overlay) -> Path:
    return ensure_catalog(overlay=overlay.over(named_overlay()))


@st.cache_resource(show_spinner="Reading the catalog", max_entries=MAX_CATALOGS)
def _read_catalog(path: Path) -> Catalog:
    """Read once per server; the file of a catalog with a visitor's rows is named by its content."""
    return load_catalog(path)


def own_files() -> dict[str, bytes]:
    """The visitor's own files by name."""
    own = session().own
    return {name: text.encode() for name, text in own.overlay.files} if own else {}


def lay_over(files: Mapping[str, bytes]) -> None:
    """Adds files to the visitor's own; a file of the same name takes the place of the old one.

    A link that waited for these rows is opened. Raises :class:`CatalogError` with everything that
    is wrong with the files, or :class:`ScenarioError` where the scenario would not hold up; then
    nothing has changed.
    """
    overlay = Overlay.from_files({**own_files(), **files})
    path = _laid_over(overlay)
    rows = _read_catalog(path)
    waiting = _opened_with(rows)
    if waiting is None:
        check_scenario(scenario(), rows)
    _change_catalog(OwnData(overlay, path))
    if waiting is not None:
        replace(waiting.scenario)
        session().notices = _version_notices(waiting)


def _opened_with(rows: Catalog) -> DecodedLink | None:
    """The link that waits for rows, where ``rows`` has them all."""
    if not session().unopened:
        return None
    try:
        link = decode_link(session().unopened, presets())
        check_scenario(link.scenario, rows)
    except (LinkError, ScenarioError):
        return None
    return link


def take_off(replacing: Mapping[str, Any] = NOTHING) -> None:
    """Goes back to the server's catalog, with other values at the given paths of the scenario.

    Raises :class:`ScenarioError` where the scenario needs the visitor's rows; then nothing has
    changed.
    """
    without = changed(scenario(), replacing)
    check_scenario(without, _read_catalog(_shared_catalog()))
    _change_catalog(None)
    if replacing:
        replace(without)


@dataclass(frozen=True, slots=True)
class OwnChoice:
    """A choice of the scenario that is a row of the visitor's, and what a preset has there."""

    path: str
    chosen: Any
    instead: Any


def own_choices(preset: str) -> tuple[OwnChoice, ...]:
    """What the scenario would have to change to do without the visitor's rows."""
    try:
        check_scenario(scenario(), _read_catalog(_shared_catalog()))
    except ScenarioError as error:
        paths = dict.fromkeys(_whole_choice(problem.field) for problem in error.problems)
    else:
        return ()
    now = scenario().model_dump(mode="json")
    then = presets()[preset].model_dump(mode="json")
    return tuple(OwnChoice(p, _value(now, p), _value(then, p)) for p in paths)


def _whole_choice(path: str) -> str:
    """Lists of hardware are chosen as a whole: ``hardware.limits.0.server`` is one of the limits.

    >>> _whole_choice("hardware.limits.0.server"), _whole_choice("workloads.1.llm")
    ('hardware.limits', 'workloads.1.llm')
    """
    steps = path.split(".")
    return ".".join(steps[:2]) if steps[0] == "hardware" else path


def _value(data: Any, path: str) -> Any:
    """The value at a dotted path; past the end of a list that of its last entry."""
    for step in path.split("."):
        data = data[min(int(step), len(data) - 1)] if isinstance(data, list) else data[step]
    return data


def own_ids() -> list[str]:
    """Ids of the rows that are, or have figures of, this visitor's and that no link carries."""
    if session().own is None:
        return []
    shared = _read_catalog(_shared_catalog()).overlay_rows
    return sorted({i for table, i in catalog().overlay_rows - shared if table != "sources"})


def _change_catalog(own: OwnData | None) -> None:
    """Answers of another catalog are not answers of this one."""
    held = session()
    held.own, held.answer, held.previous = own, None, None
    held.finished.clear()
    write_address()


def readable(text: str) -> str:
    """A remark of the catalog or the engine with names in place of ids."""
    rows = catalog()
    names = {source.id: source.title for source in rows.sources.values()}
    names |= {row.id: row.name for row in rows.accelerators.values()}
    return in_words(text, {row_id: name for row_id, name in names.items() if "_" in row_id})


@st.cache_resource(show_spinner=False)
def presets() -> dict[str, Scenario]:
    """The scenarios that travel with the planner, by name."""
    return load_presets()


def start(page: str) -> None:
    """Begins a session from the address, once, and keeps the address whole after that.

    What was refused on one page is still told on the next, until the next good edit.
    """
    if _KEY not in st.session_state:
        st.session_state[_KEY] = _open_session()
    held = session()
    if held.page != page:
        held.rejected = ""
        held.notices = tuple(_from_another_page(notice) for notice in held.notices)
    held.page = page
    write_address()


def _from_another_page(notice: Notice) -> Notice:
    if not notice.refused:
        return notice
    reason = notice.text.rstrip(".")
    text = f"Your last change was refused: {reason}; the plan is for the last good scenario."
    return Notice("warning", text)


def session() -> Session:
    """This tab's session."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = Session(scenario=presets()[DEFAULT_PRESET])
    held: Session = st.session_state[_KEY]
    return held


def scenario() -> Scenario:
    """The current scenario, always valid."""
    return session().scenario


def _open_session() -> Session:
    opened = Session(scenario=presets()[DEFAULT_PRESET])
    versus = st.query_params.get(_VERSUS, DEFAULT_BASELINE)
    opened.baseline = versus
    token = st.query_params.get(_LINK)
    if not token:
        return opened
    try:
        link = decode_link(token, presets())
        check_scenario(link.scenario, catalog())
    except LinkError as error:
        opened.notices = (_broken_link(str(error)),)
        return opened
    except ScenarioError as error:
        return _without_link(opened, token, link, error)
    opened.scenario = link.scenario
    opened.notices = _version_notices(link)
    return opened


def _without_link(opened: Session, token: str, link: DecodedLink, error: ScenarioError) -> Session:
    """The session that shows the default, and keeps a link of another catalog for later."""
    if link.catalog_version == catalog().version:
        opened.notices = tuple(_broken_link(str(problem)) for problem in error.problems)
        return opened
    names = [workload.name for workload in link.scenario.workloads]
    reasons = " ".join(problem_text(problem, names) for problem in error.problems)
    opened.unopened = token
    opened.notices = (Notice("error", WAITING.format(reasons=reasons)),)
    return opened


def _broken_link(reason: str) -> Notice:
    text = f"The link could not be opened: {reason.rstrip('.')}. The default scenario is shown."
    return Notice("error", text)


def _version_notices(link: DecodedLink) -> tuple[Notice, ...]:
    changed = [
        f"{what} {then} (now {now})"
        for what, then, now in (
            ("engine", link.engine_version, engine_version_now),
            ("catalog", link.catalog_version, catalog().version),
        )
        if then != now
    ]
    notices = []
    if changed:
        text = f"This link was made with {' and '.join(changed)}; it was planned anew."
        notices.append(Notice("warning", text))
    if not link.is_exact:
        text = "The preset behind this link has changed since; the scenario is not quite the same."
        notices.append(Notice("warning", text))
    return tuple(notices)


def edit(changes: Mapping[str, Any], widget: str = "") -> None:
    """Applies ``changes``, given by dotted path, to the scenario; or says what is wrong."""
    try:
        edited = changed(scenario(), changes)
        check_scenario(edited, catalog())
    except ScenarioError as error:
        refuse(error.problems, widget)
        return
    replace(edited)


def changed(original: Scenario, changes: Mapping[str, Any]) -> Scenario:
    """A validated copy of a scenario with other values at the given dotted paths."""
    data = original.model_dump(mode="json")
    for path, value in changes.items():
        set_value(data, path, value)
    return read_scenario(data)


def refuse(problems: tuple[Problem, ...], widget: str = "") -> None:
    """Keeps the last good scenario and says what is wrong with the entry."""
    names = [workload.name for workload in scenario().workloads]
    session().notices = tuple(
        Notice("error", problem_text(p, names), refused=True) for p in problems
    )
    session().rejected = widget


def replace(new: Scenario) -> None:
    """Makes ``new`` the current scenario; clears notices and writes the address."""
    held = session()
    held.scenario, held.notices, held.rejected, held.unopened = new, (), "", ""
    write_address()


def baselines() -> dict[str, str]:
    """What the plan can be set against, in words, by the key it has in the address."""
    held, rows = session(), catalog()
    if held.choices is None or held.choices[:2] != (held.scenario, rows.version):
        held.choices = held.scenario, rows.version, baseline_choices(held.scenario, rows)
    return held.choices[2]


def baseline() -> str:
    """The key of the baseline chosen, or of the first where the scenario does not have that one."""
    chosen = session().baseline
    return chosen if chosen in baselines() else DEFAULT_BASELINE


def choose_baseline(name: str) -> None:
    """Sets the baseline the plan is compared with."""
    session().baseline = name
    write_address()


def keep(answer: Answer, *, final: bool) -> None:
    """Remembers the last good answer; a change of scenario moves the one before to ``previous``."""
    held = session()
    before = held.answer
    if before is not None and before.scenario != answer.scenario:
        held.previous = before
    held.answer = answer
    if final:
        held.finished[answer.scenario.fingerprint(), answer.baseline] = answer
        if len(held.finished) > MAX_FINISHED:
            del held.finished[next(iter(held.finished))]


def set_value(data: dict[str, Any], path: str, value: Any) -> None:
    """Sets the value at a dotted path of plain data; digits are positions in a list."""
    *steps, last = path.split(".")
    target: Any = data
    for step in steps:
        target = target[int(step)] if isinstance(target, list) else target[step]
    if isinstance(target, list):
        target[int(last)] = deepcopy(value)
    else:
        target[last] = deepcopy(value)


def problem_text(problem: Problem, workload_names: list[str]) -> str:
    """A problem as a sentence in the user's words."""
    steps = problem.field.split(".") if problem.field else []
    if len(steps) > 1 and steps[0] == "workloads" and steps[1].isdigit():
        i = int(steps[1])
        name = workload_names[i] if i < len(workload_names) else f"number {i + 1}"
        steps = [f"workload {name}", *steps[2:]]
    where = ", ".join(step for step in steps if not step.isdigit()).replace("_", " ")
    message = problem.message
    return sentence(f"{where}: {message}" if where else message)


def link_token() -> str | None:
    """The current scenario as a link token, or None when it is too large for an address."""
    held, version = session(), catalog().version
    if held.token is None or held.token[:2] != (held.scenario, version):
        held.token = held.scenario, version, _link_token(version)
    return held.token[2]


def _link_token(version: str) -> str | None:
    try:
        return encode_link(scenario(), presets(), engine_version_now, version)
    except LinkError:
        return None


def write_address() -> None:
    """Puts the whole scenario, and the baseline unless it is the default, into the address.

    A link that waits for its rows stays there.
    """
    versus = session().baseline
    wanted = {
        _LINK: session().unopened or link_token(),
        _VERSUS: None if versus == DEFAULT_BASELINE else versus,
    }
    for name, value in wanted.items():
        if value is None:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != value:
            st.query_params[name] = value


def share_url() -> str | None:
    """The full address that opens this scenario elsewhere; None when it does not fit."""
    token = link_token()
    if token is None:
        return None
    base = (st.context.url or "").split("?")[0]
    if urlsplit(base).path == "":
        base += "/"
    versus = session().baseline
    suffix = "" if versus == DEFAULT_BASELINE else f"&{_VERSUS}={quote(versus)}"
    return f"{base}?{_LINK}={token}{suffix}"
