"""Share links: what they carry, how short they are, and what they refuse."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from typing import Any

import pytest

from app.presets import load_presets
from ecoserve.errors import LinkError, ScenarioError
from ecoserve.link import (
    LINK_VERSION,
    MAX_DEPTH,
    MAX_JSON_BYTES,
    MAX_TOKEN_CHARS,
    decode_link,
    encode_link,
    parse_json,
)
from ecoserve.problems import MAX_HINTS, MAX_PROBLEMS
from ecoserve.scenario import (
    MAX_GIVEN_FLEETS,
    MAX_SITES,
    MAX_WORKLOADS,
    Scenario,
    canonical_json,
    read_scenario,
)
from ecoserve.scenario_parts import MAX_GIVEN_SERVERS, MAX_STOCK_ROWS

PRESETS = load_presets()
PRESET = PRESETS["azure-chat-and-code"]


def edited(**changes: Any) -> Scenario:
    data = PRESET.model_dump(mode="json")
    return read_scenario({**data, **changes})


def token_of(record: object) -> str:
    text = record if isinstance(record, bytes) else json.dumps(record).encode()
    return token_of_bytes(zlib.compress(text, 9))


def token_of_bytes(packed: bytes) -> str:
    return LINK_VERSION + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def noise(seed: str) -> str:
    return hashlib.sha256(seed.encode()).hexdigest()[:60]


def content(token: str) -> dict[str, Any]:
    packed = base64.urlsafe_b64decode(token[1:] + "=" * (-len(token[1:]) % 4))
    return json.loads(zlib.decompress(packed))


def round_trip(scenario: Scenario) -> Scenario:
    token = encode_link(scenario, PRESETS, "0.1.0", "abc")
    decoded = decode_link(token, PRESETS)
    assert decoded.is_exact
    return decoded.scenario


def test_the_preset_itself_is_a_name_and_no_differences():
    token = encode_link(PRESET, PRESETS, "0.1.0", "abc")
    expected = {"p": "azure-chat-and-code", "d": {}, "e": "0.1.0", "c": "abc"}
    assert content(token) == {**expected, "f": PRESET.fingerprint()}
    assert len(token) < 150


def test_versions_come_back():
    decoded = decode_link(encode_link(PRESET, PRESETS, "0.1.0", "abc"), PRESETS)
    assert (decoded.engine_version, decoded.catalog_version) == ("0.1.0", "abc")


def test_one_changed_rate_is_one_difference():
    workloads = PRESET.model_dump(mode="json")["workloads"]
    workloads[1]["rate_rps"] = 31.5
    scenario = edited(workloads=workloads)
    token = encode_link(scenario, PRESETS, "0.1.0", "abc")
    assert content(token)["d"] == {"workloads": {"1": {"rate_rps": 31.5}}}
    assert round_trip(scenario) == scenario


def test_none_replaces_a_value():
    site = {**PRESET.site.model_dump(mode="json"), "pue": None}
    scenario = edited(site=site)
    token = encode_link(scenario, PRESETS, "0.1.0", "abc")
    assert content(token)["d"] == {"site": {"pue": None}}
    assert round_trip(scenario).site.pue is None


def test_an_object_replaces_none_and_none_an_object():
    workloads = PRESET.model_dump(mode="json")["workloads"]
    slo = workloads[0]["slo"]
    workloads[2].update(kind="online", slo=slo, rate_rps=3.0, token_share=None)
    workloads[0].update(kind="offline", slo=None)
    scenario = edited(workloads=workloads)
    assert round_trip(scenario) == scenario


def test_a_list_of_another_length_replaces_the_list():
    workloads = PRESET.model_dump(mode="json")["workloads"]
    scenario = edited(workloads=workloads[:1])
    assert round_trip(scenario) == scenario
    scenario = edited(workloads=[*workloads, {**workloads[0], "name": "more chat"}])
    assert round_trip(scenario) == scenario


def test_a_list_all_changed_is_sent_whole_when_that_is_shorter():
    site = {"region": "aws_us_west_1", "intensity": "custom"}
    morning = edited(site={**site, "custom_gco2e_per_kwh": [100.0 + hour for hour in range(24)]})
    evening = edited(site={**site, "custom_gco2e_per_kwh": [300.0 - hour for hour in range(24)]})
    token = encode_link(evening, {"morning": morning}, "0.1.0", "abc")
    assert isinstance(content(token)["d"]["site"]["custom_gco2e_per_kwh"], list)
    assert decode_link(token, {"morning": morning}).scenario == evening


def test_given_fleets_travel_with_the_scenario():
    rows = [{"server": f"own_{i}", "count": i + 1} for i in range(3)]
    scenario = edited(given=[{"name": "mine", "servers": rows}, {"name": "b", "servers": rows}])
    assert round_trip(scenario) == scenario
    alone = encode_link(scenario, {}, "0.1.0", "abc")
    assert decode_link(alone, {}).scenario == scenario


def test_the_preset_with_the_shortest_link_is_chosen():
    other = edited(name="other", policy={"headroom": 0.3})
    presets = {**PRESETS, "other": other}
    scenario = edited(name="other", policy={"headroom": 0.3, "burst": 1.5})
    token = encode_link(scenario, presets, "0.1.0", "abc")
    assert content(token)["p"] == "other"
    assert content(token)["d"] == {"policy": {"burst": 1.5}}


def test_without_presets_the_scenario_stands_alone():
    token = encode_link(PRESET, {}, "0.1.0", "abc")
    assert content(token)["p"] is None
    assert decode_link(token, {}).scenario == PRESET


def test_a_changed_preset_shows_as_not_exact():
    token = encode_link(edited(name="mine"), PRESETS, "0.1.0", "abc")
    later = {"azure-chat-and-code": edited(policy={"headroom": 0.5})}
    decoded = decode_link(token, later)
    assert not decoded.is_exact
    assert decoded.scenario.policy.headroom == 0.5


def test_a_scenario_too_large_for_a_link_is_refused_with_advice():
    workload = PRESET.workloads[0].model_dump(mode="json")
    fields = ("name", "llm", "mix", "profile")
    workloads = [{**workload, **{f: noise(f"{f}{i}") for f in fields}} for i in range(30)]
    with pytest.raises(LinkError, match="JSON file"):
        encode_link(edited(workloads=workloads), PRESETS, "0.1.0", "abc")


GOOD = {"p": "azure-chat-and-code", "d": {}, "e": "1", "c": "2"}


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "empty"),
        ("1", "damaged|cut off"),
        ("1====", "characters"),
        ("ünïcode", "characters"),
        ("1" + "A" * MAX_TOKEN_CHARS, "more than"),
        ("2" + token_of(GOOD)[1:], "kind"),
        (token_of(GOOD)[:-6], "damaged|cut off"),
        (token_of_bytes(zlib.compress(json.dumps(GOOD).encode()) + b"tail"), "after its end"),
        (token_of(b" " * (MAX_JSON_BYTES + 1)), "unpacks to more"),
        (token_of(b" " * 2_000_000), "unpacks to more"),
        (token_of(b"\xff\xfe"), "damaged"),
        (token_of(b"[" * 30_000), "deep"),
        (token_of(b'{"a":' * 10_000), "deep"),
        (token_of({**GOOD, "d": {"workloads": [{}] * 600}}), "more than 500 objects"),
        (token_of({**GOOD, "d": {"x": [0] * 2_002}}), "more than 2,000 values"),
        (token_of(b"[]"), "one JSON object"),
        (token_of(b"{"), "not JSON"),
        (token_of({}), "no scenario"),
        (token_of({**GOOD, "x": 1}), "no scenario"),
        (token_of({**GOOD, "d": []}), "no scenario"),
        (token_of({**GOOD, "e": 1}), "what made it"),
        (token_of({**GOOD, "p": "gone"}), "preset 'gone'"),
        (token_of({**GOOD, "p": ["azure-chat-and-code"]}), "preset"),
        (token_of({**GOOD, "d": {"workloads": {"7": {}}}}), "does not fit"),
        (token_of({**GOOD, "d": {"name": {"x": 1}}}), "does not fit"),
        (token_of(b'{"p":null,"d":{"name":NaN},"e":"","c":""}'), "NaN"),
        (token_of(b'{"p":null,"d":{"name":-Infinity},"e":"","c":""}'), "Infinity"),
        (token_of(b'{"p":null,"d":{"name":1e999},"e":"","c":""}'), "not finite"),
        (token_of(b'{"p":null,"d":{"name":' + b"9" * 5_000 + b'},"e":"","c":""}'), "5000 digits"),
        (token_of(b'{"p":null,"d":{"\\ud800":1},"e":"","c":""}'), "Unicode"),
    ],
    ids=range(30),
)
def test_a_broken_link_is_refused_with_the_reason(token: str, reason: str):
    with pytest.raises(LinkError, match=reason):
        decode_link(token, PRESETS)


def test_a_sound_link_to_a_bad_scenario_lists_every_problem():
    change = {"site": {"pue": 0.5, "region": ""}, "policy": {"burst": -1}, "extra": 1}
    with pytest.raises(ScenarioError) as caught:
        decode_link(token_of({**GOOD, "d": change}), PRESETS)
    fields = {problem.field for problem in caught.value.problems}
    assert fields == {"site.pue", "site.region", "policy.burst", "extra"}


def test_brackets_inside_strings_are_not_depth():
    assert parse_json('{"a": "[[[[[[[[[[[[\\"[["}') == {"a": '[[[[[[[[[[[["[['}


def test_depth_is_bounded_exactly():
    ok = '{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH
    assert parse_json(ok)
    with pytest.raises(ScenarioError, match="deep"):
        parse_json('{"a":' + ok + "}")


# ---- links of other versions

OLD_DIFFERENCES = (
    "1eNoVjV0KgzAQhK8i-6whP1WoB-g1ypqsKNWsRKVUyd27eZkdvhl2bvDQgzbW4eAD1BCgvyHiSoJfiS-K1Rwrq20"
    "n4cbL7H-lMRGGxLxCr5Vtcw37fFAJtlOOUU7Ql9NnYQx74bpIwoPeaRPgjGpzllLZ0cooLe9H8Z3X49A6H-zjWRY"
    "F4XUmavyER4MxNJ4DQf4DzAc20Q"
)
OLD_WHOLE = (
    "1eNp9UdtqwzAM_ZWi5xCcpOm6wJ4G-4kxjBorq4ljB9vplfz75F2gW9u9CEs6R-dIPkMLDYiirHDTKshAQXOGpxQ"
    "sDsS9F-9OZBfaLkpRrhgxOqPbY0JsCZV3boBG5GU9ZxB0pAvqMxrdOW81JtrEpSKvMvD0rp3lPu6DnILcU4iyAOb"
    "vne-NQxWgeT2DMTyZIw4oK1nIB7HhOYM-JOpp8iTZUSVbZ3fkA8Y0NPvRbrcYk6p3nTZ0yVj-YrA69QqPjPUYSfq"
    "Rxasir3kb49IycXRRhrSjWGcQY_eZFbmY5-za5PqOR0UX3r6yO94U3fRUrnNxy1N97anXlr8RXNcZbZPSv5f0B72"
    "TYRoG9Pr054rfZQpciq4nK8MWPSXhan5jMUgokbMyIzp-r1rRbeqqVeXyMe0IjZ2MmT8A8H_Dvw"
)
"""Two links of the first version, 0.1.0, to the same scenario; the preset has changed since."""


def test_a_whole_link_of_the_first_version_opens_exactly():
    link = decode_link(OLD_WHOLE, PRESETS)
    assert (link.engine_version, link.catalog_version) == ("0.1.0", "0123abcd")
    assert link.is_exact
    scenario = link.scenario
    assert (scenario.name, scenario.workloads[0].rate_rps) == ("Frozen in 2026", 31.5)
    assert (scenario.site.pue, scenario.policy.headroom) == (1.3, 0.25)
    assert scenario.hardware.accelerators is None
    assert scenario.levers.park  # what came later has its default


def test_a_link_of_the_first_version_says_that_its_preset_has_changed():
    link = decode_link(OLD_DIFFERENCES, PRESETS)
    assert not link.is_exact
    whole = decode_link(OLD_WHOLE, PRESETS).scenario.model_dump(mode="json")
    data = link.scenario.model_dump(mode="json")
    assert data["hardware"].pop("accelerators") != whole["hardware"].pop("accelerators")
    assert data == whole  # the preset's list of accelerators is all that it cannot carry


def test_a_link_of_a_later_version_names_what_this_one_cannot_carry():
    change = {"site": {"water_l_per_kwh": 1.8}, "policy": {"objective": "water"}}
    with pytest.raises(ScenarioError) as caught:
        decode_link(token_of({**GOOD, "e": "9.0.0", "d": change}), PRESETS)
    assert {p.field for p in caught.value.problems} == {"site.water_l_per_kwh", "policy.objective"}


def test_the_largest_scenario_of_the_catalogs_rows_comes_back():
    sites = [
        {
            "name": f"site {i}", "region": "aws_us_west_1", "intensity": "custom",
            "custom_gco2e_per_kwh": [100.25 + hour for hour in range(24)],
            "market": {"cfe_share": 0.5},
        }
        for i in range(MAX_SITES)
    ]  # fmt: skip
    names = [site["name"] for site in sites]
    workload = {
        "llm": "llama_3_1_70b", "mix": "azure_2023_code", "rate_rps": 1.5, "sites": names,
        "slo": {"ttft_s": 1.0, "tpot_s": 0.1}, "precisions": ["bf16", "fp8", "int8", "int4"],
    }  # fmt: skip
    servers = [f"own_{i}" for i in range(MAX_GIVEN_SERVERS)]
    fleet = [{"server": server, "count": 3} for server in servers]
    limits = [{"server": f"limited_{i}", "max_count": 9} for i in range(100)]
    stock = [{"server": servers[0], "count": 3, "site": names[1]}] * MAX_STOCK_ROWS
    scenario = read_scenario(
        {
            "workloads": [{**workload, "name": f"workload {i}"} for i in range(MAX_WORKLOADS)],
            "site": sites[0],
            "other_sites": sites[1:],
            "hardware": {"accelerators": servers, "limits": limits, "stock": stock},
            "given": [{"name": f"g{i}", "servers": fleet} for i in range(MAX_GIVEN_FLEETS)],
        }
    )
    assert round_trip(scenario) == scenario
    assert read_scenario(parse_json(canonical_json(scenario))) == scenario


def test_a_thousand_mistakes_are_told_without_looking_for_each_ones_meaning():
    with pytest.raises(ScenarioError) as caught:
        read_scenario({f"workload{i}": 1 for i in range(1_000)})
    assert len(caught.value.problems) == MAX_PROBLEMS + 1
    assert "more problems like these" in caught.value.problems[-1].message
    assert "nearest" in caught.value.problems[MAX_HINTS - 1].message
    assert "nearest" not in caught.value.problems[MAX_HINTS + 5].message
