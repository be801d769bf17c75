"""The page's address: the scenario in ``?s=`` or ``?id=``, its baseline, and what it stands beside.

A scenario that fits stands in ``?s=`` as a whole; a larger one is named in ``?id=`` where it is in
the library. The address is read when a tab begins and when its visitor goes back or forward.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, urlencode, urlsplit

import streamlit as st

from app.history import History
from app.session import Notice, Session, catalog, library, new_session, presets, session
from app.text import problem_text
from app.versus import DEFAULT_BASELINE
from catalog_db.library import LibraryError
from ecoserve import __version__ as engine_version_now
from ecoserve.catalog import Catalog
from ecoserve.errors import LinkError, ScenarioError
from ecoserve.link import DecodedLink, decode_link, encode_link
from ecoserve.scenario import Scenario, check_scenario

LINK, ID, VERSUS, BESIDE = "s", "id", "vs", "with"
COMPARE = "compare"
"""The page whose address also names what the scenario stands beside."""
MAX_BESIDE = 3
MAX_BESIDE_CHARS = 3_500
"""Of all of them; with the scenario's own link the address stays below what proxies pass on."""
MAX_ENCODED = 256
BETWEEN = "~"
"""Between those it stands beside; like the dot behind their kind never escaped in an address."""
WAITING = (
    "The link could not be opened: it was made with another catalog. {reasons} These may be rows of"
    " somebody's own files: load them on the Hardware page and this link opens. Until then the"
    " default scenario is shown; changing it gives the link up."
)
DEFAULT_SHOWN = "The default scenario is shown."


# ---- reading


def open_session() -> Session:
    """The session that the address asks for; what cannot be opened becomes a notice."""
    opened = new_session()
    opened.baseline = st.query_params.get(VERSUS, DEFAULT_BASELINE)
    given = scenario_params()
    try:
        if given:
            _open(opened, given, opened_link(given))
    except (LinkError, LibraryError) as error:
        opened.notices = (_broken(str(error), DEFAULT_SHOWN),)
    except ScenarioError as error:
        opened.notices = tuple(_broken(str(p), DEFAULT_SHOWN) for p in error.problems)
    opened.beside, notices = _read_beside(st.query_params.get(BESIDE, ""))
    opened.notices = (*opened.notices, *notices)
    return opened


def _open(opened: Session, given: dict[str, str], link: DecodedLink) -> None:
    """Begins with the link's scenario; one of another catalog is kept until its rows are there.

    Raises :class:`ScenarioError` where the scenario does not fit the catalog it was made with.
    """
    try:
        check_scenario(link.scenario, catalog())
    except ScenarioError as error:
        if link.catalog_version == catalog().version:
            raise
        names = [workload.name for workload in link.scenario.workloads]
        reasons = " ".join(problem_text(problem, names) for problem in error.problems)
        opened.unopened = given
        opened.notices = (Notice("error", WAITING.format(reasons=reasons)),)
        return
    opened.history = History((link.scenario,))
    opened.notices = version_notices(link)
    if ID in given:
        opened.saved.add(given[ID])


def turned_to() -> tuple[Scenario | None, str, tuple[Notice, ...]]:
    """After Back or Forward: the scenario that the address has now, if any, and its baseline."""
    versus, given = st.query_params.get(VERSUS, DEFAULT_BASELINE), scenario_params()
    if not given:
        return None, versus, ()
    try:
        link = opened_link(given)
        check_scenario(link.scenario, catalog())
    except (LinkError, LibraryError, ScenarioError) as error:
        return None, versus, (_broken(str(error), "The scenario stays as it was."),)
    return link.scenario, versus, ()


def scenario_params() -> dict[str, str]:
    """The part of the address that says which scenario; empty where none does."""
    for name in (LINK, ID):
        value = st.query_params.get(name)
        if value:
            return {name: value}
    return {}


def opened_link(params: Mapping[str, str]) -> DecodedLink:
    """The scenario of an address, not yet checked against the catalog.

    Raises :class:`LinkError`, :class:`LibraryError` or :class:`ScenarioError`.
    """
    if LINK in params:
        return decode_link(params[LINK], presets())
    saved = library().open(params[ID])
    return DecodedLink(
        scenario=saved.scenario,
        engine_version=saved.entry.engine_version,
        catalog_version=saved.entry.catalog_version,
        is_exact=saved.is_exact,
    )


def opened_with(rows: Catalog) -> DecodedLink | None:
    """The link that waits for rows, where ``rows`` has them all."""
    if not session().unopened:
        return None
    try:
        link = opened_link(session().unopened)
        check_scenario(link.scenario, rows)
    except (LinkError, LibraryError, ScenarioError):
        return None
    return link


