"""Parts of a page that take long: planned when asked for, with a bar, and kept for the scenario."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import streamlit as st

from app import state


class Tell(Protocol):
    """Says how far it is."""

    def __call__(self, done: int, total: int, label: str) -> None:
        """So many done of so many; the label is that of what is in work."""


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


@contextmanager
def progress() -> Iterator[Tell]:
    """A bar that goes when the work is done."""
    place = st.empty()

    def tell(done: int, total: int, label: str) -> None:
        place.progress(done / max(total, 1), text=f"{done} of {total} planned; now {label}")

    try:
        yield tell
    finally:
        place.empty()
