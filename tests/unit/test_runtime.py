"""Plans of the tiny world, replayed: nothing is lost, meters add up, deadlines are counted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecoserve.plan import Plan
from ecoserve.planner import plan_fleet
from ecoserve.request_tally import LogTally
from ecoserve.restriction import ANYWHERE, Restriction
from ecoserve.runtime.deployment import deploy
from ecoserve.runtime.offline import CarbonAware, Outlook
from ecoserve.runtime.promise import peak_rps
from ecoserve.runtime.readings import replay
from ecoserve.runtime.repair import repair
from ecoserve.runtime.replay import Settings
from ecoserve.runtime.result import Replay, replay_record
from ecoserve.runtime.saving import scheduling_saving
from ecoserve.runtime.trace import (
    Arrival,
    LogOrder,
    TraceError,
    beside,
    drawn,
    from_log,
    scaled,
    window_factor,
)
from ecoserve.scenario import Scenario
from tests.builders import offline, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
SCENARIOS = {
    "mixed": (tiny_scenario(online(mix="two")), ANYWHERE),
    "apart": (tiny_scenario(online(mix="two")), Restriction(mixed_on=())),
    "many": (
        tiny_scenario(online(rate_rps=150.0), policy={"coefficients": "round", "min_replicas": 1}),
        ANYWHERE,
    ),
    "batch": (
        tiny_scenario(
            online(mix="two", rate_rps=1.0),
            offline(rate_rps=1.0, deadline_h=8),
            levers={"phases_apart": False},
        ),
        ANYWHERE,
    ),
}


@cache
def planned(name: str) -> tuple[Plan, Scenario]:
    scenario, restriction = SCENARIOS[name]
    return plan_fleet(scenario, CATALOG, "quick", restriction=restriction), scenario


def traffic(name: str, hours: float = 0.1, seed: int = 1, start_h: float = 0.0) -> list[Arrival]:
    plan, scenario = planned(name)
    demands = deploy(plan, scenario, CATALOG).demands
    return list(drawn(demands, start_h=start_h, duration_s=3600 * hours, burst=1.3, seed=seed))


def replayed(name: str, rows: Sequence[Arrival], **changes: object) -> Replay:
    plan, scenario = planned(name)
    return replay(plan, scenario, CATALOG, iter(rows), replace(Settings(), **changes))


@pytest.mark.parametrize(
    "routing", ["packed", "plan", "shortest_queue", "splitwise", "round_robin"]
)
@pytest.mark.parametrize("name", ["mixed", "apart", "batch"])
def test_every_request_is_served_or_counted(name, routing):
    rows = traffic(name)
    seen = replayed(name, rows, routing=routing, offline="spare", carry_in=False, drain=True)
    assert sum(w.requests for w in seen.workloads) == len(rows)
    for number, workload in enumerate(seen.workloads):
        mine = [row for row in rows if row[1] == number]
        assert (workload.served, workload.unserved, workload.deferred) == (len(mine), 0, 0)
        assert workload.mean_isl_tokens * len(mine) == pytest.approx(sum(r[2] for r in mine))
        assert workload.mean_osl_tokens * len(mine) == pytest.approx(sum(r[3] for r in mine))


arrivals = st.tuples(st.floats(0, 60), st.integers(0, 1), st.integers(1, 4000), st.integers(1, 400))


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(arrivals, min_size=1, max_size=80), policy=st.sampled_from(["carbon", "spare"])
)
def test_nothing_is_lost_whatever_comes(rows, policy):
    seen = replayed("batch", sorted(rows), offline=policy, carry_in=False)
    for number, workload in enumerate(seen.workloads):
        asked = sum(1 for row in rows if row[1] == number)
        assert workload.served + workload.deferred + workload.too_long == asked


def test_the_same_seed_gives_the_same_replay():
    rows = traffic("batch")
    assert replay_record(replayed("batch", rows)) == replay_record(replayed("batch", rows))
    assert traffic("batch") == rows != traffic("batch", seed=2)


def test_littles_law():
    # Time spent over the time passed = mean of those waiting and running, counted by minute.
    seen = replayed("apart", traffic("apart", hours=0.5))
    (chat,) = seen.workloads
    in_line = np.mean(seen.minutes.running) + np.mean(seen.minutes.waiting)
    assert in_line == pytest.approx(chat.in_system, rel=0.1)


@pytest.mark.parametrize("name", ["mixed", "apart", "batch"])
def test_energy_is_power_over_time(name):
    seen = replayed(name, traffic(name), offline="spare", carry_in=False, duration_s=360.0)
    pue, minute_h = 1.25, 1 / 60
    by_minute = sum(seen.minutes.it_power_kw) * minute_h * pue
    # Work that ends behind the last minute is in the totals only.
    assert by_minute == pytest.approx(seen.totals.facility_energy_kwh, rel=0.02)
    layers = np.sum([layer.it_power_kw for layer in seen.layers], axis=0)
    assert layers == pytest.approx(seen.minutes.it_power_kw)
    standing = next(layer for layer in seen.layers if layer.kind == "standing")
    above = sum(w.facility_energy_kwh for w in seen.workloads)
    rest = sum(standing.it_power_kw) * minute_h * pue
    assert above + rest == pytest.approx(seen.totals.facility_energy_kwh)
    grams = np.array(seen.minutes.it_power_kw) * pue * minute_h * seen.minutes.gco2e_per_kwh
    assert np.array(seen.minutes.kgco2e) == pytest.approx(grams / 1000)


def test_an_idle_fleet_draws_what_the_plan_says_it_draws_idle():
    plan, _ = planned("apart")
    seen = replayed("apart", [(0.0, 0, 1, 1)], duration_s=3600.0)
    standing = [load for load in plan.site_days[0].loads if load.kind == "standing"]
    kwh = sum(load.it_power_kw[0] for load in standing) * 1.25
    assert seen.totals.facility_energy_kwh == pytest.approx(kwh, rel=1e-4)


def test_the_planned_hours_are_the_plans():
    plan, _ = planned("batch")
    seen = replayed("batch", [(0.0, 0, 1, 1)], start_h=7.5, duration_s=5400.0)
    kw = plan.site_days[0].hourly.it_power_kw
    kwh = 1.25 * (0.5 * kw[7] + kw[8])
    assert seen.planned.facility_energy_kwh == pytest.approx(kwh)
    assert seen.planned.embodied_kgco2e == pytest.approx(plan.embodied_kgco2e_per_year * 1.5 / 8760)


def test_a_request_larger_than_every_memory_is_counted_not_served():
    seen = replayed("apart", [(0.0, 0, 10**7, 10), (1.0, 0, 100, 10)])
    (chat,) = seen.workloads
    assert (chat.requests, chat.served, chat.too_long, chat.unserved) == (2, 1, 1, 1)
    assert chat.attainment == 0.5


def test_offline_work_waits_for_clean_hours_and_keeps_its_deadline():
    # The sunny grid is clean from 10 to 16 h; work of the morning has eight hours.
    plan, scenario = planned("batch")
    rows = traffic("batch", hours=4.0, start_h=8.0)

    def again() -> list[Arrival]:
        return rows

    day = Settings(start_h=8.0, duration_s=4 * 3600.0)
    saved = scheduling_saving(plan, scenario, CATALOG, again, day)
    assert saved.aware.deadline_misses == saved.aware.started_late == 0
    assert saved.aware.workload("batch").served == saved.blind.workload("batch").served
    assert saved.ratio > 0.3
    assert saved.aware.minutes.deferred[100] > 0 == saved.blind.minutes.deferred[100]


def test_work_that_cannot_keep_its_deadline_is_counted():
    # A burst of 8,000 prompts at once, far beyond what starts within the hour.
    scenario = tiny_scenario(
        online(mix="two", rate_rps=4.0), offline(rate_rps=2.0, deadline_h=1),
        levers={"phases_apart": False},
    )  # fmt: skip
    plan = plan_fleet(scenario, CATALOG, "quick")
    rows = [(0.0, 1, 4000, 2000)] * 8_000
    for policy in ("at_once", "spare", "carbon"):
        chosen = Settings(offline=policy, duration_s=60.0, drain=True, carry_in=False)
        seen = replay(plan, scenario, CATALOG, rows, chosen).workload("batch")
        assert seen.served + seen.unserved == 8_000
        assert seen.deadline_misses > 0


def test_carbon_aware_policy_fills_the_cleanest_hours_first():
    # Ten requests due within the first hour, thirty within three; room for twenty an hour.
    outlook = Outlook(
        due_by_hour=np.array([10.0, 0.0, 30.0]), from_hour=np.zeros(3),
        room=np.full(3, 20.0), gco2e_per_kwh=np.array([300.0, 200.0, 100.0]),
    )  # fmt: skip
    assert CarbonAware().plan(outlook) == pytest.approx([10.0, 10.0, 20.0])


def test_what_finds_no_room_before_its_deadline_starts_now():
    outlook = Outlook(
        due_by_hour=np.array([0.0, 50.0]), from_hour=np.zeros(2), room=np.full(2, 20.0),
        gco2e_per_kwh=np.array([100.0, 300.0]),
    )  # fmt: skip
    assert CarbonAware().plan(outlook) == pytest.approx([30.0, 20.0])


def test_drawn_traffic_has_the_rate_and_the_lengths_of_the_scenario():
    plan, scenario = planned("apart")
    demands = deploy(plan, scenario, CATALOG).demands
    rows = list(drawn(demands, start_h=0.0, duration_s=7200.0, burst=1.0, seed=1))
    assert len(rows) / 7200 == pytest.approx(40.0, rel=0.05)
    assert np.mean([row[2] for row in rows]) == pytest.approx(1500.0, rel=0.01)
    assert np.mean([row[3] for row in rows]) == pytest.approx(250.0, rel=0.01)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)


@pytest.mark.parametrize("burst", [1.0, 1.3, 5.0])
def test_bursts_have_mean_one_and_a_ceiling(burst):
    rng = np.random.default_rng(0)
    factors = [window_factor(burst, rng) for _ in range(20_000)]
    assert np.mean(factors) == pytest.approx(1.0, abs=0.03)
    assert max(factors) <= burst


def log_batches(times: Sequence[float], size: int = 10_000, lengths: float = 10.0):
    """A log's good requests, as its reader gives them."""
    tally = LogTally()
    for start in range(0, len(times), size):
        part = np.array(times[start : start + size], dtype=float)
        n = len(part)
        yield tally.add(
            np.arange(n), part, np.full(n, lengths), np.full(n, lengths),
            is_blank=np.zeros(n, dtype=bool), text_of=str,
        )  # fmt: skip


