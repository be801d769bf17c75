"""What binds, in words: prices of traffic, and what one unit more of a limit saves."""

from __future__ import annotations

import streamlit as st

from app import state
from app.profiles import short_name
from app.reports_analysis import LATENCY_LIMITS, NO_LIMIT
from app.text import number, percent, plain, sentence
from app.views import answer as draw
from app.views.analyses import Found
from app.views.solve import Effort
from app.views.trade_off_parts import EFFORT_WORDS, Row, say, table
from ecoserve.analysis.limits import WORDS, BindingLimit, LimitReport
from ecoserve.catalog import Catalog
from ecoserve.scenario import Scenario

OF_POOLS = ("capacity", "kv_transfer")
NO_NAMES = ("power", "space", "cap")
"""Families whose subject is a site of the user's or a unit."""


def show_limits(found: Found, scenario: Scenario) -> None:
    """Traffic and limits as tables of sentences, the most valuable first."""
    answer: LimitReport = found.answer
    st.markdown(f"**{plain(sentence(finding(answer)))}**")
    traffic = [
        {
            "Traffic": price.workload,
            f"Servers as they are, {price.unit} for 1 request/s more": number(price.fleet_as_it_is),
            "With the servers it needs in the end": number(price.fleet_grown),
        }
        for price in answer.traffic
    ]
    draw.show_table(traffic, "")
    limits = [
        {
            "One more of what binds": _change_words(limit),
            f"Saves, {limit.unit}": _worth(limit),
            "Of the total": percent(limit.worth / answer.objective, 2),
        }
        for limit in answer.binding
    ]
    draw.show_table(limits, NO_LIMIT)
    st.caption(plain(LATENCY_LIMITS))
    say(_certainty(found.effort), _advice(answer))
    table(_rows(answer), "limits")


def finding(answer: LimitReport) -> str:
    """The dearest traffic, and the limit that is worth most."""
    dearest = max(answer.traffic, key=lambda price: price.fleet_grown)
    words = (
        f"More {dearest.workload} costs {number(dearest.fleet_grown)} {dearest.unit} per request/s "
        "in the end"
    )
    if len(answer.traffic) > 1:
        words += ", the most of all workloads"
    if not answer.binding:
        return f"{words}; {NO_LIMIT[:1].lower()}{NO_LIMIT[1:]}"
    limit = answer.binding[0]
    return f"{words}; {_change_words(limit)} would save {_worth(limit)} {limit.unit}"


def _change_words(limit: BindingLimit) -> str:
    """What there would be one more of: the sentence of the limit up to its worth."""
    subject = subject_words(limit.family, limit.subject, state.catalog())
    words, _, _ = WORDS[limit.family].partition(" would save")
    return words.format(subject=subject)


def _worth(limit: BindingLimit) -> str:
    most = "up to " if "up to" in WORDS[limit.family] else ""
    return f"{most}{number(limit.worth)}"


def subject_words(family: str, subject: str, catalog: Catalog) -> str:
    """A pool, server or site in words; what is not a row of the catalog stays as it is."""
    if family in NO_NAMES:
        return subject
    if family not in OF_POOLS:
        server, *_ = subject.split(".")
        return catalog.servers[server].name if server in catalog.servers else subject
    names = {f"s{i}": site.name for i, site in enumerate(state.scenario().sites)}
    names |= {row.id: row.name for row in catalog.llms.values()}
    names |= {row.id: short_name(row) for row in catalog.accelerators.values()}
    llm, accelerator, *rest = (names.get(step, step) for step in subject.split("."))
    return f"the pool of {llm} on {accelerator} ({', '.join(rest)})"


def _certainty(effort: Effort) -> str:
    return (
        f"{EFFORT_WORDS[effort]}: these are prices of the linear programs around that plan, good "
        "for small changes; what a limit is worth was tried with one unit more."
    )


def _advice(answer: LimitReport) -> str:
    wider = [limit for limit in answer.binding if limit.family not in ("capacity", "reuse")]
    if wider:
        subject = subject_words(wider[0].family, wider[0].subject, state.catalog())
        return f"What to do: ask first whether the limit of {subject} can be moved."
    return (
        "What to do: there is no such limit of yours to move; what traffic costs is the place to "
        "save, for instance with shorter answers or later deadlines."
    )


def _rows(answer: LimitReport) -> list[Row]:
    prices = [
        (price.workload, kind, price.unit, value)
        for price in answer.traffic
        for kind, value in (
            ("1 request/s more, servers as they are", price.fleet_as_it_is),
            ("1 request/s more, servers grown", price.fleet_grown),
        )
    ]
    limits = [(b.subject, f"one more unit of {b.family}", b.unit, -b.worth) for b in answer.binding]
    heads = ("Subject", "Change", "Unit", "Adds a day")
    return [dict(zip(heads, row, strict=True)) for row in (*prices, *limits)]
