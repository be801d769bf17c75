"""Plans for pages: asked of the server's workers in tasks that a page follows, run after run."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Hashable
from typing import Any

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app import state
from app.solving.desk import Desk
from app.solving.manager import Manager
from app.solving.questions import Found
from app.solving.tasks import Task, Tasks
from app.state import Answer
from ecoserve.plan import Plan
from ecoserve.planner import Effort
from ecoserve.scenario import Scenario, canonical_json

__all__ = ["Effort", "Found"]

FIRST_S = 1.0
"""How long a page waits for something to draw before it draws that it waits."""
WHOLE_S = 0.0
"""How long it waits for the whole of it; a page in a browser comes back instead."""

_OWNER = "solving_owner"
_tasks: list[Tasks] = []
_lock = threading.Lock()


def tasks() -> Tasks:
    """Those of this server, with the two workers that it has."""
    with _lock:
        if not _tasks:
            imports = ("app.solving.questions",)
            _tasks.append(Tasks(Manager(is_here=_is_here, imports=imports)))
        return _tasks[0]


def task(what: str, key: Hashable, work: Callable[[Desk], Any] | None) -> Task | None:
    """This tab's task under this name; begun where it is new and ``work`` is given.

    Waits a moment for it, so that quick answers are drawn at once.
    """
    found = begin(what, key, work)
    if found is not None and not found.is_done:
        found.wait(FIRST_S, for_anything=True)
        found.wait(WHOLE_S)
    return found


def begin(what: str, key: Hashable, work: Callable[[Desk], Any] | None) -> Task | None:
    """As :func:`task`, at once."""
    catalog, path = state.catalog(), state.catalog_path()
    start = None if work is None else (lambda task: work(Desk(catalog, path, task)))
    return tasks().get(_owner(), what, (catalog.version, key), start)


def later(what: str, key: Hashable) -> Callable[[], Task | None]:
    """Finds this tab's task once it is needed, also outside of a run of the page."""
    owner, full_key = _owner(), (state.catalog().version, key)
    return lambda: tasks().get(owner, what, full_key, None)


def answering(scenario: Scenario, baseline: str) -> Task:
    """The plan and its baseline: shows the quick answer, then gives the better one."""
    found = task(
        "answer",
        (canonical_json(scenario), baseline),
        lambda desk: answer_in_steps(desk, scenario, baseline),
    )
    assert found is not None, "or it was begun"
    return found


def answer_in_steps(desk: Desk, scenario: Scenario, baseline: str) -> Answer:
    """Quick answers side by side, shown at once; the proof behind them.

    What was proven before is the answer at once. Stopped on the way, it gives the best there is by
    then. Raises InfeasibleError when nothing can serve the traffic.
    """
    proofs = (
        desk.plan_request(scenario, "interactive"),
        desk.baseline_request(scenario, baseline, "interactive"),
    )
    known_plan, known_other = map(desk.task.known, proofs)
    if known_plan is not None and known_other is not None:
        return _answer(scenario, baseline, known_plan, known_other)
    best = first = answer(desk, scenario, baseline, "quick")
    desk.task.show(first)
    (ours,) = desk.task.ask_all(proofs[:1])
    plan: Plan = ours.result()
    best = _answer(scenario, baseline, plan, Found(first.other, first.other_name, first.reason))
    if desk.task.is_stopped:
        return best
    (theirs,) = desk.task.ask_all(proofs[1:])
    return _answer(scenario, baseline, plan, theirs.result())


def answer(desk: Desk, scenario: Scenario, baseline: str, effort: Effort) -> Answer:
    """The plan and its baseline, side by side. Raises InfeasibleError as :func:`our_plan` does."""
    ours, theirs = desk.task.ask_all(
        [desk.plan_request(scenario, effort), desk.baseline_request(scenario, baseline, effort)]
    )
    return _answer(scenario, baseline, ours.result(), theirs.result())


def _answer(scenario: Scenario, baseline: str, plan: Plan, other: Found) -> Answer:
    return Answer(
        scenario=scenario,
        baseline=baseline,
        plan=plan,
        other=other.plan,
        other_name=other.name,
        reason=other.reason,
    )


def _owner() -> str:
    """This tab: its connection, and what tells it from another one under the same name."""
    context = get_script_run_ctx()
    name = "" if context is None else context.session_id
    if _OWNER not in st.session_state:
        st.session_state[_OWNER] = uuid.uuid4().hex
    return f"{name}:{st.session_state[_OWNER]}"


def _is_here(owner: str) -> bool:
    """Whether the tab is still open."""
    name = owner.partition(":")[0]
    return not runtime.exists() or runtime.get_instance().is_active_session(name)