def test_unsorted_logs_are_put_in_order_and_counted():
    order = LogOrder()
    rows = list(from_log(log_batches([5.0, 3.0, 9.0, 7.0]), 0, speed=2.0, order=order))
    assert [row[0] for row in rows] == [0.0, 1.0, 2.0, 3.0]
    assert (order.n_out_of_order, order.n_too_late) == (2, 0)


def test_rows_too_far_from_their_place_count_where_they_stand():
    times = [*np.linspace(100.0, 200.0, 500_000), 0.0]
    order = LogOrder()
    rows = list(from_log(log_batches(times), 0, order=order))
    assert (len(rows), order.n_out_of_order, order.n_too_late) == (500_001, 1, 1)
    assert all(earlier[0] <= later[0] for earlier, later in itertools.pairwise(rows))


def test_a_log_without_times_cannot_be_replayed():
    (batch,) = log_batches([1.0])
    with pytest.raises(TraceError, match="no times"):
        list(from_log([replace(batch, arrival_s=None)], 0, order=LogOrder()))


def test_other_workloads_are_drawn_as_long_as_the_log_lasts():
    log = [(1.0, 0, 1, 1), (2.0, 0, 1, 1)]
    others = iter([(0.5, 1, 1, 1), (1.5, 1, 1, 1), (2.5, 1, 1, 1)])
    assert [row[0] for row in beside(log, others)] == [0.5, 1.0, 1.5, 2.0]


