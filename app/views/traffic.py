"""Traffic: what is asked of the fleet, workload by workload."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import figures_log, figures_traffic, inputs, state
from app.text import limit, number, plain
from app.views import answer as draw
from app.views import log_panel, mix_table, workload_form
from ecoserve.demand import hourly_rates_rps
from ecoserve.scenario_parts import Workload


@st.fragment
def page() -> None:
    """All workloads, their day, and one of them open for editing."""
    inputs.header("Traffic")
    scenario, catalog = state.scenario(), state.catalog()
    rates = {n: list(map(float, r)) for n, r in hourly_rates_rps(scenario, catalog).items()}
    offline = {w.name for w in scenario.workloads if w.kind == "offline"}
    chart = figures_traffic.hourly_rates(
        {name: values for name, values in rates.items() if name not in offline},
        {name: values for name, values in rates.items() if name in offline},
    )
    draw.show_chart(chart, "rates")
    draw.show_table([workload_row(w, rates) for w in scenario.workloads], "")
    form, mix = st.columns([1, 1], gap="large")
    with form:
        index = workload_form.pick(scenario.workloads)
        workload_form.fields(index, scenario.workloads[index])
    with mix:
        length_mix = catalog.length_mix(scenario.workloads[index].mix)
        draw.show_chart(figures_log.mix_lengths(length_mix), "mix")
        source = catalog.sources[length_mix.source_id]
        st.caption(
            plain(
                f"{source.title}, {source.publisher}, {source.licence}. "
                f"{state.readable(length_mix.note)}"
            )
        )
    st.markdown("## Lengths and rate of your own")
    from_log, as_table = st.tabs(["From a request log", "As a table of lengths"])
    with from_log:
        log_panel.show(index, scenario.workloads[index])
    with as_table:
        mix_table.show(index, scenario.workloads[index], length_mix)


def workload_row(workload: Workload, rates: dict[str, list[float]]) -> dict[str, Any]:
    """A workload as a row of the overview."""
    catalog, slo = state.catalog(), workload.slo
    mix = catalog.length_mix(workload.mix)
    hourly = rates.get(workload.name, [0.0] * 24)
    target = f"within {workload.deadline_h} h"
    if slo is not None:
        limits = f"TTFT {limit(slo.ttft_s)}, TPOT {limit(slo.tpot_s)}"
        target = f"{limits} for {100 * slo.percentile:g} %"
    return {
        "Workload": workload.name,
        "LLM": catalog.llm(workload.llm).name,
        "Kind": workload.kind,
        "Mean rate": f"{number(sum(hourly) / 24)} requests/s",
        "Peak rate": f"{number(max(hourly))} requests/s",
        "Lengths": mix.name,
        "Mean in / out": f"{number(mix.mean_isl_tokens)} / {number(mix.mean_osl_tokens)} tokens",
        "Target": target,
        "Precisions": ", ".join(workload.precisions),
    }


st.set_page_config(page_title="Traffic | EcoServe planner")
page()
