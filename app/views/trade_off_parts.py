"""What the sections of the trade-offs page share: fleets in words, certainty, tables on demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import state
from app.profiles import accelerator_labels, short_name
from app.safe_csv import safe_csv
from app.text import percent, plain, sentence
from app.views import answer as draw
from app.views.solve import Effort
from ecoserve.errors import EcoServeError, InfeasibleError
from ecoserve.plan import FleetEntry

Row = dict[str, Any]
EFFORT_WORDS: Mapping[Effort, str] = {"quick": "Quick search", "interactive": "Thorough search"}
"""How hard plans are searched for, by what the engine calls it."""

WIDE_GAP = 0.01
"""From this gap on a quick search is no ground to buy on."""


def fleet_words(fleet: Sequence[FleetEntry]) -> str:
    """A fleet in one line, by the accelerators of its servers."""
    counts, rows = Counter[tuple[str, str, str]](), state.catalog()
    for entry in fleet:
        counts[entry.site, entry.server, entry.variant] += entry.count
    several = len({entry.site for entry in fleet}) > 1
    named = []
    for (site, server_id, variant), count in counts.items():
        server = rows.server(server_id)
        name = short_name(rows.accelerator(server.accelerator_id))
        host = "" if variant == "full" else f" {variant}"
        place = f" at {site}" if several else ""
        named.append(f"{count:,} x ({server.n_accelerators} {name}{host}){place}")
    return " + ".join(named) or "no server"


def accelerator_names() -> dict[str, str]:
    """Short names of all accelerators by id, no two alike."""
    return accelerator_labels(state.catalog())


def certainty(effort: Effort, gap: float) -> str:
    """How sure the plans of a section are, in a sentence."""
    how = EFFORT_WORDS[effort]
    if gap <= 0:
        return f"{how}: every plan is proven optimal."
    open_ = "differences smaller than that are open"
    more = "; search thoroughly before you buy" if effort == "quick" and gap > WIDE_GAP else ""
    return f"{how}: every plan is within {percent(gap, 2)} of the best possible; {open_}{more}."


def say(*sentences: str) -> None:
    """Sentences below a chart."""
    st.markdown(plain(" ".join(filter(None, sentences))))


def table(rows: list[Row], key: str) -> None:
    """The figures behind a section, on demand, with a CSV."""
    if not rows:
        return
    with st.expander("Figures as a table"):
        draw.show_table(rows, "")
        st.download_button(
            "Download as CSV",
            safe_csv(rows),
            file_name=f"ecoserve-{key}-{state.scenario().fingerprint()}.csv",
            mime="text/csv",
            key=f"csv:{key}",
            on_click="ignore",
        )


def failed(error: EcoServeError) -> None:
    """Why there is nothing to show; the scenario and what was found before stay."""
    st.error(plain(sentence(state.readable(str(error)))))
    if isinstance(error, InfeasibleError):
        draw.show_table(draw.blocked_rows(error.blocked), "")
        st.caption("There is no fleet to weigh; the Plan page says what stands in its way.")
    else:
        st.caption("Plans made so far are kept: asking again goes on from there.")