@pytest.mark.parametrize("ratio", [0.3, 1.0, 3.7])
def test_scaled_traffic_has_so_many_more_requests_in_order(ratio):
    rows = traffic("mixed")
    more = list(scaled(rows, ratio, seed=1))
    assert len(more) / len(rows) == pytest.approx(ratio, rel=0.05)
    assert [row[0] for row in more] == sorted(row[0] for row in more)
    assert {row[2:] for row in more} <= {row[2:] for row in rows}
    assert more == list(scaled(rows, ratio, seed=1))


def test_more_traffic_than_planned_is_named_as_a_burst():
    rows = [(t / 3, w, isl, osl) for t, w, isl, osl in traffic("mixed", hours=0.5)]
    seen = replayed("mixed", rows)
    gap = next(gap for gap in seen.gaps if gap.workload == "chat")
    assert not gap.within_tolerance
    assert gap.reasons[0].code == "burst"
    assert "planned for 52, burst included" in gap.reasons[0].message
    energy = next(gap for gap in seen.gaps if gap.quantity == "facility_energy_kwh")
    volume = next(reason for reason in energy.reasons if reason.code == "volume")
    assert volume.amount > 0
    assert sum(reason.amount for reason in energy.reasons) == pytest.approx(
        energy.replayed - energy.planned, abs=0.05 * energy.planned
    )


