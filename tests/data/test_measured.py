"""Measured points as text: what is read, what is refused, and what the shipped files say."""

from __future__ import annotations

import csv
from dataclasses import replace
from importlib import resources
from typing import Any

import pytest

from catalog_db.measured import (
    SERVING_COLUMNS,
    aliases_from,
    conventions_from,
    plans_from,
    read_points,
    serving_csv,
)
from ecoserve.errors import MissingDataError, ScenarioError
from ecoserve.points import PointConvention, precision_id
from tests.builders import serving

HEADER = (
    "source,model,params_b,hardware,tp,precision,stack,phase,batch,input_len,output_len,"
    "context_len,latency_ms,throughput_tok_s,power_w,energy_j_per_token,note"
)
LINE = "mine,llama3-8b,8.03,H100,1,bf16,vllm-v1,decode,32,500,200,600,9.5,3368,560,0.166,a note"
UNLICENSED = {"ml_energy", "llama_cpp_gpus", "nm_vllm_ci", "musgrave_vllm", "xft_readme"}


def table(name: str) -> list[dict[str, Any]]:
    text = (resources.files("catalog_db") / "data" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def shipped() -> Any:
    text = (resources.files("catalog_db") / "data" / "measured_points.csv").read_text("utf-8")
    return read_points(text, conventions_from(table("point_conventions")))


def test_a_row_in_the_units_of_the_engine():
    (point,) = read_points(f"{HEADER}\n{LINE}\n", {})
    assert (point.model, point.tp, point.batch, point.context_len) == ("llama3-8b", 1, 32.0, 600.0)
    assert point.latency_s == pytest.approx(0.0095)
    assert (point.output_tokens_per_s, point.power_w) == (3368.0, 560.0)
    assert point.convention == PointConvention(source="mine", phase="decode")
    assert point.note == "a note"


def test_blank_cells_are_unknown_not_zero():
    (point,) = read_points(f"{HEADER}\nmine,m,,H100,1,,s,prefill,,,,,,,,,\n", {})
    assert (point.batch, point.latency_s, point.power_w) == (None, None, None)


def test_a_source_means_what_its_convention_says_unless_the_row_says_otherwise():
    known = PointConvention(source="mine", phase="decode", load="closed_loop", kv_precision="fp8")
    conventions = {("mine", "decode"): known}
    (plain,) = read_points(f"{HEADER}\n{LINE}\n", conventions)
    assert plain.convention == known
    text = f"{HEADER},power_scope,load\n{LINE},per_gpu,isolated\n"
    (said,) = read_points(text, conventions)
    assert said.convention == replace(known, power_scope="per_gpu", load="isolated")


def test_everything_that_is_wrong_is_said_at_once():
    bad = (
        LINE.replace(",32,", ",many,").replace("decode", "dreaming").replace(",1,bf16", ",1.5,bf16")
    )
    with pytest.raises(ScenarioError) as caught:
        read_points(f"{HEADER}\n{LINE}\n{bad}\n", {})
    said = {problem.field for problem in caught.value.problems}
    assert said == {"line 3, batch", "line 3, tp", "line 3, phase"}
    with pytest.raises(ScenarioError, match="latency_ms: column is missing"):
        read_points(f"{HEADER.replace('latency_ms', 'latency')}\n", {})


def test_shipped_points_are_complete_and_readable():
    points = shipped()
    assert 1200 <= len(points) <= 1800
    for point in points:
        assert point.latency_s is not None
        assert point.batch is not None
        try:
            precision_id(point.precision)
        except MissingDataError as error:
            pytest.fail(str(error))
    assert len({row["id"] for row in table("measured_points")}) == len(points)


def test_shipped_points_have_a_source_and_unlicensed_ones_are_few():
    rows = table("measured_points")
    known = {row["id"] for row in table("sources")}
    assert {row["source_id"] for row in rows} <= known
    free = [row for row in rows if row["source_id"] not in UNLICENSED]
    assert len(free) > 0.85 * len(rows)


def test_every_source_of_points_with_its_own_meaning_is_described():
    said = {row["source"] for row in table("point_conventions")}
    closed = [row for row in table("point_conventions") if row["load"] == "closed_loop"]
    assert {row["source"] for row in closed} == {"aiconfigurator-silicon"}
    per_gpu = {
        row["source"] for row in table("point_conventions") if row["power_scope"] == "per_gpu"
    }
    assert per_gpu == {"splitwise-sim", "argonne-llm-inference-bench"}
    assert said <= {row["source"] for row in table("measured_points")}


def test_hardware_of_shipped_points_has_a_name_of_ours():
    names = set(aliases_from(table("accelerator_aliases"))) | {
        row["id"] for row in table("measured_cpus")
    }
    assert {point.hardware for point in shipped()} <= names


def test_plans_lead_to_points_or_to_another_plan():
    plans = plans_from(table("calibration_plans"))
    assert {plan.from_id for plan in plans.values()} - {None} <= set(plans)
    for plan in plans.values():
        seen = {plan.id}
        while plan.from_id is not None:
            plan = plans[plan.from_id]
            assert plan.id not in seen, "plans go round in a circle"
            seen.add(plan.id)


def test_the_shipped_parameters_are_those_of_the_plans():
    rows = table("serving_parameters")
    assert [row["id"] for row in rows] == sorted(plans_from(table("calibration_plans")))
    assert tuple(rows[0]) == SERVING_COLUMNS
    assert {row["provenance"] for row in rows} == {"calibrated", "inherited"}


def test_parameters_are_written_in_published_units():
    row = serving("big_family", t_layer_s=61.2e-6, t_request_s=0.0151, note='with, "quotes"')
    header, line = serving_csv([row]).splitlines()
    assert header == ",".join(SERVING_COLUMNS)
    assert line == (
        "big_family/vllm_v1/bf16,big_family,vllm_v1,bf16,0.5,0.5,0.5,0.5,10,0.5,61.2,10,15.1,1,1,"
        '0.1,calibrated,[],,paper_and_pencil,assumed,"with, ""quotes"""'
    )
