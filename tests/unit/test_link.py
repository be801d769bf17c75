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
from ecoserve.scenario import Scenario, read_scenario

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
