"""The terminal as other programs use it: keys, exit codes, what goes to which stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.presets import load_presets
from ecoserve import __version__
from ecoserve.scenario import read_scenario

PRESET = "azure-chat-and-code"
STAMP = {"engine_version", "catalog_version", "scenario_fingerprint", "notes"}
PLAN_KEYS = STAMP | {
    *("status", "gap", "bound", "objective", "seconds", "kgco2e_per_year"),
    *("gco2e_per_functional_unit", "usd_per_h", "it_power_kw", "facility_kwh_per_year"),
    *("fleet", "pools", "slo", "blocked"),
}
POOL_KEYS = {
    *("site", "workloads", "llm", "server", "variant", "accelerator", "tp", "precision", "stack"),
    *("role", "replicas", "utilisation"),
}
SLO_KEYS = {
    *("workload", "percentile", "ttft_s", "tpot_s", "ttft_limit_s", "tpot_limit_s", "meets_slo"),
}

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("catalog") / "catalog.duckdb"


@pytest.fixture(scope="module")
def run(catalog: Path) -> Run:
    runner = CliRunner(env={"ECOSERVE_CATALOG": str(catalog)})

    def invoke(*arguments: object) -> Result:
        result = runner.invoke(app, [str(argument) for argument in arguments])
        assert "Traceback" not in result.output
        return result

    return invoke


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small online workload on two kinds of accelerator: quick to plan."""
    slo = {"ttft_s": 2.0, "tpot_s": 0.1}
    scenario = {
        "name": "small",
        "workloads": [
            {
                "name": "chat",
                "llm": "llama_3_1_8b",
                "mix": "azure_2023_conversation",
                "rate_rps": 4.0,
                "slo": slo,
            }
        ],
        "site": {"region": "aws_us_west_1", "intensity": "annual"},
        "hardware": {"accelerators": ["l4", "a100_sxm_80gb", "h100_sxm_80gb"]},
    }
    path = tmp_path_factory.mktemp("scenario") / "small.json"
    path.write_text(json.dumps(scenario), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def small_plan(run: Run, small: Path) -> dict[str, Any]:
    return answer(run("plan", small, "--json"))


def answer(result: Result, exit_code: int = 0) -> dict[str, Any]:
    """The one JSON object on stdout."""
    assert result.exit_code == exit_code, result.stderr
    record = json.loads(result.stdout)
    assert isinstance(record, dict)
    return record


def changed(small: Path, folder: Path, **changes: Any) -> Path:
    path = folder / "changed.json"
    path.write_text(json.dumps({**json.loads(small.read_text("utf-8")), **changes}), "utf-8")
    return path


# --- plan ------------------------------------------------------------------------------------


def test_plan_has_the_promised_keys(small_plan: dict[str, Any]):
    assert set(small_plan) >= PLAN_KEYS
    assert set(small_plan["kgco2e_per_year"]) >= {
        *("total", "operational", "embodied", "by_part", "by_workload")
    }
    assert small_plan["engine_version"] == __version__
    assert all(set(pool) >= POOL_KEYS for pool in small_plan["pools"])
    assert all(set(row) >= SLO_KEYS for row in small_plan["slo"])
    keys = {"site", "server", "variant", "count", "owned"}
    assert all(set(entry) >= keys for entry in small_plan["fleet"])
    assert all(entry["why"].startswith("Serves all of") for entry in small_plan["fleet"])


def test_plan_adds_up(small_plan: dict[str, Any]):
    carbon = small_plan["kgco2e_per_year"]
    total = pytest.approx(carbon["total"], rel=1e-9)
    assert carbon["operational"] + carbon["embodied"] == total
    assert sum(carbon["by_part"].values()) == total
    assert sum(carbon["by_workload"].values()) == total


def test_plan_serves_the_workload_twice_over_within_its_limits(small_plan: dict[str, Any]):
    assert small_plan["status"] in {"optimal", "feasible"}
    assert 0 <= small_plan["gap"] < 0.05
    assert sum(pool["replicas"] for pool in small_plan["pools"]) >= 2
    assert [row["meets_slo"] for row in small_plan["slo"]] == [True]


def test_plan_knows_its_scenario(small: Path, small_plan: dict[str, Any]):
    scenario = read_scenario(json.loads(small.read_text("utf-8")))
    assert small_plan["scenario_fingerprint"] == scenario.fingerprint()


def test_plan_by_link_is_the_plan_by_file(run: Run, small: Path, small_plan: dict[str, Any]):
    link = answer(run("link", "encode", small, "--json"))
    for source in (link["link"], link["token"]):
        record = answer(run("plan", source, "--json"))
        assert {**record, "seconds": 0} == {**small_plan, "seconds": 0}


def test_the_cheapest_plan_costs_least(run: Run, small: Path, small_plan: dict[str, Any]):
    cheapest = answer(run("plan", small, "--objective", "cost", "--json"))
    assert cheapest["usd_per_h"] <= small_plan["usd_per_h"] * 1.01
    assert cheapest["kgco2e_per_year"]["total"] >= small_plan["kgco2e_per_year"]["total"] * 0.99
    assert cheapest["scenario_fingerprint"] != small_plan["scenario_fingerprint"]


def test_options_reach_the_plan(run: Run, small: Path, small_plan: dict[str, Any]):
    paper = answer(run("plan", small, "--coefficients", "paper", "--json"))
    assert paper["kgco2e_per_year"]["embodied"] != small_plan["kgco2e_per_year"]["embodied"]
    priced = answer(run("plan", small, "--carbon-price", "100", "--json"))
    assert "usd" in priced["objective_name"].lower()


def test_plan_for_people_names_fleet_carbon_and_certainty(
    run: Run, small: Path, small_plan: dict[str, Any]
):
    result = run("plan", small)
    assert result.exit_code == 0
    assert result.stderr == ""
    for heading in ("Fleet", "Pools", "Carbon", "Cost", "Latency", "CO2e a year", "USD/h"):
        assert heading in result.stdout
    assert small_plan["fleet"][0]["server"] in result.stdout
    assert "at the peak" in result.stdout
    assert "Proven optimal" in result.stdout or "Feasible, within" in result.stdout


def test_the_default_preset_is_planned(run: Run):
    record = answer(run("plan", PRESET, "--json"))
    assert {llm for pool in record["pools"] for llm in [pool["llm"]]} == {
        *("llama_3_1_70b", "llama_3_1_8b")
    }
    assert set(record["kgco2e_per_year"]["by_workload"]) >= {"chat", "code", "summaries"}
    assert all(row["meets_slo"] for row in record["slo"])


# --- compare ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def comparison(run: Run, small: Path) -> dict[str, Any]:
    return answer(run("compare", small, "--json"))


def test_compare_has_the_promised_keys(comparison: dict[str, Any]):
    assert set(comparison) >= STAMP | {"plans", "savings", "waterfall", "what_ifs"}
    names = {"cost", "energy", "performance", "splitwise", "splitwise:two"}
    names |= {"single:l4", "single:a100_sxm_80gb", "single:h100_sxm_80gb"}
    found = set(comparison["plans"]) | {row["slice"] for row in comparison["blocked"]}
    assert found == {"ecoserve"} | names | {f"{name}:same" for name in names}
    assert all(set(plan) >= PLAN_KEYS for plan in comparison["plans"].values())
    for step in comparison["waterfall"]:
        assert set(step) >= {"step", "kgco2e_per_year", "usd_per_h", "within_gap"}
    for world in comparison["what_ifs"]:
        assert set(world) >= {"key", "what_if", "change", "plan", "reason"}
    assert {"without_fp8"} < {world["key"] for world in comparison["what_ifs"]}


def test_savings_are_fractions_of_the_baseline(comparison: dict[str, Any]):
    totals = {k: p["kgco2e_per_year"]["total"] for k, p in comparison["plans"].items()}
    assert comparison["savings"]
    for name, saving in comparison["savings"].items():
        assert saving == pytest.approx(1 - totals["ecoserve"] / totals[name], rel=1e-9, abs=1e-12)


def test_compare_agrees_with_plan(comparison: dict[str, Any], small_plan: dict[str, Any]):
    ours = comparison["plans"]["ecoserve"]
    assert ours["fleet"] == small_plan["fleet"]
    assert ours["kgco2e_per_year"]["total"] == pytest.approx(
        small_plan["kgco2e_per_year"]["total"], rel=1e-9
    )


def test_compare_for_people_shows_every_plan(run: Run, small: Path, comparison: dict[str, Any]):
    result = run("compare", small)
    assert result.exit_code == 0
    assert result.stderr == ""
    for name in comparison["plans"]:
        assert name in result.stdout
    for world in comparison["what_ifs"]:
        assert world["what_if"][:40] in result.stdout


@pytest.fixture
def fleets(tmp_path: Path) -> Path:
    path = tmp_path / "fleets.csv"
    path.write_text("name,server,count\nmine,own_8x_h100_sxm,2\nfew,own_8x_l4,1\n", "utf-8")
    return path


def test_compare_with_fleets_of_ones_own_and_every_lever(run: Run, small: Path, fleets: Path):
    asked = ("--given", fleets, "--baselines", "cost", "--ablations", "--no-what-ifs")
    record = answer(run("compare", small, *asked, "--json"))
    found = set(record["plans"]) | {row["slice"] for row in record["blocked"]}
    levers = ("rightsize", "phases_apart", "reuse", "reduce", "shift", "park")
    assert found == {
        *("ecoserve", "cost", "cost:same", "given:mine", "given:mine:same"),
        *("given:few", "given:few:same"),
        *(f"{kind}:{lever}" for kind in ("only", "without") for lever in levers),
    }
    assert record["what_ifs"] == []
    bought = {e["server"]: e["count"] for e in record["plans"]["given:mine"]["fleet"]}
    assert set(bought) == {"own_8x_h100_sxm"}
    result = run("compare", small, *asked)
    assert result.exit_code == 0
    for title in ("Your own fleets", "Each lever alone", "All levers but one"):
        assert title in result.stdout


def test_unknown_baselines_and_servers_are_exit_code_2(run: Run, small: Path, tmp_path: Path):
    result = run("compare", small, "--baselines", "cheapest,single:abacus")
    assert result.exit_code == 2
    assert result.stderr.count("error: baseline: no baseline") == 2
    path = tmp_path / "bad.csv"
    path.write_text("name,server,count\nmine,own_8x_h1000,2\nmine,own_8x_l4,-1\n", "utf-8")
    result = run("compare", small, "--given", path)
    assert result.exit_code == 2
    assert "bad.csv line 2: no server has the id 'own_8x_h1000'; nearest:" in result.stderr
    assert "bad.csv line 3: count must be a whole number" in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--precision", "int3", "'int3' is not one of 'bf16', 'fp8', 'int8', 'int4'"),
        ("--batch", "many", "must be a whole number"),
        ("--batch", "0", "must be at least 1"),
    ],
)
def test_options_are_refused_in_our_words(run: Run, option: str, value: str, said: str):
    asked = ("--llm", "llama_3_1_8b", "--accelerator", "l40s", "--isl", 100, "--osl", 10)
    result = run("profile", *asked, option, value)
    assert result.exit_code == 2
    assert f"Invalid value for '{option}': {said}" in " ".join(result.stderr.split())
    assert "Value error" not in result.stderr


