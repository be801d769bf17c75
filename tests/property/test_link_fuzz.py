"""Laws of share links: every scenario comes back; a token decodes or is refused, nothing else."""

from __future__ import annotations

import base64
import random
import string
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.presets import SourceError, load_presets, scenario_of_file
from catalog_db.library import Library, LibraryError
from ecoserve.errors import LinkError, ScenarioError
from ecoserve.link import LINK_VERSION, MAX_TOKEN_CHARS, decode_link, encode_link
from ecoserve.scenario import Scenario, canonical_json, read_scenario

PRESETS = load_presets()
FUZZED_TOKENS = 10_000
FUZZED_FILES = 10_000
TIME_CAP_S = 60.0

names = st.text("abcXYZ019 _.,:+()/&'-", min_size=1, max_size=12).filter(str.strip)
ids = st.text("abcz019_.-", min_size=1, max_size=12)
precisions = st.lists(st.sampled_from(["bf16", "fp8", "int8", "int4"]), min_size=1, max_size=4)


def floats(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


slos = st.fixed_dictionaries(
    {"ttft_s": floats(1e-6, 600), "tpot_s": floats(1e-6, 60), "percentile": floats(0.5, 0.999)}
)
online = st.fixed_dictionaries(
    {"llm": ids, "mix": ids, "rate_rps": floats(0.001, 1e6), "slo": slos},
    optional={"profile": ids, "precisions": precisions, "prefix_cache_hit": floats(0, 0.95)},
)
offline = st.fixed_dictionaries(
    {"llm": ids, "mix": ids, "kind": st.just("offline"), "token_share": floats(0, 0.1)},
    optional={"profile": ids, "deadline_h": st.integers(1, 24)},
)
markets = st.fixed_dictionaries(
    {}, optional={"cfe_share": floats(0, 1), "gco2e_per_kwh": st.none() | floats(0, 3000)}
)
sites = st.one_of(
    st.fixed_dictionaries(
        {"region": ids, "intensity": st.sampled_from(["hourly", "annual"])},
        optional={
            "pue": st.none() | floats(1, 3),
            "electricity_usd_per_kwh": floats(0, 5),
            "market": st.none() | markets,
        },
    ),
    st.fixed_dictionaries(
        {"region": ids, "intensity": st.just("hourly")},
        optional={
            "season": st.sampled_from(["year", "djf", "mam", "jja", "son"]),
            "intensity_kind": st.sampled_from(["lifecycle", "direct"]),
        },
    ),
    st.fixed_dictionaries(
        {
            "region": ids,
            "intensity": st.just("custom"),
            "custom_gco2e_per_kwh": st.lists(floats(0, 3000), min_size=24, max_size=24)
            | st.lists(floats(0, 3000), min_size=1, max_size=1),
        }
    ),
)
hardware = st.fixed_dictionaries(
    {},
    optional={
        "accelerators": st.none() | st.lists(ids, min_size=1, max_size=4),
        "limits": st.lists(
            st.fixed_dictionaries({"server": ids, "max_count": st.integers(0, 1_000_000)}),
            max_size=3,
            unique_by=lambda limit: limit["server"],
        ),
        "accelerator_years": floats(0.5, 20),
        "stack": ids,
        "kv_precision": st.sampled_from(["bf16", "fp8"]),
        "max_num_seqs": st.integers(1, 4096),
        "power_cap_ratios": st.lists(floats(0.4, 1), min_size=1, max_size=4),
    },
)
policies = st.fixed_dictionaries(
    {},
    optional={
        "objective": st.sampled_from(["carbon", "cost", "energy", "performance"]),
        "carbon_price_usd_per_t": st.none() | floats(0, 1e5),
        "headroom": floats(0.05, 0.9),
        "min_replicas": st.integers(1, 10),
    },
)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    workloads: list[dict[str, Any]] = [draw(online), *draw(st.lists(online | offline, max_size=3))]
    if draw(st.booleans()):
        preset = PRESETS["azure-chat-and-code"].model_dump(mode="json")
        workloads = [
            {**old, **new} for old, new in zip(preset["workloads"], workloads, strict=False)
        ]
        workloads = [w for w in workloads if _is_sound(w)] or preset["workloads"]
    numbered = [{**w, "name": f"{draw(names).strip()[:50]} {i}"} for i, w in enumerate(workloads)]
    return read_scenario(
        {
            "name": draw(names),
            "workloads": numbered,
            "site": draw(sites),
            "hardware": draw(hardware),
            "policy": draw(policies),
        }
    )


def _is_sound(workload: dict[str, Any]) -> bool:
    both = workload.get("rate_rps") is not None and workload.get("token_share") is not None
    mixed_up = (workload.get("kind") == "offline") == (workload.get("slo") is not None)
    return not both and not mixed_up and workload.get("rate_rps") is not None


@settings(max_examples=150, deadline=None, derandomize=True)
@given(scenarios())
def test_every_scenario_comes_back_from_its_link(scenario: Scenario):
    token = encode_link(scenario, PRESETS, "0.1.0", "abc")
    decoded = decode_link(token, PRESETS)
    assert decoded.scenario == scenario
    assert decoded.scenario.fingerprint() == scenario.fingerprint()
    assert decoded.is_exact


def test_no_token_gets_past_the_two_errors():
    rng = random.Random(2502)
    seeds = [
        encode_link(preset, presets, "1", "2")
        for preset in PRESETS.values()
        for presets in ({}, PRESETS)
    ]
    texts = [_inflate(seed) for seed in seeds]
    start = time.monotonic()
    decoded = 0
    for i in range(FUZZED_TOKENS):
        if time.monotonic() - start > TIME_CAP_S:
            break
        token = (_noise, _mutated_token, _mutated_text)[i % 3](rng, seeds, texts)
        try:
            decode_link(token, PRESETS)
        except (LinkError, ScenarioError):
            continue
        decoded += 1
    assert decoded > 0  # some mutations are harmless, so the fuzz gets past the packing


def test_no_file_gets_past_the_two_errors():
    rng = random.Random(64)
    texts = [canonical_json(preset) for preset in PRESETS.values()]
    start = time.monotonic()
    read = 0
    for i in range(FUZZED_FILES):
        if time.monotonic() - start > TIME_CAP_S:
            break
        text = _damaged(rng, rng.choice(texts)) if i % 3 else _noise(rng, [], [])
        content = text.encode("utf-16" if i % 50 == 0 else "utf-8", "surrogatepass")
        if i % 7 == 0:
            content = content[: rng.randrange(len(content) + 1)] + rng.randbytes(3)
        try:
            scenario_of_file(content, "upload.json")
        except (SourceError, ScenarioError):
            continue
        read += 1
    assert read > 0


@pytest.fixture
def kept(tmp_path: Path) -> Library:
    library = Library(tmp_path / "library.duckdb")
    library.save(PRESETS["small-assistant"], "1", "2")
    return library


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.text(max_size=80) | st.text("0123456789abcdef", min_size=11, max_size=13))
def test_no_id_and_no_search_gets_past_the_librarys_error(kept: Library, text: str):
    with pytest.raises(LibraryError, match="ask its sender"):
        kept.open(text)
    assert len(kept.find(text)) <= 1


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(scenarios())
def test_every_scenario_comes_back_from_the_library_and_from_its_file(
    kept: Library, scenario: Scenario
):
    kept.save(scenario, "0.1.0", "abc")
    saved = kept.open(scenario.fingerprint())
    assert saved.scenario == scenario
    assert saved.is_exact
    assert scenario_of_file(canonical_json(scenario).encode(), "x.json") == scenario


