"""The charts of the schedule page: layers, findings with their numbers, servers by hour."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app import figures_schedule as figures
from app.text import NARROW_SPACE
from ecoserve.plan import FleetEntry, HourlyLoad, HourlySeries, SiteDay
from ecoserve.schedule import offline_days

NOON = (0.0,) * 12 + (6.0, 6.0) + (0.0,) * 10
GRID = (400.0,) * 12 + (100.0, 100.0) + (400.0,) * 10


def load(
    kind: str, workload: str = "", kw: tuple[float, ...] = (1.0,) * 24, **changes
) -> HourlyLoad:
    row = HourlyLoad(
        kind=kind, side="accelerator", part="serving", workload=workload,  # type: ignore[arg-type]
        it_power_kw=kw, as_it_arrives_kw=(sum(kw) / 24,) * 24,
    )  # fmt: skip
    return replace(row, **changes)


def day(*loads: HourlyLoad, pue: float = 1.25, grid: tuple[float, ...] = GRID) -> SiteDay:
    drawn = tuple(sum(kws) for kws in zip(*(row.it_power_kw for row in loads), strict=True))
    hourly = HourlySeries(
        gco2e_per_kwh=grid, it_power_kw=drawn, online_it_power_kw=drawn, offline_it_power_kw=drawn
    )
    return SiteDay(site="here", pue=pue, hourly=hourly, loads=loads)


USUAL = day(
    load("standing", side="host", part="on", kw=(2.0,) * 24),
    load("standing", part="idle", kw=(0.5,) * 24),
    load("online", "chat"),
    load("offline", "batch", NOON),
)


def said(words: str) -> str:
    return words.replace(NARROW_SPACE, " ")


def finding(*days: SiteDay) -> str:
    return said(figures.finding(offline_days(days), days))


def test_finding_names_hours_share_of_the_intensity_and_mass():
    # 12 kWh a day x 1.25 x (0.375 - 0.1) kg x 365 = 1,506 kg; 0.275 / 0.375 = 73 %.
    assert finding(USUAL) == (
        "The work of batch runs at 12:00–14:00: a kWh of it carries 73 % less carbon than when "
        "it arrives, 1,510 kg a year less"
    )


@pytest.mark.parametrize(
    ("grid", "kw", "wanted"),
    [
        ((300.0,) * 24, NOON, "a kWh of it carries as much carbon as when it arrives"),
        (GRID, (0.5,) * 24, "The work of batch runs as it arrives"),
        ((100.0,) * 12 + (400.0,) * 12, NOON, "60 % more carbon than when it arrives"),
        (GRID, (0.25,) * 12 + (3.25,) * 2 + (0.25,) * 10, "54 % of the work of batch runs at 12"),
    ],
)
def test_finding_says_what_is_so(grid: tuple[float, ...], kw: tuple[float, ...], wanted: str):
    assert wanted in finding(day(load("offline", "batch", kw), grid=grid))


def test_finding_without_offline_work_tells_how_power_swings():
    busy = day(load("online", "chat", (1.0,) * 9 + (3.0,) + (1.0,) * 14))
    assert finding(busy) == (
        "No work can wait: power follows the requests, from 1.00 kW at 00:00 to 3.00 kW at 09:00"
    )
    assert finding(day(load("online", "chat"))) == (
        "No work can wait: the fleet draws 1.00 kW at all hours"
    )


def test_layers_by_workload_and_by_side_hold_the_same_power_and_the_meter_adds_its_overhead():
    by_workload = figures.layers([USUAL], "workload", at_meter=False)
    assert [(layer.name, layer.is_hatched) for layer in by_workload] == [
        ("on without work, and parked", False),
        ("chat, online", False),
        ("batch, offline", True),
    ]
    hosts, accelerators = figures.layers([USUAL], "side", at_meter=True)
    assert hosts.kw == pytest.approx([2.5] * 24)
    assert accelerators.kw[12] == pytest.approx(1.25 * (0.5 + 1.0 + 6.0))
    assert sum(layer.kw[12] for layer in by_workload) == pytest.approx(9.5)


def test_many_workloads_share_a_layer():
    many = day(*(load("online", f"w{n}", (float(n),) * 24) for n in range(1, 8)))
    drawn = figures.layers([many], "workload", at_meter=False)
    assert [layer.name for layer in drawn] == [
        "w7, online", "w6, online", "w5, online", "4 others, online",
    ]  # fmt: skip
    assert drawn[-1].kw[0] == 1 + 2 + 3 + 4


def test_power_stands_below_the_grid_on_the_same_hours():
    title = figures.power_title([USUAL], GRID, at_meter=False)
    # 100 g against (22 x 400 + 2 x 100) / 24 = 375 g on average.
    assert said(title) == (
        "Power peaks at 12:00 with 9.50 kW, when a kWh carries 73 % less carbon than on average"
    )
    chart = figures.power_by_hour([USUAL], GRID, title, "workload", at_meter=False)
    grid, *stack = chart.figure.data
    assert list(grid.y) == list(GRID)
    assert {bar.xaxis for bar in stack} == {"x2"}
    assert chart.figure.layout.xaxis.matches == "x2"
    assert sum(bar.y[12] for bar in stack) == pytest.approx(9.5)
    assert "batch, offline 0 to 6.00 kW" in chart.alt
    hatched = {bar.name: bool(bar.marker.pattern.shape) for bar in stack}
    assert hatched == {
        "on without work, and parked": False, "chat, online": False, "batch, offline": True,
    }  # fmt: skip


def test_moved_work_is_drawn_as_it_runs_and_as_it_arrives():
    chart = figures.moved_work(offline_days([USUAL]))
    bars, line = chart.figure.data
    assert list(bars.y) == list(NOON)
    assert list(line.y) == [0.5] * 24
    assert said(chart.title) == (
        "92 % of the offline work runs at other hours than it arrives: 1,510 kgCO2e a year less"
    )


@pytest.mark.parametrize(
    ("on", "title"),
    [
        ((3,) * 24, "All 3 servers stay on all day"),
        ((1,) * 8 + (3,) * 16, "2 of 3 servers are parked for 8 h of the day"),
        ((2,) * 8 + (3,) * 16, "1 of 3 servers is parked for 8 h of the day"),
        ((1,) * 8 + (2,) * 8 + (3,) * 8, "Up to 2 of 3 servers are parked, at least one for 16 h"),
    ],
)
def test_servers_are_on_or_parked(on: tuple[int, ...], title: str):
    entry = FleetEntry(site="here", server="a", variant="full", count=3, on_by_hour=on)
    chart = figures.servers_by_hour([entry])
    assert chart.title == title
    drawn = [sum(bar.y[hour] for bar in chart.figure.data) for hour in range(24)]
    assert drawn == [3] * 24


def test_names_are_shown_without_their_markup():
    odd = day(load("offline", "<b>x</b>", NOON))
    chart = figures.power_by_hour([odd], GRID, "t", "workload", at_meter=False)
    assert chart.figure.data[1].name == "&lt;b&gt;x&lt;/b&gt;, offline"
    (heading,) = figures.moved_work(offline_days([odd])).figure.layout.annotations
    assert heading.text == "<b>&lt;b&gt;x&lt;/b&gt;</b>"