# --- infeasible ------------------------------------------------------------------------------


@pytest.fixture
def impossible(small: Path, tmp_path: Path) -> Path:
    workloads = json.loads(small.read_text("utf-8"))["workloads"]
    workloads[0]["slo"]["tpot_s"] = 0.0001
    return changed(small, tmp_path, workloads=workloads)


def test_an_impossible_slo_is_exit_code_3_with_the_slices_and_reasons(run: Run, impossible: Path):
    result = run("plan", impossible, "--json")
    record = answer(result, exit_code=3)
    assert set(record) >= STAMP | {"status", "blocked"}
    assert record["status"] == "infeasible"
    assert record["blocked"]
    assert all(row["slice"] and "TPOT" in row["reason"].upper() for row in record["blocked"])
    assert "chat" in result.stderr


def test_without_json_an_impossible_slo_leaves_stdout_empty(run: Run, impossible: Path):
    for command in ("plan", "compare"):
        result = run(command, impossible)
        assert result.exit_code == 3
        assert result.stdout == ""
        assert "TPOT" in result.stderr.upper()


# --- bad input -------------------------------------------------------------------------------


def test_unknown_ids_are_named_with_the_nearest_ones_all_at_once(
    run: Run, small: Path, tmp_path: Path
):
    workloads = json.loads(small.read_text("utf-8"))["workloads"]
    workloads[0]["llm"] = "llama_3_1_8"
    path = changed(
        small,
        tmp_path,
        workloads=workloads,
        site={"region": "aws_us_west_11"},
        hardware={"accelerators": ["h100_sxm"]},
    )
    result = run("plan", path, "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
    for nearest in ("llama_3_1_8b", "aws_us_west_1", "h100_sxm_80gb"):
        assert nearest in result.stderr
    assert len(result.stderr.strip().splitlines()) == 3


def test_bad_numbers_are_reported_all_at_once(run: Run, small: Path, tmp_path: Path):
    path = changed(
        small, tmp_path, workloads=[], policy={"burst": -1, "headroom": 7}, site={"region": "x y"}
    )
    result = run("plan", path)
    assert result.exit_code == 2
    fields = {line.split(": ")[1] for line in result.stderr.strip().splitlines()}
    assert fields == {"workloads", "policy.burst", "policy.headroom", "site.region"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"[1, 2]", "one JSON object"),
        (b'{"workloads": NaN}', "NaN"),
        (b'{"site": 1e999}', "not finite"),
        (b'{"a":' * 100_000, "deep"),
        (b'{"site": ' + b"9" * 5_000 + b"}", "5000 digits"),
    ],
)
def test_a_broken_file_is_exit_code_2(run: Run, tmp_path: Path, content: bytes, reason: str):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    result = run("plan", path)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert reason in result.stderr


