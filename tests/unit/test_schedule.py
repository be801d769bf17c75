"""The planned day in its layers, and what moving offline work is worth, on paper."""

from __future__ import annotations

import numpy as np
import pytest

from ecoserve.plan import HourlyLoad, HourlySeries, Plan, SiteDay
from ecoserve.planner import plan_fleet
from ecoserve.schedule import offline_days, shortest_stretch
from tests.builders import offline, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
NOON = (0.0,) * 12 + (6.0, 6.0) + (0.0,) * 10
EVEN = (0.5,) * 24
HOURS = (400.0,) * 12 + (100.0, 100.0) + (400.0,) * 10


def day(site: str = "here", runs: tuple[float, ...] = NOON, pue: float = 1.25) -> SiteDay:
    load = HourlyLoad(
        kind="offline", side="accelerator", part="serving", workload="batch",
        it_power_kw=runs, as_it_arrives_kw=EVEN,
    )  # fmt: skip
    hourly = HourlySeries(
        gco2e_per_kwh=HOURS, it_power_kw=runs, online_it_power_kw=(0.0,) * 24,
        offline_it_power_kw=runs,
    )  # fmt: skip
    return SiteDay(site=site, pue=pue, hourly=hourly, loads=(load,))


def planned(**levers: bool) -> Plan:
    work = (online(profile="peaked"), offline())
    return plan_fleet(tiny_scenario(*work, levers=levers), CATALOG, "quick")


def test_moved_work_is_worth_its_energy_times_the_difference_of_the_intensities():
    # 12 kWh a day behind a PUE of 1.25: at noon 100 g/kWh, spread out (22 x 400 + 2 x 100) / 24.
    (work,) = offline_days([day()])
    assert work.runs_kgco2e_per_year == pytest.approx(365 * 12 * 1.25 * 0.1)
    assert work.arrives_kgco2e_per_year == pytest.approx(365 * 12 * 1.25 * 0.375)
    assert work.saved_kgco2e_per_year == pytest.approx(365 * 12 * 1.25 * 0.275)
    assert work.less_per_kwh == pytest.approx(0.275 / 0.375)
    assert work.hours == (12, 14)
    assert work.share_in_hours == 1.0
    # Of what runs at noon, two hours of twenty-four arrive then.
    assert work.moved == pytest.approx(22 / 24)


def test_a_workload_of_two_sites_is_one_row_with_the_carbon_of_both():
    (both,) = offline_days([day(), day("there", EVEN, pue=1.0)])
    assert both.runs_kw == pytest.approx(np.array(NOON) + 0.5)
    assert both.runs_kgco2e_per_year == pytest.approx(365 * 12 * (1.25 * 0.1 + 0.375))
    assert both.saved_kgco2e_per_year == pytest.approx(365 * 12 * 1.25 * 0.275)


def test_hours_are_those_in_which_more_runs_than_arrives():
    # A third of the work runs evenly, 4 kWh; the rest at 22 to 2 h, 2 kW more.
    night = (2.0 + 1 / 6,) * 2 + (1 / 6,) * 20 + (2.0 + 1 / 6,) * 2
    (work,) = offline_days([day(runs=night)])
    assert work.hours == (22, 2)
    assert work.share_in_hours == pytest.approx((8 + 4 / 6) / 12)
    (twice,) = offline_days([day(runs=(3.0,) * 2 + (0.0,) * 10 + (3.0,) * 2 + (0.0,) * 10)])
    assert twice.hours == (0, 14)


def test_work_that_stays_where_it_arrives_saves_nothing():
    (work,) = offline_days([day(runs=EVEN)])
    assert work.saved_kgco2e_per_year == work.less_per_kwh == work.moved == 0.0


@pytest.mark.parametrize(
    ("by_hour", "wanted"),
    [
        ([0.0] * 22 + [1.0, 1.0], (22, 0)),
        ([1.0] + [0.0] * 22 + [1.0], (23, 1)),
        ([1.0] * 24, (0, 22)),  # nine tenths of a flat day: 21.6 hours
        ([0.0] * 5 + [9.0, 1.0] + [0.0] * 17, (5, 6)),
    ],
)
def test_stretch_holds_nine_tenths_of_the_work(by_hour: list[float], wanted: tuple[int, int]):
    assert shortest_stretch(np.array(by_hour), 0.9) == wanted


def test_layers_of_a_plan_add_up_to_its_power_and_name_workload_and_side():
    plan = planned(park=True)
    (here,) = plan.site_days
    together = np.sum([load.it_power_kw for load in here.loads], axis=0)
    assert here.hourly.it_power_kw == pytest.approx(together)
    named = {(load.kind, load.side, load.workload) for load in here.loads}
    assert named >= {
        ("online", "accelerator", "chat"),
        ("offline", "accelerator", "batch"),
        ("standing", "accelerator", ""),
        ("standing", "host", ""),
    }
    # The account books the same kilowatt-hours, and takes the facility's overhead apart.
    carbon = {side: 0.0 for side in ("accelerator", "host")}
    for load in here.loads:
        grams = np.array(load.it_power_kw) @ np.array(here.hourly.gco2e_per_kwh)
        carbon[load.side] += 365 * float(grams) / 1000
    booked = plan.carbon_by("kind", "side")
    for side, kg in carbon.items():
        assert booked[f"operational {side}"] == pytest.approx(kg)


def test_offline_work_arrives_evenly_and_runs_at_the_clean_hours_unless_shift_is_off():
    (moved,) = offline_days(planned().site_days)
    assert moved.arrives_kw == pytest.approx(np.full(24, moved.runs_kw.mean()))
    # The grid's hours from 10 to 15 are those of the site; the users' clock is the site's own.
    clean = moved.runs_kw[np.array(planned().hourly.gco2e_per_kwh) == 100.0]
    assert clean.sum() == pytest.approx(moved.runs_kw.sum())
    (kept,) = offline_days(planned(shift=False).site_days)
    assert kept.saved_kgco2e_per_year == kept.moved == 0.0
