"""Where scenarios differ, and how that is said."""

from __future__ import annotations

from typing import Any

from app.scenario_words import LABELS, difference_rows, path_words, step_words, value_words
from ecoserve.differences import ABSENT, differences
from ecoserve.scenario import PARTS, Scenario, read_scenario
from tests.builders import offline, online, scenario_data, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()


def found(*scenarios: Scenario) -> dict[tuple[str, ...], tuple[Any, ...]]:
    return {place.path: place.values for place in differences(scenarios)}


def test_a_scenario_does_not_differ_from_itself():
    assert differences([tiny_scenario(), tiny_scenario()]) == ()


def test_one_changed_figure_is_one_difference_with_what_each_scenario_has():
    a, b = tiny_scenario(online()), tiny_scenario(online(rate_rps=50.0))
    assert found(a, b, a) == {("workloads", "chat", "rate_rps"): (40.0, 50.0, 40.0)}


def test_workloads_are_the_same_by_name_wherever_they_stand():
    a = tiny_scenario(online("chat"), online("code"))
    b = tiny_scenario(online("code", rate_rps=1.0), online("chat"))
    assert found(a, b) == {("workloads", "code", "rate_rps"): (40.0, 1.0)}


def test_a_workload_that_only_one_has_is_one_difference():
    [place] = differences([tiny_scenario(online(), offline()), tiny_scenario(online())])
    assert place.path == ("workloads", "batch")
    assert place.values[0]["name"] == "batch"
    assert place.values[1] is ABSENT


def test_a_part_that_is_not_given_differs_as_a_whole():
    a = tiny_scenario(site={"market": {"cfe_share": 0.5}})
    assert found(a, tiny_scenario())[("site", "market")][1] is None


def test_limits_go_by_server_and_stock_is_one_value():
    a = tiny_scenario(hardware={"limits": [{"server": "one_big", "max_count": 3}]})
    b = tiny_scenario(hardware={"limits": [{"server": "one_big", "max_count": 5}]})
    c = tiny_scenario(hardware={"stock": [{"server": "one_big", "count": 2}]})
    assert found(a, b) == {("hardware", "limits", "one_big", "max_count"): (3, 5)}
    assert found(b, c)[("hardware", "stock")][0] == []


def test_every_key_of_a_scenario_has_a_label():
    keys = {name for part in PARTS for name in part.model_fields}
    assert keys <= set(LABELS)
    assert set(LABELS) <= keys


def test_a_workload_called_like_a_key_is_not_taken_for_one():
    assert path_words(("workloads", "park", "rate_rps")) == "park: mean rate, requests/s"
    assert path_words(("other_sites", "pue")) == "Another site: pue"
    assert path_words(("hardware", "limits", "l4_x1", "max_count")) == "l4_x1: at most"


def test_values_are_said_with_names_and_per_cent_and_what_nothing_means():
    words = [
        value_words(key, value, CATALOG)
        for key, value in (
            ("llm", "toy"),
            ("headroom", 0.155),
            ("rate_rps", 1234.5),
            ("park", False),
            ("pue", None),
            ("accelerators", ["big", "small"]),
            ("limits", ABSENT),
            ("stock", [{"server": "no_such_row", "count": 2, "age_years": 0.0, "site": None}]),
        )
    ]
    assert [word.replace("\u202f", " ") for word in words] == [
        CATALOG.llms["toy"].name, "15.5 %", "1,234.5", "no", "the region's", "Big, Small",
        "not there", "server: no_such_row; count: 2",
    ]  # fmt: skip


def test_a_row_has_a_cell_per_scenario():
    scenarios = [tiny_scenario(policy={"burst": burst}) for burst in (1.0, 2.5)]
    assert difference_rows(scenarios, ["a", "b"], CATALOG) == [
        {"Input": "Policy: burst, peak over mean in the hour", "a": "1", "b": "2.5"}
    ]


def test_a_step_is_told_in_one_line_and_a_long_one_is_cut():
    a, b = tiny_scenario(online()), tiny_scenario(online(rate_rps=50.0))
    assert step_words(a, b, CATALOG) == "chat: mean rate, requests/s from 40 to 50"
    data = scenario_data(online(rate_rps=1.0), site={"pue": 1.2}, policy={"burst": 2.0})
    many = read_scenario({**data, "name": "other"})
    assert step_words(a, many, CATALOG).endswith("; 1 more")