def version_notices(link: DecodedLink) -> tuple[Notice, ...]:
    """What is not as it was when the link was made."""
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
        text = (
            "A preset or a default behind this link has changed since; the scenario is not quite"
            " the same."
        )
        notices.append(Notice("warning", text))
    return tuple(notices)


def _broken(reason: str, what_now: str) -> Notice:
    return Notice("error", f"The link could not be opened: {reason.rstrip('.')}. {what_now}")


# ---- what it stands beside


def _read_beside(text: str) -> tuple[tuple[Scenario, ...], tuple[Notice, ...]]:
    found, notices = [], []
    for item in text[: 2 * MAX_BESIDE_CHARS].split(BETWEEN)[:MAX_BESIDE] if text else []:
        try:
            scenario = _beside(item)
            check_scenario(scenario, catalog())
        except (LinkError, LibraryError, ScenarioError) as error:
            words = f"One scenario to compare with could not be opened: {error}"
            notices.append(Notice("warning", f"{words.rstrip('.')}."))
        else:
            found.append(scenario)
    return tuple(found), tuple(notices)


def _beside(item: str) -> Scenario:
    kind, _, value = item.partition(".")
    if kind == "preset" and value in presets():
        return presets()[value]
    if kind in (LINK, ID):
        return opened_link({kind: value}).scenario
    raise LinkError("the address is damaged; copy it again, whole")


def beside_param(beside: tuple[Scenario, ...], saved: set[str]) -> str | None:
    """What the scenario stands beside as a part of the address; None where it does not fit."""
    items = [_beside_item(scenario, saved) for scenario in beside]
    text = BETWEEN.join(item for item in items if item is not None)
    return text if None not in items and len(text) <= MAX_BESIDE_CHARS else None


def _beside_item(scenario: Scenario, saved: set[str]) -> str | None:
    for name, preset in presets().items():
        if preset == scenario:
            return f"preset.{name}"
    if scenario.fingerprint() in saved:
        return f"{ID}.{scenario.fingerprint()}"
    token = _token(scenario)
    return None if token is None else f"{LINK}.{token}"


# ---- writing


def write_address() -> None:
    """Puts the whole scenario, and the baseline unless it is the default, into the address.

    A link that waits for its rows stays there.
    """
    wanted = _params()
    for name in (LINK, ID, VERSUS, BESIDE):
        value = wanted.get(name)
        if value is None:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != value:
            st.query_params[name] = value


def _params() -> dict[str, str]:
    held = session()
    params = dict(held.unopened) or where_it_is(held.scenario)
    if held.baseline != DEFAULT_BASELINE:
        params[VERSUS] = held.baseline
    beside = beside_param(held.beside, held.saved) if held.page == COMPARE else None
    return {**params, BESIDE: beside} if beside else params


def where_it_is(scenario: Scenario) -> dict[str, str]:
    """The part of an address that opens a scenario; empty where nothing does."""
    token = _token(scenario)
    if token is not None:
        return {LINK: token}
    return saved_at(scenario)


def saved_at(scenario: Scenario) -> dict[str, str]:
    """Where the library has a scenario; empty where this tab knows nothing of it."""
    fingerprint = scenario.fingerprint()
    return {ID: fingerprint} if fingerprint in session().saved else {}


def _token(scenario: Scenario) -> str | None:
    """The scenario as a link token, or None when it is too large for an address."""
    return encoded(scenario, catalog().version)


@lru_cache(maxsize=MAX_ENCODED)
def encoded(scenario: Scenario, catalog_version: str) -> str | None:
    """The token of a scenario; every page asks for the same one several times."""
    try:
        return encode_link(scenario, presets(), engine_version_now, catalog_version)
    except LinkError:
        return None


def share_url() -> str | None:
    """The full address that opens this page elsewhere; None when the scenario does not fit."""
    params = _params()
    if LINK not in params and ID not in params:
        return None
    return _url(params)


def id_url() -> str | None:
    """The short address that opens the scenario from the library; None where it is not there."""
    params = saved_at(session().scenario)
    return _url({**_params(), LINK: "", **params}) if params else None


def _url(params: Mapping[str, str]) -> str:
    base = (st.context.url or "").split("?")[0]
    if urlsplit(base).path == "":
        base += "/"
    given = {name: value for name, value in params.items() if value}
    return f"{base}?{urlencode(given, quote_via=quote, safe=':~')}"
