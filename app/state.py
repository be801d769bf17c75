"""The one module through which pages read and change what their tab holds.

The scenario is frozen. Every edit makes a new one through :func:`read_scenario`; an edit that does
not hold up becomes a notice, and the last good scenario stays. The page's address always carries
the whole scenario, and every step can be undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from streamlit.runtime.scriptrunner import get_script_run_ctx

from app import address, scenario_words
from app.address import share_url, write_address
from app.answers import Answer
from app.history import History
from app.session import (
    DEFAULT_PRESET,
    MAX_CATALOGS,
    Notice,
    Session,
    baseline,
    baselines,
    begin,
    catalog,
    catalog_path,
    has_session,
    library,
    presets,
    scenario,
    session,
)
from app.text import problem_text, sentence
from catalog_db.library import LibraryError
from ecoserve import __version__ as engine_version_now
from ecoserve.errors import Problem, ScenarioError
from ecoserve.scenario import Scenario, check_scenario, read_scenario

__all__ = [
    "DEFAULT_PRESET",
    "MAX_CATALOGS",
    "Answer",
    "Notice",
    "Session",
    "baseline",
    "baselines",
    "carry_address",
    "catalog",
    "catalog_path",
    "changed",
    "choose_baseline",
    "complain",
    "edit",
    "keep",
    "last_answer",
    "library",
    "open_saved",
    "presets",
    "put_beside",
    "readable",
    "redo",
    "refuse",
    "replace",
    "save",
    "scenario",
    "session",
    "share_url",
    "start",
    "undo",
]

MAX_FINISHED = 50


def start(page: str) -> None:
    """Begins a session from the address, once, and keeps the address whole after that.

    What was refused on one page is still told on the next, until the next good edit. After the
    browser's Back or Forward the scenario is that of the address.
    """
    if not has_session():
        begin(address.open_session())
    held = session()
    if held.page != page:
        held.rejected = ""
        held.notices = tuple(_from_another_page(notice) for notice in held.notices)
    held.page = page
    if _went_back():
        _turn_to_address()
    write_address()


def carry_address() -> None:
    """Before the pages are named: gives a change of page the address of the page before it.

    Streamlit drops the parameters when one goes to another page. Put back only after it has shown
    the new page, they would be a step of their own in the browser's history.
    """
    if has_session() and not _went_back() and not address.scenario_params():
        write_address()


def _went_back() -> bool:
    """Whether this run is the browser's Back or Forward, as against a click on the page."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def _turn_to_address() -> None:
    held = session()
    there, held.baseline, notices = address.turned_to()
    if there is not None and there != held.scenario:
        _show(held.history.turned_to(there))
    held.notices = (*held.notices, *notices)


def _from_another_page(notice: Notice) -> Notice:
    if not notice.refused:
        return notice
    reason = notice.text.rstrip(".")
    text = f"Your last change was refused: {reason}; the plan is for the last good scenario."
    return Notice("warning", text)


def readable(text: str) -> str:
    """A remark of the catalog or the engine with names in place of ids."""
    return scenario_words.readable(text, catalog())


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
    _show(session().history.then(new))


def undo() -> None:
    """Goes back by one edit."""
    _step(session().history.undone())


def redo() -> None:
    """Goes forward again by one edit that was undone."""
    _step(session().history.redone())


def _step(there: History) -> None:
    """Shows another place of the history, unless rows that it needs have been taken off since."""
    try:
        check_scenario(there.current, catalog())
    except ScenarioError as error:
        refuse(error.problems)
    else:
        _show(there)


def _show(history: History) -> None:
    held = session()
    held.history, held.notices, held.rejected, held.unopened = history, (), "", {}
    write_address()


def save() -> None:
    """Keeps the scenario in the library, or says why not."""
    try:
        entry = library().save(scenario(), engine_version_now, catalog().version)
    except LibraryError as error:
        complain(str(error))
        return
    session().saved.add(entry.fingerprint)
    write_address()


def open_saved(fingerprint: str) -> None:
    """Opens a scenario out of the library, or says why not."""
    try:
        link = address.opened_link({address.ID: fingerprint})
        check_scenario(link.scenario, catalog())
    except ScenarioError as error:
        refuse(error.problems)
    except LibraryError as error:
        complain(str(error))
    else:
        session().saved.add(fingerprint)
        replace(link.scenario)
        session().notices = address.version_notices(link)


def complain(reason: str) -> None:
    """Says why something was not done; nothing has changed."""
    session().notices = (Notice("error", sentence(reason)),)


def put_beside(scenarios: tuple[Scenario, ...]) -> None:
    """Sets what the page Compare shows beside the scenario."""
    session().beside = scenarios[: address.MAX_BESIDE]
    write_address()


def choose_baseline(name: str) -> None:
    """Sets the baseline the plan is compared with."""
    session().baseline = name
    write_address()


def last_answer() -> Answer | None:
    """The last good answer of this scenario or of one it was edited from; not of another's."""
    last = session().answer
    return last if last is not None and last.scenario.name == scenario().name else None


def keep(answer: Answer, *, final: bool) -> None:
    """Remembers the last good answer; an edit moves the one before it to ``previous``."""
    held = session()
    before = held.answer
    if before is not None and before.scenario != answer.scenario:
        held.previous = before if before.scenario.name == answer.scenario.name else None
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