def _inflate(token: str) -> str:
    return zlib.decompress(
        base64.urlsafe_b64decode(token[1:] + "=" * (-len(token[1:]) % 4))
    ).decode()


def _noise(rng: random.Random, seeds: list[str], texts: list[str]) -> str:
    alphabet = (
        string.printable if rng.random() < 0.3 else string.ascii_letters + string.digits + "-_"
    )
    size = rng.choice([0, 1, 2, 10, 100, 1000, MAX_TOKEN_CHARS + 1])
    return rng.choice(["", "1"]) + "".join(rng.choices(alphabet, k=size))


def _mutated_token(rng: random.Random, seeds: list[str], texts: list[str]) -> str:
    token = list(rng.choice(seeds))
    for _ in range(rng.randint(1, 4)):
        token[rng.randrange(len(token))] = rng.choice(string.ascii_letters + "-_=%\x00")
    return "".join(token)[: rng.choice([len(token), rng.randrange(len(token))])]


def _mutated_text(rng: random.Random, seeds: list[str], texts: list[str]) -> str:
    text = _damaged(rng, rng.choice(texts))
    packed = zlib.compress(text.encode("utf-8", "replace"))
    return LINK_VERSION + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _damaged(rng: random.Random, text: str) -> str:
    """JSON with up to three pieces of other JSON in wrong places."""
    pieces = [
        "{",
        "}",
        "[",
        "]",
        '"',
        ":",
        ",",
        "null",
        "NaN",
        "1e999",
        "-",
        "9" * 40,
        '"="',
        "{}",
        "\\ud800",
    ]
    for _ in range(rng.randint(0, 3)):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(pieces) + text[at + rng.randint(0, 3) :]
    return text
