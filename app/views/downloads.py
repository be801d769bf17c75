"""The plan as files: to calculate with, to deploy by, to attach to a decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial

import streamlit as st

from app import state
from app.exports import plan_csv, plan_json
from app.launch import launch_commands, launch_json
from app.report_html import Occasion, report_html
from app.state import Answer
from app.views import assumptions
from ecoserve.catalog import Catalog
from ecoserve.scenario import Scenario

Make = Callable[[], str]
JSON = "application/json"


def show(answer: Answer) -> None:
    """A menu of files; each is made when it is asked for."""
    other_sets = assumptions.known_under_other_sets(answer)
    with st.popover("Download"):
        _button(
            "Report (HTML)",
            partial(_report, answer, state.catalog(), state.presets(), _link(answer), other_sets),
            answer,
            "report.html",
            "text/html",
            help="One page to attach to a decision: plan, comparison, inputs, assumptions, sources."
            " Opens anywhere, without a network.",
        )
        parts = answer.plan, answer.scenario, state.catalog()
        st.markdown("**Plan**")
        _button("Plan as CSV", partial(plan_csv, *parts), answer, "plan.csv", "text/csv")
        _button("Plan as JSON", partial(plan_json, *parts), answer, "plan.json", JSON)
        st.markdown("**For those who deploy**")
        _button(
            "Launch commands",
            partial(launch_commands, *parts),
            answer,
            "launch.txt",
            "text/plain",
            help="Per pool the vLLM command of one replica, and what it does not cover.",
        )
        _button(
            "Launch settings as JSON", partial(launch_json, *parts), answer, "launch.json", JSON
        )


def _button(
    label: str, make: Make, answer: Answer, ending: str, mime: str, help: str | None = None
) -> None:
    st.download_button(
        label,
        make,
        file_name=f"ecoserve-{answer.plan.scenario_fingerprint}-{ending}",
        mime=mime,
        key=f"download:{ending}",
        on_click="ignore",
        width="stretch",
        help=help,
    )


def _report(
    answer: Answer,
    catalog: Catalog,
    presets: Mapping[str, Scenario],
    link: str | None,
    other_sets: Callable[[], tuple[str, ...]],
) -> str:
    made_on = f"{datetime.now(UTC):%Y-%m-%d}"
    occasion = Occasion(made_on=made_on, link=link, other_sets=other_sets())
    return report_html(answer, catalog, presets, occasion)


def _link(answer: Answer) -> str | None:
    """The page's address, where the page shows this answer's scenario."""
    return state.share_url() if answer.scenario == state.scenario() else None
