"""Charts of speed and power: findings in the titles, bands, marks for what was not measured."""

from dataclasses import replace

import pytest

from app import figures_evidence as figures
from app.figures_evidence import PointCheck, ProfileCurve, ProfilePoint

CHECK = PointCheck(
    quantity="latency", source="bench", model="toy", hardware="H100", tp=2, precision="fp16",
    stack="vllm-v1", phase="decode", batch=8.0, lengths="in 512", measured=10.0, predicted=11.0,
    in_fit=True,
)  # fmt: skip
POINT = ProfilePoint(
    batch=1, tpot_s=0.01, ttft_s=0.1, tokens_per_s=100.0, power_w=400.0, j_per_token=4.0,
    prefill_j_per_token=0.2, power_fitted=True, memory_gb=20.0, bound_by="weights",
)  # fmt: skip
FULL = replace(POINT, batch=64, tpot_s=0.04, tokens_per_s=1600.0, j_per_token=0.5, bound_by="kv")
FAST = ProfileCurve(
    name="H100 SXM", tp=2, points=(POINT, FULL), chosen=FULL, error_band=0.25,
    provenance="calibrated", power_provenance="calibrated", ends_by="memory",
)  # fmt: skip
SLOW = replace(
    FAST, name="L4", points=(POINT, replace(FULL, tokens_per_s=400.0)),
    chosen=replace(FULL, tokens_per_s=400.0), provenance="inherited", power_provenance="assumed",
)  # fmt: skip


def words(text: str) -> str:
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ")


def checks(*predicted: float) -> list[PointCheck]:
    return [replace(CHECK, predicted=value) for value in predicted]


def test_error_is_relative_to_the_measurement():
    assert CHECK.error == pytest.approx(0.1)
    found = figures.summary(checks(11.0, 9.5, 13.0, 10.2))
    assert (found.n, found.close) == (4, 0.75)
    assert found.median == pytest.approx(0.075)  # between 5 % and 10 %
    with pytest.raises(ValueError, match="no rows"):
        figures.summary([])


def test_title_of_the_scatter_states_median_and_share_within_the_band():
    chart = figures.predicted_against_measured(checks(11.0, 9.5, 13.0, 10.2), ["bench"])
    assert words(chart.title) == (
        "Predicted latencies are off by 7.5 % at the median of 4 measured rows; 75 % lie within "
        "20 %"
    )
    assert "bench: 4 rows" in chart.alt
    band = chart.figure.data[0]
    assert band.y[0] / band.x[0] == pytest.approx(0.8)
    assert band.y[2] / band.x[2] == pytest.approx(1.2)


def test_rows_outside_the_fit_are_open_and_hover_shows_the_row():
    other = replace(CHECK, in_fit=False, predicted=20.0)
    chart = figures.predicted_against_measured([CHECK, other], ["bench"])
    used, free = chart.figure.data[2:]
    assert (used.marker.symbol, free.marker.symbol) == ("circle", "circle-open")
    assert (used.showlegend, free.showlegend) == (True, False)
    told = words(free.customdata[0])
    assert "toy on 2 x H100" in told
    assert "fp16, vllm-v1, decode" in told
    assert "batch 8, in 512" in told
    assert "measured 10.00, predicted 20.00 ms" in told
    assert "error +100 %, not used in the fit" in told


def test_small_sources_share_a_mark_and_names_carry_no_markup():
    odd = replace(CHECK, source="<b>me</b>")
    rows = [CHECK, CHECK, odd]
    assert figures.sources_by_size(rows) == ["bench", "<b>me</b>"]
    assert figures.sources_by_size(rows, fewest=2) == ["bench"]
    chart = figures.predicted_against_measured(rows, ["bench"])
    assert [trace.name for trace in chart.figure.data[2:]] == ["bench", figures.OTHERS]
    assert "&lt;b&gt;me" in chart.figure.data[3].customdata[0]


def test_title_of_the_profile_names_the_best_at_the_limit():
    chart = figures.throughput_against_tpot({0: SLOW, 1: FAST}, 0.05, per_accelerator=True)
    assert words(chart.title) == (
        "At 50 ms per token H100 SXM gives most, 800 tokens/s per accelerator at batch 64, bound "
        "by kv; 4.0 times L4"
    )
    whole = figures.throughput_against_tpot({0: SLOW, 1: FAST}, 0.05, per_accelerator=False)
    assert "1,600 tokens/s per replica" in whole.title
    none = figures.throughput_against_tpot(
        {0: replace(FAST, chosen=None)}, 0.001, per_accelerator=True
    )
    assert "none keeps the limits at 1 ms" in words(none.title)


def test_lines_show_provenance_and_the_band_scales_time_both_ways():
    chart = figures.throughput_against_tpot({0: FAST, 3: SLOW}, 0.05, per_accelerator=False)
    areas, lines = (
        chart.figure.data[:2],
        [t for t in chart.figure.data if t.mode == "lines+markers"],
    )
    assert [line.line.dash for line in lines] == ["solid", "dash"]
    assert [line.line.color for line in lines] == [figures.SERIES[0], figures.SERIES[3]]
    assert list(lines[0].x) == [10.0, 40.0]
    assert list(areas[0].x) == pytest.approx([12.5, 50.0, 32.0, 8.0])
    assert list(areas[0].y) == pytest.approx([80.0, 1280.0, 2000.0, 125.0])
    told = words(lines[1].customdata[1])
    assert "0.500 J per output token, 0.200 of it prefill; 400 W (assumed)" in told
    assert "bound by kv" in told
    assert "speed inherited" in told


def test_power_is_marked_where_nobody_measured_the_like():
    assert figures.power_words(FAST, FULL) == "calibrated"
    assert figures.power_words(FAST, replace(FULL, power_fitted=False)) == "outside the fit"
    assert figures.power_words(SLOW, FULL) == "assumed"


def test_series_colours_are_none_of_the_concepts():
    from app import figures as shared

    concepts = {
        shared.OPERATIONAL, shared.EMBODIED, shared.PREFILL, shared.DECODE, shared.OURS,
        shared.MORE, shared.BASELINE,
    }  # fmt: skip
    assert not concepts & set(figures.SERIES)
    assert len(set(figures.SERIES)) == 4


def test_ones_own_rows_have_a_mark_of_their_own_whatever_their_source():
    own = replace(CHECK, is_own=True, in_fit=False)
    chart = figures.predicted_against_measured([CHECK, own], ["bench"])
    theirs, yours = chart.figure.data[2:]
    assert (theirs.name, yours.name) == ("bench", figures.YOURS)
    assert (yours.marker.symbol, yours.marker.color) == ("star-open", figures.OWN_COLOUR)
    assert yours.marker.size > theirs.marker.size
    assert "yours" in yours.customdata[0]
    assert figures.OWN_COLOUR not in figures.SERIES
