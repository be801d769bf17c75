"""Files of a plan: what stands in them adds up to the plan, and no text of the user's runs."""

from __future__ import annotations

import csv
import io
import json
import shlex
from dataclasses import dataclass, replace

import pytest

from app.answers import Answer, saving_interval
from app.exports import comparison_csv, plan_csv, plan_json
from app.launch import (
    APART,
    CHECKPOINT,
    ONLINE_FP8,
    PUBLISHED,
    launch_commands,
    launch_record,
    longest_request_tokens,
)
from app.report_html import (
    NOT_STATED,
    Occasion,
    comparison_rows,
    input_rows,
    nearest_preset,
    report_html,
    scope_rows,
)
from app.sources_used import sources_used
from ecoserve.plan import Plan, plan_record
from ecoserve.planner import plan_fleet
from ecoserve.scenario import Scenario
from tests.builders import offline, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
SCENARIO = tiny_scenario(online(), offline())
PLAN = plan_fleet(SCENARIO, CATALOG, "quick")
OTHER = plan_fleet(tiny_scenario(online(), offline(), site={"pue": 2.0}), CATALOG, "quick")


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed(Answer):
    """An answer whose scenario can be given any name, also one that no scenario may have."""

    def renamed(self, name: str) -> Answer:
        return replace(self, scenario=self.scenario.model_copy(update={"name": name}))


ANSWER = Renamed(
    scenario=SCENARIO, baseline="cost", plan=PLAN, other=OTHER, other_name="the other fleet"
)


def rows_of(plan: Plan, scenario: Scenario, section: str) -> list[dict[str, str]]:
    rows = csv.DictReader(io.StringIO(plan_csv(plan, scenario, CATALOG)))
    return [row for row in rows if row["section"] == section]


def test_the_parts_in_the_table_add_up_to_its_totals():
    (total,) = rows_of(PLAN, SCENARIO, "total")
    carbon = sum(float(row["kgco2e_per_year"]) for row in rows_of(PLAN, SCENARIO, "carbon"))
    cost = sum(float(row["usd_per_h"]) for row in rows_of(PLAN, SCENARIO, "cost"))
    assert carbon == pytest.approx(float(total["kgco2e_per_year"]), rel=1e-12)
    assert carbon == pytest.approx(PLAN.kgco2e_per_year, rel=1e-12)
    assert cost == pytest.approx(PLAN.usd_per_h, rel=1e-12)
    servers = sum(int(row["count_servers"]) for row in rows_of(PLAN, SCENARIO, "fleet"))
    assert servers == sum(entry.count for entry in PLAN.fleet)
    pools = rows_of(PLAN, SCENARIO, "pool")
    assert [int(row["count_replicas"]) for row in pools] == [p.replicas for p in PLAN.pools]
    (latency,) = rows_of(PLAN, SCENARIO, "latency")
    assert float(latency["ttft_limit_s"]) == 2.0
    assert latency["meets_slo"] == "yes"


def test_a_comparison_has_a_row_per_baseline_and_what_it_saves():
    others = {"cost": OTHER, "single:small": "=too slow"}
    ours, cost, none = csv.DictReader(io.StringIO(comparison_csv(PLAN, others, SCENARIO)))
    saving = 1.0 - PLAN.kgco2e_per_year / OTHER.kgco2e_per_year
    assert float(ours["kgco2e_per_year"]) == PLAN.kgco2e_per_year
    assert float(cost["saving_ratio"]) == pytest.approx(saving, rel=1e-12)
    assert (none["plan"], none["reason"]) == ("single:small", "'=too slow")
    assert ours["saving_ratio"] == none["kgco2e_per_year"] == ""
    fingerprints = {row["scenario_fingerprint"] for row in (ours, cost, none)}
    assert fingerprints == {SCENARIO.fingerprint()}


def test_every_row_says_whose_it_is():
    rows = list(csv.DictReader(io.StringIO(plan_csv(PLAN, SCENARIO, CATALOG))))
    stamps = {
        (row["scenario_fingerprint"], row["engine_version"], row["catalog_version"]) for row in rows
    }
    assert stamps == {(SCENARIO.fingerprint(), PLAN.engine_version, "tiny")}


def test_no_text_of_the_table_is_a_formula():
    named = SCENARIO.model_copy(update={"name": "=1+1"})
    rows = csv.DictReader(io.StringIO(plan_csv(PLAN, named, CATALOG)))
    assert {row["scenario"] for row in rows} == {"'=1+1"}


def test_the_json_is_that_of_the_terminal():
    record = json.loads(plan_json(PLAN, SCENARIO, CATALOG))
    expected = json.loads(json.dumps(plan_record(PLAN, 0.0)))
    whys = [entry.pop("why") for entry in record["fleet"]]
    assert all(why.endswith(".") for why in whys)
    assert record == expected | {"seconds": None}


def test_launch_settings_are_those_of_the_pools():
    record = launch_record(PLAN, SCENARIO, CATALOG)
    for pool, row in zip(PLAN.pools, record["pools"], strict=True):
        words = shlex.split(row["command"])
        given = dict(zip(words[3::2], words[4::2], strict=True))
        assert words[:3] == ["vllm", "serve", "MODEL"]
        assert given == {
            "--served-model-name": "toy",
            "--tensor-parallel-size": str(pool.tp),
            "--dtype": "bfloat16",
            "--kv-cache-dtype": "auto",
            "--max-num-seqs": "256",
            "--max-model-len": "2048",
        }
        assert (row["replicas"], row["server"]) == (pool.replicas, pool.server)


