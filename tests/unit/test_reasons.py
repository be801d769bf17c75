"""Why a fleet's members are there, on plans made by hand and on tiny ones that can be followed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.text import NARROW_SPACE, number
from app.why import fleet_whys, why_words
from ecoserve.cost import server_cost
from ecoserve.embodied import server_footprint
from ecoserve.plan import FleetEntry, Plan, Pool, ServedTraffic
from ecoserve.planner import plan_fleet
from ecoserve.reasons import FleetReason, fleet_reasons
from tests.builders import offline, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
SCENARIO = tiny_scenario(
    online(), offline(), policy={"min_replicas": 2, "headroom": 0.2, "burst": 1.25}
)
PLAN = plan_fleet(SCENARIO, CATALOG, "quick")
HOUR = (0.0,) * 23


def traffic(workload: str, share: float, *isl_tokens: float) -> ServedTraffic:
    return ServedTraffic(
        workload=workload, share=share, isl_tokens=(isl_tokens[0], isl_tokens[-1]),
        osl_tokens=(200.0, 200.0),
    )  # fmt: skip


def pool(*served: ServedTraffic, busy: float, taken: float, **changes: Any) -> Pool:
    """On servers with four Big, in one hour of the day."""
    base = replace(
        PLAN.pools[0], site="site", server="own_4x_big", accelerator="big", role="mixed", tp=1,
        workloads=tuple(part.workload for part in served), served=served, replicas=2,
        planned_utilisation=0.8, batch_bound_by="tpot",
        busy_by_hour=(*HOUR, busy), taken_by_hour=(*HOUR, taken),
    )  # fmt: skip
    return replace(base, **changes)


def fleet(count: int, **changes: Any) -> tuple[FleetEntry, ...]:
    entry = FleetEntry(
        site="site", server="own_4x_big", variant="full", count=count, on_by_hour=(count,) * 24
    )
    return (replace(entry, **changes),)


def by_hand(*pools: Pool, count: int = 2, **changes: Any) -> Plan:
    return replace(PLAN, pools=pools, fleet=fleet(count, **changes))


def reason_of(plan: Plan, scenario: Any = SCENARIO) -> FleetReason:
    (reason,) = fleet_reasons(plan, scenario, CATALOG)
    return reason


def test_shares_lengths_and_fullness_add_up_over_pools():
    chat = pool(traffic("chat", 0.6, 1000.0), busy=3.0, taken=4.5)
    first = pool(
        traffic("chat", 0.4, 500.0, 3000.0), busy=0.5, taken=0.75, role="prefill",
        batch_bound_by="one_prompt",
    )  # fmt: skip
    second = pool(traffic("chat", 0.4, 500.0, 3000.0), busy=0.5, taken=0.75, role="decode", tp=2)
    reason = reason_of(by_hand(chat, first, second))
    (served,) = reason.serves
    assert (served.begun, served.finished) == (pytest.approx(1.0), pytest.approx(1.0))
    assert reason.isl_tokens == (500.0, 3000.0)
    assert reason.accelerators == 8
    assert reason.busy_at_peak == pytest.approx((3.0 + 0.5 + 2 * 0.5) / 8)
    assert reason.taken_at_peak == pytest.approx((4.5 + 0.75 + 2 * 0.75) / 8)
    assert reason.batch_bound_by == "tpot"
    assert reason.count_bound_by == "load"


@pytest.mark.parametrize(
    ("taken", "replicas", "count", "bound"),
    [
        ((4.2,), 5, 2, "load"),
        ((1.2, 2.1), 3, 2, "whole_replicas"),
        ((1.2, 1.1), 3, 2, "packing"),
        ((0.3,), 2, 2, "redundancy"),
        ((0.3,), 2, 1, "one"),
    ],
)
def test_what_holds_the_count_is_the_first_that_does(
    taken: tuple[float, ...], replicas: int, count: int, bound: str
):
    served = traffic("chat", 1.0 / len(taken), 1000.0)
    pools = [pool(served, busy=t / 2, taken=t, replicas=replicas) for t in taken]
    assert reason_of(by_hand(*pools, count=count)).count_bound_by == bound


def test_replicas_for_a_failure_are_told_of_the_workload_that_needs_them():
    few = pool(traffic("chat", 1.0, 1000.0), busy=0.2, taken=0.3)
    many = pool(traffic("batch", 1.0, 1000.0), busy=0.2, taken=0.3)
    plan = by_hand(few, many)
    assert reason_of(plan).redundant == ("chat",)
    assert "chat needs 2 replicas in case one fails" in fleet_whys(plan, SCENARIO, CATALOG)[0]
    enough = by_hand(replace(few, taken_by_hour=(*HOUR, 1.5)), many)
    assert reason_of(enough).redundant == ()


def test_pools_kept_emptier_than_the_headroom_asks_are_kept_so_for_their_queues():
    queued = pool(traffic("chat", 1.0, 1000.0), busy=2.0, taken=4.0, planned_utilisation=0.5)
    assert reason_of(by_hand(queued)).kept_for_queues == 0.5
    assert "kept to 50" in why_words(reason_of(by_hand(queued)), SCENARIO)
    other = pool(traffic("batch", 1.0, 1000.0), busy=4.0, taken=5.0)
    assert reason_of(by_hand(queued, other)).kept_for_queues is None


def test_a_lone_server_says_what_a_second_one_would_cost():
    (why,) = fleet_whys(by_hand(pool(traffic("chat", 1.0, 1000.0), busy=0.2, taken=0.3), count=1),
                        SCENARIO, CATALOG)  # fmt: skip
    server, hardware = CATALOG.server("own_4x_big"), SCENARIO.hardware
    usd = server_cost(server, hardware, CATALOG).usd_per_h
    made = server_footprint("own_4x_big", SCENARIO.policy.coefficients, CATALOG).parts
    years = {"accelerator": hardware.accelerator_years, "host": hardware.host_years}
    kg = sum(part.kgco2e / years[part.side] for part in made)
    assert "one server is the least there can be; a second would have no work left to do" in why
    assert f"add {number(kg)}{NARROW_SPACE}kgCO2e of making a year and {number(usd)} USD/h" in why
    two = by_hand(pool(traffic("chat", 1.0, 1000.0), busy=0.2, taken=0.3), count=2)
    assert "a second" not in fleet_whys(two, SCENARIO, CATALOG)[0]


def test_servers_that_are_asked_for_owned_or_left_over_say_so():
    limits = [{"server": "own_4x_big", "min_count": 2, "max_count": 5}]
    asking = tiny_scenario(online(), hardware={"limits": limits})
    idle = by_hand()
    assert reason_of(idle, asking).count_bound_by == "asked"
    told = [
        fleet_whys(idle, asking, CATALOG)[0],
        fleet_whys(by_hand(owned=True), SCENARIO, CATALOG)[0],
        fleet_whys(idle, SCENARIO, CATALOG)[0],
    ]
    assert told[0] == "Serves nothing; the scenario asks for at least so many."
    assert told[1] == "Owned already, so nothing is made for it; serves nothing."
    assert told[2].startswith("Serves nothing; rounding up")


def test_the_sentence_names_phases_apart_and_work_on_host_cpus():
    first = pool(traffic("chat", 1.0, 1000.0), busy=0.4, taken=0.6, role="prefill")
    host = pool(traffic("batch", 0.25, 1000.0), busy=1.0, taken=1.0, role="host_cpu")
    (why,) = fleet_whys(by_hand(first, host), SCENARIO, CATALOG)
    assert why.startswith("Reads the prompts of all of chat, serves 25")
    assert "of batch on its CPUs" in why
    assert "batches" not in why


def test_a_plan_of_the_planner_serves_every_request_once():
    for effort in ("quick", "interactive"):
        plan = plan_fleet(SCENARIO, CATALOG, effort)
        for way in ("begun", "finished"):
            done: dict[str, float] = {}
            seen = set()
            for reason in fleet_reasons(plan, SCENARIO, CATALOG):
                if reason.entry.server not in seen:
                    seen.add(reason.entry.server)
                    for served in reason.serves:
                        share = getattr(served, way)
                        done[served.workload] = done.get(served.workload, 0.0) + share
            assert done == {"chat": pytest.approx(1.0), "batch": pytest.approx(1.0)}
    for row in plan.pools:
        busiest = max(
            busy / up for busy, up in zip(row.busy_by_hour, row.replicas_by_hour, strict=True)
        )
        assert busiest == pytest.approx(row.utilisation)
        assert all(
            taken <= up + 1e-6
            for taken, up in zip(row.taken_by_hour, row.replicas_by_hour, strict=True)
        )
