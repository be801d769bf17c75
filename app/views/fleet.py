"""The fleet: what to buy, why each member of it is there, and why no other is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import state
from app.state import Answer
from app.views import answer as draw
from app.views import regret_panel
from app.views.asking import Inquiry, asked
from app.views.trade_off_sections import SECTIONS
from app.why import fleet_whys, without_words
from ecoserve.analysis.regret import Regret

OTHERS = Inquiry(
    question=SECTIONS["why-not"].question,
    button="Why no other accelerator?",
    what="One plan with each accelerator that was left out, and one without each that was chosen; "
    "a minute or two.",
    ask=SECTIONS["why-not"].ask,
)
WHY_PX, WHY_LETTERS = 430, 58
"""Width of a cell with a sentence, and how much of it fits on a line."""
LINE_PX, MARGIN_PX = 20, 16
ON_ONE_LINE, LETTER_PX = ("Site", "Kind", "Accelerators", "Hosts"), 7.5


@st.fragment
def show(answer: Answer) -> None:
    """The table, and below it what deciding otherwise would cost, once it is asked for."""
    st.markdown("### Fleet")
    table = st.container()
    found = asked("why-not", OTHERS, answer.scenario, "interactive")
    with table:
        _table(answer, () if found is None else found.answer.without)
    if found is not None:
        regret_panel.show_why_not(found, answer.scenario)


def _table(answer: Answer, without: Sequence[Regret]) -> None:
    rows = rows_with_reasons(answer, without)
    if not rows:
        st.caption("No server is needed.")
        return
    lines = max(math.ceil(len(row["Why"]) / WHY_LETTERS) for row in rows)
    st.dataframe(
        rows,
        hide_index=True,
        row_height=lines * LINE_PX + MARGIN_PX,
        column_config={
            "Why": st.column_config.TextColumn(width=WHY_PX),
            **{head: _as_wide_as_its_words(head, rows) for head in ON_ONE_LINE if head in rows[0]},
        },
    )


def _as_wide_as_its_words(head: str, rows: Sequence[dict[str, Any]]) -> Any:
    """A column whose cells do not break over lines as the sentences do."""
    letters = max(len(str(row[head])) for row in rows)
    return st.column_config.TextColumn(width=MARGIN_PX + math.ceil(LETTER_PX * letters))


def rows_with_reasons(answer: Answer, without: Sequence[Regret]) -> list[dict[str, Any]]:
    """The rows of the fleet, each with why it is there and what doing without it would cost."""
    catalog = state.catalog()
    whys = fleet_whys(answer.plan, answer.scenario, catalog)
    costs = {regret.accelerator: regret for regret in without}
    found = []
    for entry, row, why in zip(answer.plan.fleet, draw.fleet_rows(answer), whys, strict=True):
        regret = costs.get(catalog.server(entry.server).accelerator_id)
        more = "" if regret is None else f" {without_words(regret, answer.plan)}"
        head = {name: row.pop(name) for name in ("Site", "Servers", "Kind") if name in row}
        found.append({**head, "Why": f"{why}{more}", **row})
    return found