def test_an_unreadable_path_is_exit_code_2(run: Run, tmp_path: Path):
    missing = run("plan", tmp_path / "missing.json")
    assert missing.exit_code == 2
    assert "no file" in missing.stderr
    folder = run("plan", tmp_path)
    assert folder.exit_code == 2
    assert "cannot read" in folder.stderr
    assert run("plan", "a\0b").exit_code == 2
    assert run("plan", "x" * 10_000).exit_code == 2


def test_a_misspelt_preset_is_answered_with_the_right_name(run: Run):
    result = run("plan", "azure-chat-code")
    assert result.exit_code == 2
    assert PRESET in result.stderr


@pytest.mark.parametrize(
    "link",
    [
        "http://localhost:8501/?s=1eNbroken",
        "http://localhost:8501/",
        "http://localhost:8501/?s=",
        "http://localhost:8501/?id=0123456789ab",
        "http://[/?s=1",
        "?s=2abc",
        "1" + "A" * 60,
        "1" + "A" * 5_000,
    ],
)
def test_a_broken_link_is_exit_code_2(run: Run, link: str):
    for command in (("plan",), ("link", "decode")):
        result = run(*command, link)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", PRESET, "--carbon-price", "nan"),
        ("plan", PRESET, "--carbon-price", "inf"),
        ("plan", PRESET, "--carbon-price", "-5"),
        ("plan", PRESET, "--objective", "speed"),
        ("plan", PRESET, "--coefficients", "pfc"),
        ("plan", PRESET, "--no-such-option"),
        ("plan",),
        ("nonsense",),
        ("embodied", "h100_sxm_80g"),
        ("embodied", "l4", "--coefficients", "pfc"),
        ("catalog", "list", "acelerators"),
        ("catalog", "show", "llms", "llama"),
        ("app", "--port", "0"),
        ("app", "--address", "no such host"),
    ],
)
def test_bad_usage_is_exit_code_2(run: Run, arguments: tuple[str, ...]):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr


