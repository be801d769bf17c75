"""What a plan says about the formats, caches and caps it counts on."""

from __future__ import annotations

from typing import Any

from ecoserve.planner import plan_fleet
from tests.builders import online, serving, tiny_catalog, tiny_scenario

BIG_ONLY = {"accelerators": ["big"]}


def notes(*workloads: Any, catalog: Any = None, **parts: Any) -> dict[str, str]:
    plan = plan_fleet(tiny_scenario(*workloads, **parts), catalog or tiny_catalog())
    return {note.code: note.message for note in plan.notes}


NEW = {"reduced_precision", "reduced_kv_precision", "prefix_cache_assumed", "power_cap_assumed"}


def test_the_usual_plan_has_none_of_them():
    assert not NEW & set(notes(online()))


def test_weights_and_kv_cache_are_named_by_their_format():
    catalog = tiny_catalog(serving("big_family", precision="int4"))
    found = notes(
        online(precisions=["int4"]), catalog=catalog, hardware=BIG_ONLY | {"kv_precision": "fp8"}
    )
    assert found["reduced_precision"].startswith("chat: int4 weights")
    assert "held in fp8" in found["reduced_kv_precision"]


def test_a_stated_cache_hit_is_called_stated():
    found = notes(online(prefix_cache_hit=0.4), online("code"))
    assert "chat 40%" in found["prefix_cache_assumed"]
    assert "code" not in found["prefix_cache_assumed"]


def test_a_capped_pool_is_called_assumed():
    found = notes(online(), hardware=BIG_ONLY | {"power_cap_ratios": [0.7]})
    assert "big at 70%" in found["power_cap_assumed"]
    assert "big at bf16" in found["power_outside_fit"]