def test_the_command_names_the_published_checkpoint_where_the_catalog_has_it():
    llms = {"toy": replace(CATALOG.llm("toy"), hub_id="Acme/Toy-1B-Chat")}
    record = launch_record(PLAN, SCENARIO, replace(CATALOG, llms=llms))
    for row in record["pools"]:
        assert shlex.split(row["command"])[2] == row["checkpoint"] == "Acme/Toy-1B-Chat"
        assert PUBLISHED in row["remarks"]
        assert CHECKPOINT not in row["remarks"]
    assert CHECKPOINT in launch_record(PLAN, SCENARIO, CATALOG)["pools"][0]["remarks"]


def test_the_context_holds_the_longest_requests_of_the_pools_buckets():
    pool = PLAN.pools[0]
    (bucket,) = CATALOG.length_mix("one").buckets
    longest = bucket.isl_hi_tokens + bucket.osl_hi_tokens
    found = longest_request_tokens(pool, SCENARIO, CATALOG)
    assert found - 1024 < longest <= found
    assert found % 1024 == 0


def test_what_a_command_does_not_cover_is_said():
    pool = replace(PLAN.pools[0], role="prefill", precision="fp8")
    other = replace(pool, stack="cpu", role="host_cpu", accelerator="", precision="bf16")
    (fp8, unknown) = launch_record(replace(PLAN, pools=(pool, other)), SCENARIO, CATALOG)["pools"]
    assert "--quantization fp8" in fp8["command"]
    assert {APART, ONLINE_FP8} <= set(fp8["remarks"])
    assert unknown["command"] is None
    assert unknown["remarks"] == ["No command for the stack cpu, whose flags are not known here."]


def test_no_name_becomes_a_command():
    named = SCENARIO.model_copy(update={"name": "quiet\nrm -rf /"})
    text = launch_commands(PLAN, named, CATALOG)
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(lines) == len(PLAN.pools)
    assert all(line.startswith("vllm serve MODEL ") for line in lines)


def test_the_report_sets_the_plan_beside_its_baseline():
    first = comparison_rows(ANSWER)[0]
    change = 100 * (PLAN.kgco2e_per_year / OTHER.kgco2e_per_year - 1)
    shown = first["Difference"].replace("\N{MINUS SIGN}", "-").replace("\u202f%", "")
    assert float(shown) == pytest.approx(change, rel=5e-3)
    alone = replace(ANSWER, other=None)
    assert {row["Baseline"] for row in comparison_rows(alone)} == {"cannot serve this"}


def test_scopes_that_are_not_known_are_not_stated():
    plan = replace(PLAN, direct_kgco2e_per_year=None, market_kgco2e_per_year=1234.0)
    rows = {
        row["Scope"]: row["This plan, kgCO2e"] for row in scope_rows(replace(ANSWER, plan=plan))
    }
    assert [value for scope, value in rows.items() if "location-based: burnt" in scope] == [
        NOT_STATED
    ]
    assert [value for scope, value in rows.items() if "market-based" in scope] == ["1,230"]


def test_all_inputs_are_told_and_the_nearest_preset_is_named():
    inputs = {row["Input"]: row["Value"] for row in input_rows(SCENARIO, CATALOG)}
    assert inputs["chat: mean rate, requests/s"] == "40"
    assert inputs["batch: kind"] == "offline"
    assert inputs["Policy: headroom"] == "15\u202f%"
    near = tiny_scenario(online(rate_rps=50.0), offline())
    far = tiny_scenario(online("other", rate_rps=50.0), site={"pue": 1.5})
    assert nearest_preset(SCENARIO, {"a": far, "b": near}) == "b"


def test_the_report_is_stamped_and_holds_everything_itself():
    presets = {"as it is": SCENARIO}
    occasion = Occasion(made_on="2026-02-03", link="https://here/?s=1abc", other_sets=("x: y",))
    text = report_html(ANSWER, CATALOG, presets, occasion)
    for words in ("2026-02-03", SCENARIO.fingerprint(), "catalog tiny", "https://here/?s=1abc"):
        assert words in text
    assert "Not counted: networks" in text
    assert "Planned anew x: y." in text
    page = text.partition("</script>")[2]
    assert "src=" not in page
    assert "<link" not in page


def test_the_report_runs_no_text_of_the_users():
    hostile = "<script>alert(1)</script>"
    occasion = Occasion(made_on=hostile, link=hostile, other_sets=(hostile,))
    answer = replace(ANSWER.renamed(hostile), other_name=hostile)
    text = report_html(answer, CATALOG, {"p": SCENARIO}, occasion)
    assert "alert(1)" in text
    assert hostile not in text


def test_sources_name_what_they_are_of():
    (source,) = sources_used(PLAN, SCENARIO, CATALOG)
    assert {"embodied carbon", "grid and site", "hardware", "prices"} <= set(source.what_for)


def test_the_saving_has_an_interval_over_the_sets_of_coefficients():
    other = ANSWER.other
    assert other is not None

    def saving(ratio: float) -> Answer:
        part = replace(
            ANSWER.plan.carbon_parts[0], kgco2e_per_year=(1 - ratio) * other.kgco2e_per_year
        )
        return replace(ANSWER, plan=replace(ANSWER.plan, carbon_parts=(part,)))

    words = saving_interval([saving(0.2), saving(0.1), saving(-0.05)])
    name = ANSWER.other_name
    plain_words = words.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert plain_words == f"5.00 % more to 20.0 % less carbon than {name} over all coefficient sets"
    assert saving_interval([saving(0.2)]) == ""
