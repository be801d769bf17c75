"""Traffic: clocks, shares of tokens and deadlines, on paper."""

from __future__ import annotations

import numpy as np
import pytest

from ecoserve.demand import (
    WorkloadDemand,
    hourly_rates_rps,
    hours_from_arrival,
    local_ratio,
    workload_demands,
)
from tests.builders import offline, online, profile, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()


def demands(*workloads, **parts) -> tuple[WorkloadDemand, ...]:
    return workload_demands(tiny_scenario(*workloads, **parts), CATALOG)


def test_hours_of_utc_become_local_hours_at_utc_minus_8():
    # The only busy hour is 20 h UTC: noon at the site.
    busy = profile("p", [1.0] * 20 + [25.0] + [1.0] * 3)
    (ratio,) = local_ratio(busy, -8)
    assert int(np.argmax(ratio)) == 12
    # Mean (25 + 23) / 24 = 2: 12.5 and 0.5
    assert ratio[12] == pytest.approx(12.5)
    assert ratio[11] == pytest.approx(0.5)


def test_a_profile_on_the_sites_own_clock_is_not_moved():
    ratios = [float(h + 1) for h in range(24)]
    (moved,) = local_ratio(profile("p", ratios, utc_offset_h=-8), -8)
    assert moved * 12.5 == pytest.approx(ratios)


def test_the_mean_of_the_ratio_is_one():
    # Twelve hours of 1 and twelve of 3: 0.5 and 1.5
    (demand,) = demands(online(profile="peaked"))
    assert demand.hourly_ratio.mean() == pytest.approx(1.0)
    assert sorted(set(demand.hourly_ratio.tolist())) == pytest.approx([0.5, 1.5])
    # Noon to midnight UTC is 4 to 15 h at UTC-8.
    assert np.flatnonzero(demand.hourly_ratio > 1).tolist() == list(range(4, 16))


def test_a_week_has_a_mean_day_and_a_busiest_day():
    # Mondays 3 at every hour, other days 1: mean 9/7. Mean day 1, Monday 7/3 of the mean.
    week = profile("week", [3.0] * 24 + [1.0] * 144)
    catalog = tiny_catalog(week)
    (demand,) = workload_demands(tiny_scenario(online(profile="week")), catalog)
    at_site = demand.hourly_ratio
    assert at_site.mean() == pytest.approx(1.0)
    assert demand.peak_ratio.tolist() == pytest.approx([7 / 3] * 24)


def test_a_weeks_busy_hours_move_with_the_clock_across_midnight():
    # Monday 00:00 UTC is Sunday 16:00 at UTC-8.
    ratio = local_ratio(profile("week", [8.0] + [1.0] * 167), -8)
    assert ratio.shape == (7, 24)
    assert np.unravel_index(np.argmax(ratio), ratio.shape) == (6, 16)


def test_one_day_is_its_own_busiest_day():
    (demand,) = demands(online(profile="peaked"))
    assert demand.peak_ratio.tolist() == demand.hourly_ratio.tolist()


def test_rates_are_cut_by_the_mix():
    (demand,) = demands(online(mix="two", rate_rps=40.0))
    assert demand.rate_rps.tolist() == pytest.approx([30.0, 10.0])
    assert demand.fraction.tolist() == pytest.approx([0.75, 0.25])


def test_a_token_share_is_a_share_of_all_tokens_in_and_out():
    # Chat: 10/s of 1,200 tokens = 12,000 tokens/s = 70 % of all, so all are 17,142.857 and the
    # batch's 30 % 5,142.857; at 0.75 x 1,200 + 0.25 x 3,400 = 1,750 tokens each: 2.9387755/s.
    chat, batch = demands(online(rate_rps=10.0), offline(mix="two", rate_rps=None, token_share=0.3))
    assert chat.rate_rps.sum() == pytest.approx(10.0)
    assert batch.rate_rps.sum() == pytest.approx(2.9387755)


def test_two_token_shares_are_shares_of_the_same_total():
    # 12,000 tokens/s are the remaining half: 0.2 and 0.3 of 24,000 at 1,200 each: 4/s and 6/s
    _, first, second = demands(
        online(rate_rps=10.0),
        offline("a", rate_rps=None, token_share=0.2),
        offline("b", rate_rps=None, token_share=0.3),
    )
    assert first.rate_rps.sum() == pytest.approx(4.0)
    assert second.rate_rps.sum() == pytest.approx(6.0)


def test_a_workload_at_rate_zero_is_left_out_and_others_keep_their_place():
    (only,) = demands(online("off", rate_rps=0.0), online("on", rate_rps=5.0))
    assert (only.workload.name, only.index) == ("on", 1)


def test_output_tokens_of_a_year():
    # 40/s x 200 tokens x 3,600 x 8,760
    (demand,) = demands(online(rate_rps=40.0))
    assert demand.output_tokens_per_year == pytest.approx(252_288_000_000.0)


def test_rates_by_local_hour():
    rates = hourly_rates_rps(tiny_scenario(online(profile="peaked", rate_rps=40.0)), CATALOG)
    assert rates["chat"][3:5].tolist() == pytest.approx([20.0, 60.0])


def test_slices_are_named_by_their_lengths():
    (demand,) = demands(online(mix="two"))
    assert demand.slice_name(1) == "chat, 3000 tokens in, 400 out"


def test_deadline_hours_go_round_the_day():
    open_hours = hours_from_arrival(3)
    assert np.flatnonzero(open_hours[5]).tolist() == [5, 6, 7]
    assert np.flatnonzero(open_hours[23]).tolist() == [0, 1, 23]
    assert open_hours.sum() == 72
    assert hours_from_arrival(1).tolist() == np.eye(24, dtype=bool).tolist()
    assert hours_from_arrival(24).all()