def test_a_file_that_is_no_library_is_exit_code_2_and_stays(run: Run, tmp_path: Path):
    file = tmp_path / "notes.txt"
    file.write_text("mine " * 1_000, encoding="utf-8")
    result = run("app", "--port", "8599", "--library", file)
    assert result.exit_code == 2
    assert "the library notes.txt cannot be used" in result.stderr
    assert file.read_text(encoding="utf-8") == "mine " * 1_000


# --- embodied --------------------------------------------------------------------------------


@pytest.mark.parametrize("product", ["h100_sxm_80gb", "l4"])
@pytest.mark.parametrize("coefficients", ["pcf", "paper"])
def test_embodied_parts_add_up(run: Run, product: str, coefficients: str):
    record = answer(run("embodied", product, "--coefficients", coefficients, "--json"))
    assert set(record) >= STAMP | {"id", "coefficients", "total_kgco2e", "low", "high", "parts"}
    assert (record["id"], record["coefficients"]) == (product, coefficients)
    for total, part in (("total_kgco2e", "kgco2e"), ("low", "low"), ("high", "high")):
        assert sum(row[part] for row in record["parts"]) == pytest.approx(record[total], rel=1e-9)
    assert record["low"] <= record["total_kgco2e"] <= record["high"]
    keys = {"part", "side", "kgco2e", "low", "high", "source_id", "quality"}
    assert all(set(row) >= keys for row in record["parts"])


