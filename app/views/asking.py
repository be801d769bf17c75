"""A question beside its button: what is known of it, or the plans that answer it, when asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import streamlit as st

from app.text import plain
from app.views import analyses, on_demand
from app.views.analyses import Ask, Found
from app.views.solve import Effort
from app.views.trade_off_parts import failed
from ecoserve.errors import EcoServeError, SolverError
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
    known = analyses.known(name, scenario)
    if known is not None and known.effort in (effort, "interactive"):
        return known
    task = analyses.finding(name, scenario, effort)
    begin = partial(analyses.begin, name, scenario, effort, this.ask)
    if task is None:
        more = "" if known is None else ", thoroughly"
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(f"{this.button}{more}", key=f"ask:{name}", on_click=begin)
            st.caption(plain(this.what))
        return known
    if not task.is_done:
        on_demand.follow(task)
        return known
    try:
        found: Found = task.result()
    except SolverError as error:
        on_demand.broken_off(task, error, begin)
    except EcoServeError as error:
        failed(error)
    else:
        return found
    return known
