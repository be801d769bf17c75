"""Input is refused with every reason at once, and told what was meant."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from ecoserve.errors import ScenarioError
from ecoserve.scenario import canonical_json, check_scenario, read_scenario
from tests.builders import given_fleet, offline, online, scenario_data, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()

FAR = {"name": "far", "region": "sunny"}


def problems(data: dict[str, Any]) -> dict[str, str]:
    """Field -> message of everything that is wrong with plain data."""
    with pytest.raises(ScenarioError) as caught:
        check_scenario(read_scenario(data), CATALOG)
    return {problem.field: problem.message for problem in caught.value.problems}


def test_a_good_scenario_passes():
    check_scenario(tiny_scenario(online(), offline()), CATALOG)


def test_every_bad_number_is_reported_at_once():
    found = problems(
        scenario_data(
            online(rate_rps=-1.0, slo={"ttft_s": float("nan"), "tpot_s": float("inf")}),
            online("good"),
            site={"pue": 0.5},
            hardware={"accelerator_years": 0},
            policy={"burst": 0.5, "headroom": float("-inf")},
        )
    )
    assert set(found) == {
        "workloads.0.rate_rps",
        "workloads.0.slo.ttft_s",
        "workloads.0.slo.tpot_s",
        "site.pue",
        "hardware.accelerator_years",
        "policy.burst",
        "policy.headroom",
    }
    assert found["workloads.0.rate_rps"].endswith("not -1.0")
    assert "finite" in found["workloads.0.slo.ttft_s"]
    assert "finite" in found["workloads.0.slo.tpot_s"]


def test_every_unknown_id_is_reported_at_once_with_the_nearest():
    found = problems(
        scenario_data(
            online(llm="toyy", mix="on", profile="flatt"),
            site={"region": "suny"},
            hardware={
                "accelerators": ["bigg"],
                "limits": [{"server": "own_4x_bg", "max_count": 1}],
                "stack": "vllm_v2",
                "offer": "rental",
                "provider": "claud",
            },
            policy={"coefficients": "rond"},
        )
    )
    told = {
        "workloads.0.llm": "toy",
        "workloads.0.mix": "one",
        "workloads.0.profile": "flat",
        "site.region": "sunny",
        "hardware.accelerators.0": "big",
        "hardware.limits.0.server": "own_4x_big",
        "hardware.stack": "vllm_v1",
        "hardware.provider": "cloud",
        "policy.coefficients": "round",
    }
    assert set(found) == set(told)
    for field, name in told.items():
        assert name in found[field]


@pytest.mark.parametrize(
    ("workload", "message"),
    [
        (online(slo=None), "needs an slo"),
        (online(rate_rps=None, token_share=0.1), "token_share is for offline"),
        (offline(slo={"ttft_s": 1.0, "tpot_s": 1.0}), "remove the slo"),
        (offline(token_share=0.2), "either rate_rps or token_share"),
        (offline(rate_rps=None), "either rate_rps or token_share"),
    ],
)
def test_a_workload_matches_its_kind(workload: dict[str, Any], message: str):
    found = problems(scenario_data(online("other"), workload | {"name": "odd"}))
    assert message in found["workloads.1"]


@pytest.mark.parametrize(
    ("workloads", "message"),
    [
        ([online(rate_rps=0.0), online("b", rate_rps=0.0)], "all rates are zero"),
        ([offline(rate_rps=None, token_share=0.3)], "give some workload a rate_rps"),
        ([online(), online()], "must differ; twice: chat"),
        (
            [online()]
            + [offline(name, rate_rps=None, token_share=0.48) for name in ("first", "second")],
            "add up to 0.96",
        ),
    ],
)
def test_workloads_make_sense_together(workloads: list[dict[str, Any]], message: str):
    assert message in problems(scenario_data(*workloads))[""]


def test_no_workloads_and_too_many_are_refused():
    assert "workloads" in problems(scenario_data() | {"workloads": []})
    assert "workloads" in problems(scenario_data(*[online(f"w{i}") for i in range(31)]))


@pytest.mark.parametrize(
    ("site", "message"),
    [
        ({"intensity": "custom", "custom_gco2e_per_kwh": [1.0, 2.0]}, "1 or 24 figures, not 2"),
        ({"intensity": "annual", "custom_gco2e_per_kwh": [1.0]}, "only read with"),
    ],
)
def test_custom_intensity_has_its_figures(site: dict[str, Any], message: str):
    assert message in problems(scenario_data(site=site))["site"]


def test_a_region_without_a_profile_has_no_hourly_intensity():
    found = problems(scenario_data(site={"region": "plain", "intensity": "hourly"}))
    assert "choose intensity 'annual' or 'custom'" in found["site.intensity"]


def test_rental_names_its_provider():
    assert "needs a provider" in problems(scenario_data(hardware={"offer": "rental"}))["hardware"]


def test_unknown_keys_and_empty_choices_are_refused():
    found = problems(
        scenario_data(
            online(precisions=[]), online("b"), hardware={"accelerators": [], "colour": "red"}
        )
    )
    assert set(found) == {
        "workloads.0.precisions",
        "hardware.accelerators",
        "hardware.colour",
    }


def test_given_fleets_are_checked_like_everything_else():
    twice = {"name": "mine", "servers": [{"server": "own_4x_big", "count": 1}] * 2}
    found = problems(scenario_data(given=[twice]))
    assert "one row per server; more than one for: own_4x_big" in found["given.0.servers"]
    many = [given_fleet(f"f{i}", own_4x_big=1) for i in range(6)]
    assert "at most 5" in problems(scenario_data(given=many))["given"]
    same = [given_fleet("mine", own_4x_big=1)] * 2
    assert "must differ; twice: mine" in problems(scenario_data(given=same))["given"]
    nothing = problems(scenario_data(given=[given_fleet("mine")]))
    assert nothing == {"given.0.servers": "must have at least 1 entry"}
    wrong = [given_fleet("mine", own_4x_big=0), given_fleet("a:b", own_4x_big=1)]
    assert set(problems(scenario_data(given=wrong))) == {"given.0.servers.0.count", "given.1.name"}
    unknown = problems(scenario_data(given=[given_fleet("mine", own_4x_bigg=1)]))
    assert "own_4x_big" in unknown["given.0.servers.0.server"]


def test_given_fleets_count_in_the_fingerprint():
    assert tiny_scenario(given=[given_fleet("mine", own_4x_big=1)]).fingerprint() != (
        tiny_scenario().fingerprint()
    )


def test_names_carry_no_markup():
    assert "workloads.0.name" in problems(scenario_data(online("<b>chat</b>"), online("b")))


def test_an_alias_is_as_good_as_an_id():
    check_scenario(tiny_scenario(online(llm="toy-1b")), CATALOG)


def test_json_round_trip_and_fingerprint():
    scenario = tiny_scenario(online(), offline())
    again = read_scenario(json.loads(canonical_json(scenario)))
    assert again == scenario
    assert again.fingerprint() == scenario.fingerprint()
    assert len(scenario.fingerprint()) == 12
    other = tiny_scenario(online(rate_rps=41.0), offline())
    assert other.fingerprint() != scenario.fingerprint()


def test_the_order_and_repetition_of_choices_do_not_matter():
    one = tiny_scenario(online(precisions=["fp8", "bf16", "bf16"]))
    other = tiny_scenario(online(precisions=["bf16", "fp8"]))
    assert one.fingerprint() == other.fingerprint()


def test_seasons_and_kinds_belong_to_hourly_intensity():
    found = problems(scenario_data(site={"intensity": "annual", "season": "jja"}))
    assert "only read with intensity 'hourly'" in found["site"]


def test_a_grid_without_those_hours_says_which_it_has():
    found = problems(scenario_data(site={"intensity_kind": "direct"}))
    assert "there are: year lifecycle" in found["site.season"]


def test_a_price_list_has_a_provider_and_a_year_it_was_published():
    found = problems(scenario_data(hardware={"price_date": "2024"}))
    assert "remove it" in found["hardware"]
    rented = {"offer": "rental", "provider": "cloud", "price_date": "2031"}
    assert "there are: 2026" in problems(scenario_data(hardware=rented))["hardware.price_date"]


def test_a_scenario_of_before_formats_and_caps_still_reads():
    old = tiny_scenario(online()).model_dump(mode="json")
    for name in ("kv_precision", "max_num_seqs", "power_cap_ratios"):
        del old["hardware"][name]
    for workload in old["workloads"]:
        del workload["prefix_cache_hit"]
    assert read_scenario(old) == tiny_scenario(online())


def test_links_from_before_formats_and_caps_stay_exact():
    new = tiny_scenario(online(), levers={"reduce": True, "park": True})
    old = new.model_dump(mode="json")
    for name in ("kv_precision", "max_num_seqs", "power_cap_ratios", "stock", "host_variants"):
        del old["hardware"][name]
    for name in ("prefix_cache_hit", "sites"):
        del old["workloads"][0][name]
    for name in ("round_trip_s", "max_it_power_kw", "max_rack_units"):
        del old["site"][name]
    for name in ("max_kgco2e_per_year", "max_usd_per_h"):
        del old["policy"][name]
    del old["levers"]["reduce"], old["levers"]["park"], old["other_sites"], old["given"]
    text = json.dumps(old, sort_keys=True, separators=(",", ":"))
    assert new.fingerprint() == hashlib.sha256(text.encode()).hexdigest()[:12]
    changed = [
        tiny_scenario(online(prefix_cache_hit=0.1)),
        tiny_scenario(hardware={"kv_precision": "fp8"}),
        tiny_scenario(hardware={"max_num_seqs": 255}),
        tiny_scenario(hardware={"power_cap_ratios": [1.0, 0.9]}),
        tiny_scenario(hardware={"stock": [{"server": "own_4x_big", "count": 1}]}),
        tiny_scenario(levers={"park": True, "reduce": False}),
        tiny_scenario(policy={"max_usd_per_h": 10.0}),
        tiny_scenario(site={"max_rack_units": 42.0}),
    ]
    assert len({each.fingerprint() for each in [new, *changed]}) == 9


def test_sites_are_named_once_and_only_those_are_asked_for():
    assert len(tiny_scenario(other_sites=[FAR]).sites) == 2
    twice = scenario_data(other_sites=[FAR | {"name": "site"}])
    assert "site names must differ" in problems(twice)[""]
    lost = scenario_data(hardware={"stock": [{"server": "own_4x_big", "count": 1, "site": "moon"}]})
    assert problems(lost)[""] == "no site is called moon; there are: site"
    unknown = scenario_data(other_sites=[FAR | {"region": "moon"}])
    assert "no region" in problems(unknown)["other_sites.0.region"]


def test_stock_is_owned_and_not_rented():
    rented = scenario_data(hardware={"stock": [{"server": "cloud_2x_big", "count": 1}]})
    assert "stock is what you own" in problems(rented)["hardware.stock.0.server"]


def test_power_caps_are_few_and_the_loosest_comes_first():
    given = tiny_scenario(hardware={"power_cap_ratios": [0.6, 1.0, 0.8, 0.6]})
    assert given.hardware.power_cap_ratios == (1.0, 0.8, 0.6)
    found = problems(scenario_data(hardware={"power_cap_ratios": []}))
    assert "1 to 4 power caps" in found["hardware.power_cap_ratios"]
    found = problems(scenario_data(hardware={"power_cap_ratios": [0.39]}))
    assert set(found) == {"hardware.power_cap_ratios.0"}


@pytest.mark.parametrize(
    ("field", "data"),
    [
        ("workloads.0.prefix_cache_hit", scenario_data(online(prefix_cache_hit=0.96))),
        ("workloads.0.precisions.0", scenario_data(online(precisions=["int3"]))),
        ("hardware.kv_precision", scenario_data(hardware={"kv_precision": "int4"})),
        ("hardware.max_num_seqs", scenario_data(hardware={"max_num_seqs": 0})),
    ],
)
def test_new_fields_have_bounds(field: str, data: dict[str, Any]):
    assert set(problems(data)) == {field}


def test_an_unknown_key_is_told_where_one_of_its_name_belongs():
    data = scenario_data(online(stack="vllm_v1"), hardware={"precisions": ["bf16"]})
    data["levers"] = {"name": "all"}
    found = problems(data)
    known = "is not a known key here; nearest: "
    assert found["hardware.precisions"].startswith(f"{known}workloads[].precisions")
    assert found["workloads.0.stack"].startswith(f"{known}hardware.stack")
    assert f"{known}name at the top level" in found["levers.name"]


def test_numbers_beyond_reading_are_refused_in_our_words():
    found = problems(scenario_data(online(), hardware={"max_num_seqs": "9" * 5000}))
    assert found["hardware.max_num_seqs"].startswith("is far too large a number")
