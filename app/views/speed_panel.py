"""Speed and power on the Evidence page: predicted against measured, and what the fits rest on."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import figures_evidence as figures
from app import state
from app.evidence_speed import SpeedEvidence, UnpredictedGroup, speed_evidence
from app.figures_evidence import PointCheck
from app.text import number, percent, plain, sentence_list
from app.views import answer as draw
from app.views.catalog_rows import quality_words
from ecoserve.accuracy import AccuracyRow, accuracy_rows
from ecoserve.rows import PowerParameters, ServingParameters
from ecoserve.validation import QUANTITIES, ErrorGroup

Row = dict[str, Any]
HELD_OUT = "evidence:held-out"
"""Session key: the catalog whose held-out errors this tab has asked for."""
FILTER_PX = 200
US_PER_S = 1e6
MS_PER_S = 1e3
PER_CENT = {
    name: st.column_config.NumberColumn(name, format="%.1f %%")
    for name in ("MAPE", "Median error", "Bias", "Error band", "of others", "Wanted", "At most")
}
"""Numbers, so that the table sorts them as such."""


@st.fragment
def show() -> None:
    """The picture, what it does not prove, and four tables behind it."""
    st.markdown("### Speed and power: predicted against measured")
    if not state.catalog().measured_points:
        st.caption("This catalog has no measured points.")
        return
    evidence = _evidence(state.catalog().version)
    checks, groups = _filtered(evidence)
    if checks:
        of_others = [check for check in evidence.checks if not check.is_own]
        sources = figures.sources_by_size(of_others, figures.FEW_ROWS)
        draw.show_chart(figures.predicted_against_measured(checks, sources), "measured")
        st.caption(plain(fit_line(checks)))
    else:
        st.caption("No measured row is left by these filters.")
    errors, held_out, parameters, unpredicted = st.tabs(
        ["Errors by group", "Held-out errors", "Calibrated or assumed", "Not predicted"]
    )
    with errors:
        _errors(groups)
    with held_out:
        _held_out_tab()
    with parameters:
        _parameters()
    with unpredicted:
        _unpredicted(evidence)


@st.cache_data(max_entries=state.MAX_CATALOGS, show_spinner="Predicting what was measured")
def _evidence(catalog_version: str) -> SpeedEvidence:
    return speed_evidence(state.catalog())


@st.cache_data(
    max_entries=state.MAX_CATALOGS, show_spinner="Fitting without each model in turn, some 10 s"
)
def _held_out(catalog_version: str) -> tuple[AccuracyRow, ...]:
    return accuracy_rows(state.catalog())


# ---- the picture


def _filtered(evidence: SpeedEvidence) -> tuple[list[PointCheck], list[ErrorGroup]]:
    own = {check.source for check in evidence.checks if check.is_own}

    def words(choice: str) -> str:
        return f"{choice}, yours" if choice in own else choice

    picked: dict[str, set[str]] = {}
    with st.container(horizontal=True):
        quantity = st.segmented_control(
            "Quantity", QUANTITIES, default=QUANTITIES[0], key="evidence:measured:quantity",
            format_func=str.capitalize, required=True,
        )  # fmt: skip
        for name in ("hardware", "phase", "source"):
            choices = sorted({getattr(check, name) for check in evidence.checks})
            chosen = st.multiselect(
                name.capitalize(), choices, key=f"evidence:measured:{name}", placeholder="all",
                format_func=words if name == "source" else str, filter_mode="contains",
                width=FILTER_PX,
            )  # fmt: skip
            picked[name] = set(chosen) or set(choices)

    def is_in(row: PointCheck | ErrorGroup) -> bool:
        return all(getattr(row, name) in values for name, values in picked.items())

    checks = [c for c in evidence.checks if c.quantity == quantity and is_in(c)]
    return checks, [group for group in evidence.groups if is_in(group)]


def fit_line(checks: list[PointCheck]) -> str:
    """What agreement here is worth: how many rows the parameters were fitted to."""
    used = [check for check in checks if check.in_fit]
    free = [check for check in checks if not check.in_fit]
    if not used:
        return f"None of these {len(checks):,} rows was used in a fit."
    words = (
        f"{len(used):,} of these {len(checks):,} rows are those the parameters were fitted to: "
        "agreement there is their making and no test of them"
    )
    if not free:
        return f"{words}. Held-out errors below say what a prediction is worth."
    median = percent(figures.summary(free).median, 2)
    return (
        f"{words}. The other {len(free):,}, among them mixtures of experts, all-reduces and "
        f"hardware without a fit of its own, are off by {median} at the median. Held-out errors "
        "below say what a prediction for an unseen model is worth."
    )


# ---- tables


def _errors(groups: list[ErrorGroup]) -> None:
    rows = [
        {
            "Source": group.source,
            "Hardware": group.hardware,
            "Phase": group.phase,
            "Quantity": group.quantity,
            "Rows": group.n,
            "MAPE": 100 * group.mape,
            "Median error": 100 * group.median_error,
            "Bias": 100 * group.bias,
        }
        for group in groups
    ]
    _table(rows, "errors", "Errors by source, hardware, phase and quantity")
    st.caption(
        "MAPE: mean of the absolute errors. Bias: median of the signed errors; above 0 the model "
        "predicts too slow, or too much. Most rows were used in the fits."
    )


def _held_out_tab() -> None:
    version = state.catalog().version
    st.caption(
        "Each model or accelerator is left out of the fit in turn and predicted by parameters that "
        "never saw it. Lines without a goal left out a number of accelerators of a model that the "
        "fit did see. This takes some 10 seconds the first time."
    )
    if st.button("Work out the held-out errors", key="evidence:held-out:button"):
        st.session_state[HELD_OUT] = version
    if st.session_state.get(HELD_OUT) != version:
        return
    rows = _held_out(version)
    judged = [row for row in rows if row.at_least is not None]
    met = sum(not row.misses for row in judged)
    missed = sentence_list([row.quantity for row in judged if row.misses])
    said = f" Missed: {missed}." if missed else ""
    st.markdown(
        plain(f"{met} of {len(judged)} quantities keep the error that is allowed at most.{said}")
    )
    _table([_held_out_cells(row) for row in rows], "held-out", "Errors of held-out points")


def _held_out_cells(row: AccuracyRow) -> Row:
    return {
        "Quantity": row.quantity,
        "Held out": row.held_out,
        "Points": row.n,
        "MAPE": 100 * row.mape,
        "Bias": 100 * row.bias,
        "Wanted": None if row.wanted is None else 100 * row.wanted,
        "At most": None if row.at_least is None else 100 * row.at_least,
        "Reached": _reached(row),
    }


def _reached(row: AccuracyRow) -> str:
    if row.wanted is None:
        return "no goal: no unseen model"
    if row.misses:
        return "missed"
    return "wanted" if row.mape <= row.wanted else "at most"


def _parameters() -> None:
    catalog = state.catalog()
    serving = list(catalog.serving_parameters.values())
    power = list(catalog.power_parameters.values())
    st.markdown(plain(f"Speed: {_provenance_line(serving)}. Power: {_provenance_line(power)}."))
    _table([_serving_cells(row) for row in serving], "serving", "Parameters of speed")
    _table([_power_cells(row) for row in power], "power", "Parameters of power")
    st.caption(
        "Calibrated: fitted to measurements of this family, stack and precision on the cards "
        "named; others of the family inherit, with the band of others. Inherited: taken from a "
        "neighbour, with a wider band. The band is the held-out error that plans keep as a margin. "
        "Notes say how many points there were and what they identify."
    )


def _provenance_line(rows: list[ServingParameters] | list[PowerParameters]) -> str:
    known = [row.provenance for row in rows]
    counts = [f"{known.count(p)} {p}" for p in ("calibrated", "inherited", "assumed") if p in known]
    return f"of {len(known)} sets of parameters {sentence_list(counts)}"


def _known_words(row: ServingParameters | PowerParameters) -> str:
    return row.provenance if row.provenance == "calibrated" else f"~ {row.provenance}"


def _serving_cells(row: ServingParameters) -> Row:
    return {
        "Family": row.family,
        "Stack": row.stack,
        "Precision": row.precision,
        "Known as": _known_words(row),
        "Measured on": ", ".join(row.measured_on) or "none of the family",
        "Error band": 100 * row.error_band,
        "of others": 100 * (row.sibling_error_band or row.error_band),
        "Bandwidth reached": row.mbu,
        "of KV reads": row.mbu_kv,
        "Compute reached, decode": row.mfu_decode,
        "prefill": row.mfu_prefill,
        "Per layer, us": US_PER_S * row.t_layer_s,
        "Per sequence, us": US_PER_S * row.t_seq_s,
        "Per request, ms": MS_PER_S * row.t_request_s,
        "Quality": quality_words(row.quality),
        "Note": row.note,
    }


def _power_cells(row: PowerParameters) -> Row:
    return {
        "Family": row.family,
        "Known as": _known_words(row),
        "Measured on": ", ".join(row.measured_on) or "none of the family",
        "Error band": 100 * row.error_band,
        "of others": 100 * (row.sibling_error_band or row.error_band),
        "Floor, of TDP": row.p0_ratio,
        "Memory": row.a_ratio,
        "Compute": row.b_ratio,
        "Cap": row.cap_ratio,
        "Phases seen": ", ".join(row.phases) or "none",
        "Precisions seen": ", ".join(row.precisions) or "none",
        "Bandwidth use up to": row.u_mem_max,
        "Compute use up to": row.u_cmp_max,
        "Quality": quality_words(row.quality),
        "Note": row.note,
    }


def _unpredicted(evidence: SpeedEvidence) -> None:
    missing = sum(group.n for group in evidence.unpredicted)
    share = percent(missing / evidence.n_points, 2)
    st.markdown(
        plain(f"{missing:,} of {evidence.n_points:,} rows have no prediction, {share} of them.")
    )
    if evidence.unpredicted:
        _table([_reason_cells(row) for row in evidence.unpredicted], "unpredicted", "Reasons")


def _reason_cells(row: UnpredictedGroup) -> Row:
    return {
        "Why": row.reason,
        "Rows": row.n,
        "First: source": row.source,
        "Hardware": row.hardware,
        "Model": row.model,
    }


def _table(rows: list[Row], key: str, alt: str) -> None:
    config: dict[str, Any] = {
        name: st.column_config.NumberColumn(name, format="%.3g")
        for name, value in (rows[0] if rows else {}).items()
        if isinstance(value, float)
    }
    st.dataframe(
        rows,
        hide_index=True,
        height=draw.TALL_TABLE_PX if len(rows) > 8 else "content",
        key=f"evidence:{key}",
        column_config={**config, **{n: c for n, c in PER_CENT.items() if rows and n in rows[0]}},
        placeholder="",
        alt=f"Table: {alt}, {number(len(rows))} rows.",
    )
