"""A question beside its button: what is known of it, or the plans that answer it, when asked."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app.text import plain
from app.views import analyses
from app.views.analyses import Ask, Found
from app.views.solve import Effort
from app.views.trade_off_parts import failed
from ecoserve.errors import EcoServeError
from ecoserve.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """One question, what its button says and costs, and who answers."""

    question: str
    button: str
    what: str
    ask: Ask


def asked(name: str, this: Inquiry, scenario: Scenario, effort: Effort) -> Found | None:
    """What is known of a question; its button where there is more to find."""
    found = analyses.known(name, scenario)
    if found is not None and found.effort in (effort, "interactive"):
        return found
    place = st.empty()
    more = "" if found is None else ", thoroughly"
    with place.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(f"{this.button}{more}", key=f"ask:{name}")
        st.caption(plain(this.what))
    if not pressed:
        return found
    bar = place.progress(0.0, "Waiting for a turn")

    def show(done: int, total: int, label: str) -> None:
        bar.progress(done / max(total, 1), plain(f"{done} of {total} plans: {label}"))

    try:
        found = analyses.find(name, this.ask, scenario, effort, show)
    except EcoServeError as error:
        place.empty()
        failed(error)
        return found
    place.empty()
    return found
