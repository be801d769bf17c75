"""What a page says of a replay, and draws of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app import figures_replay as figures
from app import replay_words as words
from app.replay_asks import LogAsked, ReplayAsked
from app.text import NARROW_SPACE
from catalog_db.log_head import LogColumns
from ecoserve.runtime.result import Replay
from tests.replay_builders import BATCH, CHAT, MINUTES, SLO, gap, replay_of

PLAN: Any = SimpleNamespace(
    slo=SLO, site_days=[SimpleNamespace(hourly=SimpleNamespace(it_power_kw=(2.0,) * 24))]
)
ASKED = ReplayAsked(
    hours=24.0, start_h=7.5, seed=3, routing="packed", offline="carbon", forecast_error=0.1
)
LATE = replace(CHAT, tpot_attainment=0.84)


def finding(seen: Replay) -> str:
    return words.finding(seen, PLAN).replace(NARROW_SPACE, " ")


def test_the_finding_names_the_tightest_target_and_the_carbon():
    assert finding(replay_of(CHAT)) == (
        "All targets held: 98.0 % of chat's first tokens came within 1 s, 90.0 % asked; "
        "3.1 % less carbon than planned"
    )


def test_a_miss_says_how_many_where_how_many_are_asked_and_why():
    reason = "answers are slow: there are too many"
    gaps = (gap("kgco2e", 1.0, 1.0), gap("attainment", 0.9, 0.84, reason, workload="chat"))
    assert finding(replay_of(LATE, gaps=gaps)) == (
        "chat would have missed its target: 84.0 % of its answers kept 50 ms per token where "
        f"90.0 % are asked, because {reason}; carbon as planned"
    )
    assert "2 requests of papers would have missed their deadline" in finding(
        replay_of(CHAT, replace(BATCH, deadline_misses=2))
    )


def test_promise_and_replay_stand_side_by_side():
    rows = words.promise_rows(replay_of(CHAT, BATCH), PLAN)
    assert [row["Promised"] for row in rows] == ["1.00", "1.00", "at least 90.0\u202f%", "0"]
    assert [row["Difference"] for row in rows] == ["0 %", "\u22123.1 %", "+8.0 points", ""]
    assert rows[3]["Replayed"] == "0 of 40 served, 5 still wait within it"
    assert {row["Holds"] for row in rows} == {"yes"}


def test_one_cause_of_two_differences_is_one_sentence():
    why = "replicas on a30 work longer"
    seen = replay_of(
        CHAT, gaps=(gap("facility_energy_kwh", 1.0, 1.2, why), gap("kgco2e", 2.0, 2.5, why))
    )
    assert words.reasons(seen, lambda text: text.replace("a30", "A30")) == [
        "Electricity +20 % and carbon +25 %: replicas on A30 work longer."
    ]
    assert words.reasons(replay_of(CHAT), str) == []


def test_the_conditions_say_which_traffic_and_how_it_was_routed():
    log = LogAsked(
        file="mine.csv", content="", workload="chat", to_peak=True,
        columns=LogColumns(time="t", input="i", output="o"),
    )  # fmt: skip
    said = words.conditions(replay_of(CHAT, BATCH), replace(ASKED, log=log))
    assert said.startswith("145 requests in 4 minutes from 07:30 on the users' clock, mine.csv as")
    assert "at the rate of the plan's busiest hour" in said
    assert "forecast off by 10.0" in said
    assert "offline" not in words.conditions(replay_of(CHAT), ASKED)


@dataclass(frozen=True)
class OneRound:
    headroom: float
    kgco2e_per_year: float


def test_the_cost_of_keeping_the_limits_is_said_in_carbon():
    rounds = (OneRound(0.2, 1000.0), OneRound(0.32, 1100.0))
    assert words.repair_words(rounds, "").replace(NARROW_SPACE, " ") == (
        "All targets hold with 32.0 % of headroom: 100 kgCO2e a year more (+10 %)"
    )
    assert words.repair_words(rounds, "no more").endswith(": no more")


def test_other_asks_have_other_names():
    assert ASKED.name == replace(ASKED).name
    assert ASKED.name != replace(ASKED, seed=4).name


@pytest.mark.parametrize(("n", "minutes"), [(4, 1), (288, 1), (289, 2), (1440, 5), (3000, 15)])
def test_a_chart_shows_no_more_steps_than_it_can(n: int, minutes: int):
    seen = replace(replay_of(CHAT), minutes=replace(MINUTES, it_power_kw=(1.0,) * n))
    assert figures.steps(seen).minutes == minutes


def test_steps_are_means_or_the_most_of_their_minutes():
    two = figures.Steps(minutes=2, hours=np.zeros(2))
    assert two.mean([1.0, 3.0, 5.0]).tolist() == [2.0, 5.0]
    assert two.most([1.0, 3.0, 5.0]).tolist() == [3.0, 5.0]


def test_layers_add_up_to_the_power_however_they_are_split():
    seen = replay_of(CHAT, BATCH)
    at = figures.steps(seen)
    for split in ("workload", "side"):
        drawn = figures.layers(seen, split, at)  # type: ignore[arg-type]
        assert np.sum([one.kw for one in drawn], axis=0).tolist() == list(MINUTES.it_power_kw)
        assert len(drawn) == 3
    assert [one.is_hatched for one in figures.layers(seen, "workload", at)] == [False, False, True]


def test_charts_say_their_finding_with_its_number():
    seen = replay_of(CHAT)
    power = figures.power_by_minute(seen, PLAN, "workload")
    assert power.title == "The fleet drew 2.00\u202fkW on average, as planned"
    assert list(power.figure.data[-1].y) == [2.0] * 4
    assert figures.waiting(seen).title == "At most 7 requests waited, at 07:31"
    latency = figures.latency(seen, SLO)
    assert latency is not None
    assert latency.title.startswith("Closest to its limit: chat, tokens after them")
    assert "60" in latency.title
    assert figures.latency(replay_of(BATCH), SLO) is None