def test_a_server_contains_its_accelerators(run: Run):
    servers = answer(run("catalog", "list", "servers", "--json"))["rows"]
    row = next(row for row in servers if row["n_accelerators"] == 8)
    server = answer(run("embodied", row["id"], "--json"))
    card = answer(run("embodied", row["accelerator_id"], "--json"))
    on_cards = sum(p["kgco2e"] for p in server["parts"] if p["side"] == "accelerator")
    assert on_cards == pytest.approx(8 * card["total_kgco2e"], rel=1e-9)
    assert server["total_kgco2e"] > on_cards


def test_embodied_for_people_names_total_and_set(run: Run):
    result = run("embodied", "l4")
    assert result.exit_code == 0
    assert "coefficient set pcf" in result.stdout
    assert "total" in result.stdout
    assert "24 GB of GDDR6 x 1.496 kgCO2e/GB" in " ".join(result.stdout.split())
    assert "Under the other sets: paper 31.1 kg" in result.stdout
    assert "github.com/hubblo-org" in result.stdout


def test_embodied_hours_and_other_sets(run: Run):
    years = ("--accelerator-years", "2", "--host-years", "8")
    record = answer(run("embodied", "own_8x_h100_sxm", *years, "--json"))
    side = {
        name: sum(part["kgco2e"] for part in record["parts"] if part["side"] == name)
        for name in ("accelerator", "host")
    }
    hours = record["per_hour"]
    assert hours["accelerator_gco2e"] == pytest.approx(1000 * side["accelerator"] / (2 * 8760))
    assert hours["host_gco2e"] == pytest.approx(1000 * side["host"] / (8 * 8760))
    paper = answer(run("embodied", "own_8x_h100_sxm", "--coefficients", "paper", "--json"))
    totals = {other["coefficients"]: other["total_kgco2e"] for other in record["other_sets"]}
    assert set(totals) == {"paper", "lca_high"}
    assert totals["paper"] == pytest.approx(paper["total_kgco2e"], rel=1e-12)