def test_peak_is_that_of_five_minutes():
    assert peak_rps([600, 0, 0, 0, 0, 0]) == pytest.approx(2.0)


def test_more_headroom_repairs_a_plan_that_misses():
    plan, scenario = planned("many")
    rows = [(t / 2.0, w, isl, osl) for t, w, isl, osl in traffic("many", hours=0.05)]
    mended = repair(plan, scenario, CATALOG, lambda: rows, Settings(), "quick")
    assert not mended.rounds[0].replay.meets_slos
    assert mended.last.replay.meets_slos
    assert not mended.gave_up
    assert mended.last.headroom > mended.rounds[0].headroom
    assert mended.cost_kgco2e_per_year > 0


def test_offline_work_runs_on_the_spare_half_of_host_cpus():
    # CPUs draw no more when busy, so the plan puts the batch there; half of a socket is spare.
    catalog = tiny_catalog(host_power={"cpu_busy_ratio": 0.3})
    scenario = tiny_scenario(online(), offline(rate_rps=2.0), levers={"phases_apart": False})
    plan = plan_fleet(scenario, catalog, "quick")
    deployed = deploy(plan, scenario, catalog)
    hosts = next(pool for pool in deployed.pools if pool.role == "host_cpu")
    rows = drawn(deployed.demands, start_h=10.0, duration_s=600.0, burst=1.0, seed=1)
    chosen = Settings(start_h=10.0, duration_s=600.0, offline="spare", carry_in=False)
    seen = replay(plan, scenario, catalog, rows, chosen)
    assert seen.workload("batch").served > 0.9 * seen.workload("batch").requests
    assert seen.workload("batch").facility_energy_kwh == 0.0
    pool = next(pool for pool in seen.pools if pool.role == "host_cpu")
    assert pool.utilisation > 0
    assert hosts.pace.coefficients(1, 0.0)[0] == pytest.approx(2 * 0.0213, rel=0.01)


def test_servers_wake_before_their_hour():
    # Two Big servers from 4 h on, one before: the second wakes 100 s earlier.
    scenario = tiny_scenario(
        online(rate_rps=150.0, profile="peaked"), levers={"park": True}, policy={"min_replicas": 1}
    )
    plan = plan_fleet(scenario, CATALOG, "quick")
    (entry,) = plan.fleet
    on = entry.on_by_hour
    hour = next(h for h in range(1, 24) if on[h] > on[h - 1])
    asked = Settings(start_h=hour - 1.0, duration_s=3600.0)
    seen = replay(plan, scenario, CATALOG, [(0.0, 0, 1, 1)], asked)
    parked_kw, on_kw = 0.02, 1.3125
    standing = on[hour - 1] * on_kw + (entry.count - on[hour - 1]) * parked_kw
    waking = (on[hour] - on[hour - 1]) * (on_kw - parked_kw) * 100 / 3600
    assert seen.totals.facility_energy_kwh == pytest.approx(1.25 * (standing + waking), rel=1e-4)
    assert seen.minutes.it_power_kw[-1] > seen.minutes.it_power_kw[-3]


def test_a_log_of_nothing_is_a_replay_of_nothing():
    seen = replayed("mixed", [])
    (chat,) = seen.workloads
    assert (chat.requests, chat.attainment, seen.simulated_s) == (0, None, 0.0)
    assert seen.totals.facility_energy_kwh == seen.planned.facility_energy_kwh == 0.0
