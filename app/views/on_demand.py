"""Parts of a page that take long: asked for, followed with a bar and a Cancel, kept when done."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any

import streamlit as st

from app import state
from app.solving.desk import Desk
from app.solving.messages import was_cancelled
from app.solving.tasks import Task
from app.text import percent, plain, sentence
from app.views import solve
from ecoserve.errors import SolverError

POLL_S = 0.5
STOP_S = 0.4
"""How long the press on Cancel waits for the end before it says that it stops."""
CANCELLED = "Cancelled. What was planned so far is kept: asking again goes on from there."
BETTER = "A better answer is being worked out"


def wanted(what: str, label: str, why: str) -> bool:
    """A button until it is pressed; then, for this scenario, true."""
    asked = state.session().asked
    key = what, state.scenario().fingerprint()
    if key in asked:
        return True
    left, right = st.columns([1, 3], vertical_alignment="center")
    left.button(label, key=f"wanted:{what}", on_click=asked.add, args=(key,), width="stretch")
    right.caption(why)
    return False


def planned(what: str, key: Hashable, work: Callable[[Desk], Any]) -> Any | None:
    """What the work gives; None while it is under way or broken off, which is then told.

    Raises what the work raises where there is no such plan; other ends are told here.
    """
    task = solve.task(what, key, work)
    assert task is not None, "or it was begun"
    if not task.is_done:
        follow(task)
        return None
    try:
        return task.result()
    except SolverError as error:
        broken_off(task, error)
        return None


def better(task: Task, words: str = BETTER) -> None:
    """Below an answer that is shown: how far a better one is, or the way back to its search."""
    if not task.is_done:
        follow(task, words)
    elif not task.is_whole:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("The search for a better answer was stopped.")
            again(task, "Go on")


def broken_off(task: Task, error: SolverError, begin: Callable[[], Any] | None = None) -> None:
    """Says that there is no answer, and offers to go on; ``begin`` where the page alone does not
    begin it again."""
    if was_cancelled(error):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(CANCELLED)
            again(task, "Go on", begin)
    else:
        st.error(plain(sentence(state.readable(str(error)))))
        again(task, "Try again", begin)


def again(task: Task, label: str, begin: Callable[[], Any] | None = None) -> None:
    """A button that begins the task anew."""
    st.button(label, key=f"again:{task.what}", on_click=_again, args=(task, begin))


def _again(task: Task, begin: Callable[[], Any] | None) -> None:
    solve.tasks().forget(task)
    if begin is not None:
        begin()


def follow(task: Task, words: str = "Working") -> None:
    """A line with how far the task is, and its Cancel; the page is drawn anew when it has news."""
    _line(task, task.shown, words)


@st.fragment(run_every=POLL_S)
def _line(task: Task, seen: Any, words: str) -> None:
    if task.is_stopped:
        task.wait(STOP_S)
    if task.is_done or task.shown is not seen:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        stage = task.stage
        if stage is not None:
            said = f"{stage.words}; {how_far(task)}"
            st.progress(min(max(stage.share, 0.0), 1.0), text=plain(said))
        elif task.bar is None:
            st.caption(plain(sentence(f"{words}: {how_far(task)}")))
        else:
            bar = task.bar
            now = f"now {state.readable(bar.label)}; {how_far(task)}"
            said = f"{bar.done} of {bar.total} planned; {now}"
            st.progress(bar.done / max(bar.total, 1), text=plain(said))
        st.button("Cancel", key=f"cancel:{task.what}", on_click=task.stop, disabled=task.is_stopped)


def how_far(task: Task) -> str:
    """Elapsed time, and the place in the queue or the gap of the search in work."""
    if task.is_stopped:
        return "stopping"
    so_far = f"{task.elapsed_s:,.0f} s"
    if task.place:
        return f"{so_far}; waiting for others, place {task.place} in the queue"
    searched = task.searched  # once: another thread may end the search meanwhile
    if searched is None or not math.isfinite(searched.gap):
        return so_far
    return f"{so_far}; so far within {percent(searched.gap, 2)} of the best possible"