def test_a_trimmed_host_is_made_with_less(run: Run):
    full = answer(run("embodied", "own_8x_h100_sxm", "--json"))
    lean = answer(run("embodied", "own_8x_h100_sxm", "--variant", "trimmed", "--json"))
    kg = [{p["part"]: p["kgco2e"] for p in record["parts"]} for record in (full, lean)]
    assert kg[1]["DRAM"] < kg[0]["DRAM"]
    assert kg[1]["SSD"] < kg[0]["SSD"]
    assert kg[1]["memory"] == kg[0]["memory"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "or ask for --validate"),
        (("l4", "--validate"), "or ask for --validate alone"),
        (("l4", "--variant", "trimmed"), "l4: is an accelerator"),
        (("aws_p5_48xlarge", "--variant", "trimmed"), "is rented as it is"),
        (("own_8x_h100_sxm", "--variant", "trimmd"), "nearest: trimmed"),
        (("l4", "--host-years", "0"), "not above zero"),
    ],
)
def test_what_embodied_cannot_answer(run: Run, arguments: tuple[str, ...], words: str):
    result = run("embodied", *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())


def test_published_footprints_beside_ours(run: Run):
    checks = answer(run("embodied", "--validate", "--json"))["checks"]
    found = {(check["id"], check["coefficients"]): check for check in checks}
    board = found["hgx_h100", "pcf"]
    assert (board["published_kgco2e"], board["in_sample"]) == (1312.0, True)
    assert board["ratio"] == pytest.approx(board["ours_kgco2e"] / 1312.0)
    assert {line["part"] for line in board["lines"]} >= {"dies", "memory", "cooling"}
    assert board["band_ratio"] == pytest.approx(board["high"] / board["low"])
    assert found["teardown_a100_pcie_40gb", "lca_high"]["in_sample"] is True
    assert found["teardown_a100_pcie_40gb", "pcf"]["in_sample"] is False
    assert ("calculator_l4", "pcf") not in found
    text = run("embodied", "--validate").stdout
    assert "reproduced" in text
    assert "(high 10 x low)" in " ".join(text.split())
    assert "NOT REPRODUCED" not in text


# --- profile ---------------------------------------------------------------------------------

CASE = ("--llm", "llama_3_1_8b", "--accelerator", "h100_sxm_80gb", "--isl", "1000", "--osl", "200")
PROFILE_KEYS = {
    *("batch", "ttft_s", "tpot_s", "tokens_per_s", "requests_per_s", "power_w", "j_per_token"),
    *("memory_gb", "bound_by", "error_band", "provenance"),
}


def test_profile_at_a_batch(run: Run):
    record = answer(run("profile", *CASE, "--tp", "1", "--batch", "32", "--json"))
    assert set(record) >= STAMP | PROFILE_KEYS
    assert record["batch"] == 32
    assert record["requests_per_s"] * 200 == pytest.approx(record["tokens_per_s"], rel=1e-9)
    assert record["j_per_token"] == pytest.approx(
        record["power_w"] / record["tokens_per_s"], rel=1e-9
    )
    assert 16 < record["memory_gb"] < 80  # 8.03 GB of parameters at two bytes, and KV


def test_profile_within_targets_keeps_them_and_looser_ones_serve_no_less(run: Run):
    tight = answer(run("profile", *CASE, "--ttft-s", "1", "--tpot-s", "0.015", "--json"))
    loose = answer(run("profile", *CASE, "--ttft-s", "1", "--tpot-s", "0.05", "--json"))
    assert tight["ttft_s"] <= 1
    assert tight["tpot_s"] <= 0.015
    assert loose["tokens_per_s"] >= tight["tokens_per_s"]


