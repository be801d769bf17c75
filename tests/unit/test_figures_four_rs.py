"""The charts of the Four Rs page say what was found, with its number."""

from __future__ import annotations

import pytest

from app import figures_four_rs as figures
from app.figures_four_rs import LeverWorth, RecycleBar
from app.text import NARROW_SPACE
from ecoserve.ablations import WaterfallStep
from ecoserve.analysis.reduce import ReduceSplit


def step(name: str, t: float, usd: float = 30.0, *, within: bool = False) -> WaterfallStep:
    return WaterfallStep(
        step=name,
        kgco2e_per_year=1000.0 * t,
        usd_per_h=usd,
        within_gap=within,
        worth_range_kgco2e_per_year=(500.0, 9000.0),
    )


STEPS = (
    step("cost as sold", 50.0),
    step("rightsize", 44.0, 33.0),
    step("reuse", 44.0, 33.0, within=True),
    step("shift", 40.0, 35.5),
    step("park", 39.0, 35.0, within=True),
)
RECYCLE = RecycleBar(kgco2e_per_year=2000.0, ratio=0.04, horizon_years=10)


def words(text: str) -> str:
    return text.replace(NARROW_SPACE, " ").replace("<br>", " ")


def texts(chart) -> list[str]:
    return [words(note.text) for note in chart.figure.layout.annotations]


def test_the_finding_names_the_whole_fall_and_its_largest_step():
    assert words(figures.waterfall_title(STEPS)) == (
        "All levers take 22.0 % off the cheapest fleet as sold, Rightsize most: 6.00 t of 11.0 t"
    )


def test_a_largest_step_within_the_gap_is_called_so():
    steps = (step("cost as sold", 50.0), step("reduce", 48.0, within=True))
    assert words(figures.waterfall_title(steps)).endswith("2.00 t of 2.00 t, within the gap")
    chart = figures.waterfall(steps, None)
    assert "every single bar lies within the gap" in words(chart.title)


def test_no_fall_is_said_to_be_none():
    steps = (step("cost as sold", 50.0), step("reduce", 50.0, within=True))
    assert "take nothing off" in figures.waterfall_title(steps)


def test_bars_hang_where_the_step_before_ends():
    bars = figures.waterfall(STEPS, RECYCLE).figure.data
    assert [bar.x[0] for bar in bars] == pytest.approx([50, 6, 0, 4, 1, 39, 2])
    assert [bar.base[0] for bar in bars[1:5]] == pytest.approx([44, 44, 40, 39])
    # The fall from the first bar to the last is what the steps take off.
    assert bars[0].x[0] - sum(bar.x[0] for bar in bars[1:5]) == pytest.approx(bars[5].x[0])


def test_only_bars_within_the_gap_are_hatched_and_say_so():
    chart = figures.waterfall(STEPS, RECYCLE)
    shapes = [bar.marker.pattern.shape for bar in chart.figure.data[1:5]]
    assert shapes == [None, "/", None, "/"]
    assert ["within the gap" in text for text in texts(chart)] == [False, True, False, True]


def test_money_stands_beside_shift_and_park_only():
    said = texts(figures.waterfall(STEPS, RECYCLE))
    assert said == [
        "−6.00 t", "0 t, within the gap", "−4.00 t, +2.50 USD/h",
        "−1.00 t, −0.500 USD/h, within the gap",
    ]  # fmt: skip


def test_recycle_is_an_outline_below_and_not_in_the_fall():
    chart = figures.waterfall(STEPS, RECYCLE)
    bar = chart.figure.data[-1]
    assert bar.marker.color == "rgba(0,0,0,0)"
    assert "10 years" in bar.y[0]
    assert "Recycle" in chart.alt
    assert "Recycle" not in figures.waterfall(STEPS, None).alt
    assert len(figures.waterfall(STEPS, None).figure.data) == 6


def worth(lever: str, alone, missing, open_kg: float = 100.0) -> LeverWorth:
    return LeverWorth(
        lever=lever,
        alone_kgco2e_per_year=alone,
        alone_open_kgco2e_per_year=open_kg,
        missing_kgco2e_per_year=missing,
        missing_open_kgco2e_per_year=open_kg,
    )


def test_levers_alone_and_missing_are_two_bars_hatched_by_themselves():
    chart = figures.lever_worths(
        [worth("rightsize", 900.0, None), worth("reduce", 50.0, 400.0), worth("park", 0.0, 90.0)]
    )
    alone, missing = chart.figure.data
    assert list(alone.x) == [900.0, 50.0, 0.0]
    assert list(missing.x) == [None, 400.0, 90.0]
    assert list(alone.marker.pattern.shape) == ["", "/", "/"]
    assert list(missing.marker.pattern.shape) == ["", "", "/"]
    assert words(chart.title) == "Reduce is missed most: 400 kg more without it"
    assert "missing unknown" in chart.alt


def test_no_lever_beyond_the_gap_is_said():
    chart = figures.lever_worths([worth("reduce", 50.0, 60.0)])
    assert "No single lever" in chart.title


def test_reduce_is_split_into_electricity_and_making():
    split = ReduceSplit(
        site="home", server="big", variant="trimmed", count=2, dram_gb=512.0, ssd_gb=1000.0,
        wall_w=40.0, operational_kgco2e_per_year=300.0, embodied_kgco2e_per_year=100.0,
        usd_per_h=0.1,
    )  # fmt: skip
    chart = figures.reduce_halves([split], {"big": "Big & co"})
    operational, embodied = chart.figure.data
    assert (operational.x[0], embodied.x[0]) == (300.0, 100.0)
    assert (operational.marker.color, embodied.marker.color) == ("#E69F00", "#0072B2")
    assert words(chart.title).startswith("25.0 % of what Reduce leaves out is making")
    assert "Big &amp; co" in operational.y[0]


def test_what_ifs_go_left_for_less_and_right_for_more():
    chart = figures.what_ifs({"fp8 were accepted": -0.5, "on the moon": None, "coal": 0.25})
    (bars,) = chart.figure.data
    assert list(bars.x) == [-50.0, 25.0]
    assert list(bars.marker.color) == ["#009E73", "#D55E00"]
    assert words(chart.title) == "−50.0 % carbon if fp8 were accepted"