def test_profile_of_what_does_not_fit_is_exit_code_3(run: Run):
    case = ("--llm", "llama_3_1_70b", "--accelerator", "l4", "--isl", "1000", "--osl", "200")
    result = run("profile", *case, "--batch", "1", "--json")
    assert answer(result, exit_code=3)["status"] == "infeasible"
    assert result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        CASE,
        (*CASE, "--batch", "8", "--tpot-s", "0.1"),
        (*CASE, "--ttft-s", "1"),
        (*CASE, "--ttft-s", "nan", "--tpot-s", "0.1"),
        (*CASE, "--ttft-s", "-1", "--tpot-s", "0.1"),
        (*CASE, "--batch", "0"),
        (*CASE, "--batch", "8", "--tp", "0"),
        (*CASE, "--batch", "8", "--isl", "inf"),
        (*CASE, "--batch", "8", "--llm", "llama_3_1_9b"),
        (*CASE, "--batch", "8", "--stack", "vllm_v9"),
    ],
)
def test_a_profile_that_makes_no_sense_is_exit_code_2(run: Run, arguments: tuple[str, ...]):
    result = run("profile", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr


# --- catalog and links -----------------------------------------------------------------------


def test_catalog_lists_tables_rows_and_one_row(run: Run):
    tables = {row["id"]: row["rows"] for row in answer(run("catalog", "list", "--json"))["rows"]}
    assert tables["accelerators"] >= 8
    rows = answer(run("catalog", "list", "accelerators", "--json"))["rows"]
    assert len(rows) == tables["accelerators"]
    assert {"h100_sxm_80gb", "l4"} <= {row["id"] for row in rows}
    row = answer(run("catalog", "show", "accelerators", "l4", "--json"))["row"]
    assert row["memory_gb"] == 24
    assert row["source_id"]
    assert "l4" in run("catalog", "list", "accelerators").stdout
    assert "source_id" in run("catalog", "show", "accelerators", "l4").stdout


def test_catalog_build_says_where_and_which(run: Run):
    record = answer(run("catalog", "build", "--json"))
    assert Path(record["path"]).is_file()
    assert record["catalog_version"] in run("catalog", "build").stdout


def test_a_link_brings_the_scenario_back(run: Run, small: Path, tmp_path: Path):
    link = run("link", "encode", small).stdout.strip()
    assert link.startswith("http://localhost:8501/?s=1")
    decoded = run("link", "decode", link)
    assert decoded.stderr == ""
    assert answer(decoded) == read_scenario(json.loads(small.read_text("utf-8"))).model_dump(
        mode="json"
    )
    again = tmp_path / "again.json"
    for arguments in (("link", "decode", link), ("link", "decode", link, "--json")):
        again.write_text(run(*arguments).stdout, encoding="utf-8")
        assert run("link", "encode", again).stdout.strip() == link


def test_link_keys_and_where_it_points(run: Run):
    record = answer(run("link", "encode", PRESET, "--base-url", "https://plan.test/x/", "--json"))
    assert set(record) >= STAMP | {"link", "chars"}
    assert record["link"] == f"https://plan.test/x/?s={record['token']}"
    assert record["chars"] == len(record["link"])
    assert record["scenario_fingerprint"] == load_presets()[PRESET].fingerprint()


# --- as a process ----------------------------------------------------------------------------


def test_version_and_help(run: Run):
    assert run("--version").stdout.strip() == f"ecoserve {__version__}"
    for command in ((), ("plan",), ("catalog",), ("link", "encode")):
        assert "Usage" in run(*command, "--help").stdout


def test_a_closed_pipe_is_quiet(catalog: Path):
    command = [sys.executable, "-m", "app.cli", "catalog", "list", "regions", "--json"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "ECOSERVE_CATALOG": str(catalog)},
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


def test_an_internal_error_is_one_sentence(run: Run, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("app.cli.open_scenario", broken)
    result = run("plan", PRESET)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "internal error, please report: RuntimeError: boom" in result.stderr


def test_interruption_is_exit_code_130(run: Run, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("app.cli.open_scenario", interrupted)
    result = run("plan", PRESET)
    assert result.exit_code == 130
    assert result.stderr == "interrupted before it was done\n"
