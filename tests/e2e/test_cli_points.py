"""`ecoserve validate` and `ecoserve calibrate`: measured points of the user's own, end to end."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from catalog_db.measured import NUMBERS, TEXTS, read_points
from catalog_db.reader import ensure_catalog, load_catalog
from ecoserve.prediction import Prediction, predict

Run = Callable[..., Result]
HEADER = ",".join((*TEXTS, "tp", *NUMBERS))
SLOWER = 1.5


def line(**changes: object) -> str:
    cells: dict[str, object] = {
        "source": "mine", "model": "llama3-8b", "hardware": "H100", "precision": "bf16",
        "stack": "vllm-v1", "phase": "decode", "tp": 1, "batch": 32, "input_len": 500,
        "output_len": 200, "context_len": 600, "latency_ms": 9.5, "throughput_tok_s": 3368,
        "power_w": "", "energy_j_per_token": "",
    }  # fmt: skip
    return ",".join(str((cells | changes)[name]) for name in HEADER.split(","))


def file_of(folder: Path, *lines: str, name: str = "points.csv") -> Path:
    path = folder / name
    path.write_text("\n".join((HEADER, *lines)) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_catalog(tmp_path_factory.mktemp("catalog") / "catalog.duckdb")


@pytest.fixture(scope="module")
def run(store: Path) -> Run:
    runner = CliRunner(env={"ECOSERVE_CATALOG": str(store)})

    def invoke(*arguments: object) -> Result:
        result = runner.invoke(app, [str(argument) for argument in arguments])
        assert "Traceback" not in result.output
        return result

    return invoke


def test_validate_prints_the_promised_keys(run: Run, tmp_path: Path):
    points = file_of(
        tmp_path, line(), line(batch=64, latency_ms=10.5, throughput_tok_s=6095, power_w=500),
        line(model="no-such-model"), line(batch=""), line(precision="fp16-avx512"),
        line(hardware="abacus"), line(stack="sglang"),
    )  # fmt: skip
    answer = json.loads(run("validate", points, "--json").stdout)
    assert answer["n_rows"] == 7
    assert set(answer["groups"][0]) == {
        "source", "hardware", "phase", "quantity", "n", "mape", "median_error", "bias"
    }  # fmt: skip
    sizes = {group["quantity"]: group["n"] for group in answer["groups"]}
    assert sizes == {"latency": 2, "throughput": 2, "power": 1}
    reasons = {row["row"]: row["reason"] for row in answer["unpredicted"]}
    assert sorted(reasons) == [2, 3, 4, 5, 6]
    for row, said in ((2, "no-such-model"), (3, "no batch"), (4, "fp16-avx512"), (5, "abacus")):
        assert said in reasons[row]
    assert "no serving parameters for hopper_sxm with sglang at bf16" in reasons[6]


def test_the_report_groups_rows_by_reason(run: Run, tmp_path: Path):
    points = file_of(tmp_path, line(), line(batch=""), line(batch=""))
    result = run("validate", points)
    assert result.exit_code == 0
    assert "1 of 3 predicted" in result.stdout
    (said,) = [row for row in result.stdout.splitlines() if "no batch" in row]
    assert said.split() == ["2", "no", "batch", "2,", "3"]


def test_every_row_is_written_with_its_prediction_and_no_formula(run: Run, tmp_path: Path):
    points, out = file_of(tmp_path, line(source="=1+1"), line(batch="")), tmp_path / "out.csv"
    assert run("validate", points, "--out", out).exit_code == 0
    first, second = csv.DictReader(out.read_text(encoding="utf-8").splitlines())
    assert first["source"] == "'=1+1"
    assert float(first["predicted_latency_ms"]) == pytest.approx(9.5, rel=0.3)
    assert first["latency_ms"] == "9.5"
    assert (second["predicted_latency_ms"], second["unpredicted_reason"]) == ("", "no batch")


def test_the_file_of_points_is_not_overwritten(run: Run, tmp_path: Path):
    points = file_of(tmp_path, line())
    result = run("validate", points, "--out", points)
    assert result.exit_code == 2
    assert "name another for --out" in result.stderr
    assert points.read_text(encoding="utf-8").startswith(HEADER)


def test_all_problems_of_a_bad_file_at_once(run: Run, tmp_path: Path):
    points = file_of(tmp_path, line(batch="many"), line(latency_ms="nan"), line() + ",more")
    result = run("validate", points)
    assert result.exit_code == 2
    for said in ("line 2, batch", "line 3, latency_ms", "line 4: more or fewer cells"):
        assert said in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n1,2\n", HEADER.encode() + b"\n"])
def test_what_is_no_file_of_points_is_refused(run: Run, tmp_path: Path, content: bytes):
    path = tmp_path / "points.csv"
    path.write_bytes(content)
    result = run("validate", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert run("calibrate", tmp_path / "nothing.csv").exit_code == 2


def test_a_corrected_row_of_the_catalog_is_met(run: Run, store: Path, tmp_path: Path):
    """Splitwise's decode steps are in the catalog: corrected by themselves they fit."""
    points = [
        point
        for point in load_catalog(store).measured_points
        if (point.source, point.phase, point.hardware) == ("splitwise-sim", "decode", "H100")
    ]
    lines = [
        line(
            source=p.source, model=p.model, hardware=p.hardware, tp=p.tp, precision=p.precision,
            stack=p.stack, batch=p.batch, input_len=p.input_len, output_len=p.output_len,
            context_len=p.context_len, latency_ms=1000 * (p.latency_s or 0), throughput_tok_s="",
        )
        for p in points
    ]  # fmt: skip
    path = file_of(tmp_path, *lines)
    (plain,) = json.loads(run("validate", path, "--json").stdout)["groups"]
    corrected = json.loads(run("validate", path, "--json", "--with-corrections").stdout)
    assert corrected["with_corrections"]
    assert corrected["groups"][0]["mape"] < 0.5 * plain["mape"]


@pytest.fixture(scope="module")
def twelve(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve decode steps that take 1.5 times what the catalog says."""
    catalog = load_catalog(store)
    texts = [
        line(batch=batch, context_len=context, latency_ms=1, throughput_tok_s="")
        for batch in (1, 8, 32, 64, 128, 256)
        for context in (500, 1500)
    ]
    lines = []
    for text in texts:
        (point,) = read_points(f"{HEADER}\n{text}\n", catalog.point_conventions)
        said = predict(point, catalog)
        assert isinstance(said, Prediction)
        slow = replace(point, latency_s=SLOWER * said.latency_s)
        lines.append(
            line(
                batch=slow.batch, context_len=slow.context_len, throughput_tok_s="",
                latency_ms=1000 * (slow.latency_s or 0),
            )
        )  # fmt: skip
    return file_of(tmp_path_factory.mktemp("twelve"), *lines)


def test_twelve_measurements_change_the_plan(run: Run, twelve: Path, tmp_path: Path):
    overlay = tmp_path / "mine"
    answer = json.loads(run("calibrate", twelve, "--out", overlay, "--json").stdout)
    (fit,) = answer["fits"]
    assert (fit["id"], fit["n_points"], fit["batch_ratio"]) == ("hopper_sxm/vllm_v1/bf16", 12, 256)
    assert fit["in_sample_mape"] < 0.1
    assert "t_layer_s" in fit["identified"]
    assert fit["cross_validated_mape"] is None
    assert answer["files"] == ["serving_parameters.csv", "measured_points.csv"]
    again = run("validate", twelve, "--overlay", overlay, "--json")
    (group,) = json.loads(again.stdout)["groups"]
    assert group["mape"] == pytest.approx(fit["in_sample_mape"], abs=0.01)

    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps(_scenario()), encoding="utf-8")
    before = json.loads(run("plan", scenario, "--json").stdout)
    after = json.loads(run("plan", scenario, "--overlay", overlay, "--json").stdout)
    assert before["catalog_version"] != after["catalog_version"]
    assert _kg(after) > 1.1 * _kg(before)


def _scenario() -> dict[str, Any]:
    return {
        "name": "one kind",
        "workloads": [
            {
                "name": "chat", "llm": "llama_3_1_8b", "mix": "azure_2023_conversation",
                "rate_rps": 200.0, "slo": {"ttft_s": 2.0, "tpot_s": 0.05}, "precisions": ["bf16"],
            }
        ],
        "site": {"region": "aws_us_west_1", "intensity": "annual"},
        "hardware": {"accelerators": ["h100_sxm_80gb"]},
    }  # fmt: skip


def _kg(plan: dict[str, Any]) -> float:
    return float(plan["kgco2e_per_year"]["total"])


def test_calibrate_says_what_it_rests_on(run: Run, twelve: Path):
    said = run("calibrate", twelve).stdout
    for words in (
        "Speed, hopper_sxm/vllm_v1/bf16", "256 times the smallest", "nothing to hold out",
        "t_layer_s", "identified", "Nothing was written",
    ):  # fmt: skip
        assert words in " ".join(said.split())


def test_calibrate_overwrites_nothing(run: Run, twelve: Path, tmp_path: Path):
    (tmp_path / "serving_parameters.csv").write_text("mine", encoding="utf-8")
    result = run("calibrate", twelve, "--out", tmp_path)
    assert result.exit_code == 2
    assert "already has serving_parameters.csv" in result.stderr
    assert (tmp_path / "serving_parameters.csv").read_text(encoding="utf-8") == "mine"


def test_too_few_points_are_refused_with_the_reason(run: Run, tmp_path: Path):
    result = run("calibrate", file_of(tmp_path, line(), line(batch=64)))
    assert result.exit_code == 2
    assert "2 usable points, 5 are needed" in result.stderr


def test_a_stack_of_ones_own_and_its_power(run: Run, store: Path, tmp_path: Path):
    """Points of two models under a stack we do not know give speed and power parameters."""
    lines = [
        line(
            stack="homemade", model=model, batch=batch, latency_ms=base + batch / 20,
            throughput_tok_s="", power_w=300 + batch,
        )
        for model, base in (("llama3-8b", 8), ("mistral-7b", 7.5))
        for batch in (1, 8, 32, 64, 128, 200)
    ]  # fmt: skip
    out = tmp_path / "mine"
    answer = json.loads(run("calibrate", file_of(tmp_path, *lines), "--out", out, "--json").stdout)
    assert answer["fits"][0]["is_new"]
    assert answer["fits"][0]["held_out"] == "model"
    assert [fit["id"] for fit in answer["power"]] == ["hopper_sxm"]
    catalog = load_catalog(store)
    assert answer["power"][0]["parameters"]["a_ratio"] != catalog.power("hopper_sxm").a_ratio
    listed = run("catalog", "show", "serving_parameters", "hopper_sxm/homemade/bf16", "--overlay",
                 out, "--json")  # fmt: skip
    assert json.loads(listed.stdout)["row"]["provenance"] == "calibrated"


def test_good_rows_are_predicted_beside_bad_ones(run: Run, tmp_path: Path):
    points = file_of(tmp_path, line(), line(latency_ms=0), line(batch="many"), line(batch=64))
    out = tmp_path / "predicted.csv"
    answer = json.loads(run("validate", points, "--out", out, "--json").stdout)
    assert answer["n_rows"] == 4
    assert {group["n"] for group in answer["groups"]} == {2}
    reasons = {row["row"]: row["reason"] for row in answer["unpredicted"]}
    assert reasons[1] == (
        "line 3, latency_ms: must be above 0, or blank where it was not measured, not '0'"
    )
    assert reasons[2] == "line 4, batch: must be a number from 0 to 1e+15, not 'many'"
    assert len(out.read_text(encoding="utf-8").splitlines()) == 5


@pytest.mark.parametrize(
    "column", ["latency_ms", "throughput_tok_s", "power_w", "energy_j_per_token"]
)
def test_nothing_takes_no_time_and_draws_nothing(run: Run, tmp_path: Path, column: str):
    rows = [line(batch=batch, **{column: 0}) for batch in (1, 2, 4, 8, 16)]
    result = run("calibrate", file_of(tmp_path, *rows))
    assert result.exit_code == 2
    assert f"line 2, {column}: must be above 0" in result.stderr


def test_one_absurd_row_does_not_spoil_its_group(run: Run, tmp_path: Path):
    points = file_of(tmp_path, line(), line(context_len="1e300"), line(latency_ms="1e-300"))
    answer = json.loads(run("validate", points, "--json").stdout)
    assert all(group["n"] == 1 and group["mape"] < 10 for group in answer["groups"])
    assert len(answer["unpredicted"]) == 2


def test_latencies_in_other_units_are_not_written(run: Run, tmp_path: Path):
    rows = [line(batch=batch, latency_ms=1e-5 * batch) for batch in (1, 2, 4, 8, 16, 32)]
    result = run("calibrate", file_of(tmp_path, *rows), "--out", tmp_path / "mine")
    assert result.exit_code == 2
    assert "check the units (latency_ms in milliseconds)" in result.stderr
    assert not (tmp_path / "mine").exists()


def test_unmeasured_precisions_move_along(run: Run, store: Path, tmp_path: Path):
    """Else a plan that accepts fp8 would take the precision that nobody measured."""
    rows = [
        line(hardware="L40S", model=model, batch=batch, latency_ms=30 + batch / 5,
             throughput_tok_s="")
        for model in ("llama3-8b", "qwen3-8b")
        for batch in (1, 4, 16, 32, 48, 64)
    ]  # fmt: skip
    out = tmp_path / "mine"
    answer = json.loads(run("calibrate", file_of(tmp_path, *rows), "--out", out, "--json").stdout)
    (fit,) = answer["fits"]
    moved = {row["id"]: row for row in fit["moved_along"]}
    assert set(moved) == {f"ada/vllm_v1/{precision}" for precision in ("fp8", "int8", "int4")}
    before = load_catalog(store).serving_parameters
    ratio = fit["parameters"]["mbu"] / before["ada/vllm_v1/bf16"].mbu
    fp8 = moved["ada/vllm_v1/fp8"]
    assert fp8["mbu"] == pytest.approx(before["ada/vllm_v1/fp8"].mbu * ratio, rel=0.01)
    assert fp8["provenance"] == "inherited"
    shown = run("catalog", "show", "serving_parameters", "ada/vllm_v1/fp8", "--overlay", out)
    assert "in proportion to ada/vllm_v1/bf16" in " ".join(shown.stdout.split())


def test_what_was_calibrated_is_shown_as_ones_own(run: Run, twelve: Path, tmp_path: Path):
    out = tmp_path / "mine"
    run("calibrate", twelve, "--out", out)
    row = ("serving_parameters", "hopper_sxm/vllm_v1/bf16", "--overlay", out, "--json")
    shown = json.loads(run("catalog", "show", *row).stdout)["row"]
    assert shown["note"].startswith("12 points of 1 models on H100")
    assert (shown["quality"], shown["source_id"]) == ("modelled", "your_overlay")
    profile = (
        "profile", "--llm", "llama_3_1_8b", "--accelerator", "h100_sxm_80gb", "--isl", 1300,
        "--osl", 400, "--batch", 32, "--json",
    )  # fmt: skip
    before, after = (json.loads(run(*profile, *o).stdout) for o in ((), ("--overlay", out)))
    assert "corrected_locally" not in {note["code"] for note in before["notes"]}
    assert "corrected_locally" in {note["code"] for note in after["notes"]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"stack": ""}, "no stack"), ({"stack": "operator"}, "single layers measured alone")],
)
def test_points_without_a_serving_stack_are_named(run: Run, tmp_path: Path, changes, said: str):
    points = file_of(tmp_path, *[line(batch=batch, **changes) for batch in (1, 2, 4, 8, 16, 32)])
    assert said in " ".join(run("calibrate", points).stderr.split())
    answer = json.loads(run("validate", points, "--json").stdout)
    assert all(said in row["reason"] for row in answer["unpredicted"])
    assert len(answer["unpredicted"]) == 6


def test_calibrate_says_what_power_needs(run: Run, twelve: Path, tmp_path: Path):
    rows = [row.split(",") for row in twelve.read_text(encoding="utf-8").splitlines()]
    lengths = [rows[0].index(name) for name in ("input_len", "output_len")]
    power = rows[0].index("power_w")
    for row in rows[1:]:
        row[power] = "400"
    stated = file_of(tmp_path, *(",".join(row) for row in rows[1:]), name="stated.csv")
    said = " ".join(run("calibrate", stated).stdout.split())
    assert "12 usable points of 1 model; power needs at least 6 points of 2 models" in said
    for row in rows[1:]:
        for i in lengths:
            row[i] = ""
    blank = file_of(tmp_path, *(",".join(row) for row in rows[1:]), name="blank.csv")
    said = " ".join(run("calibrate", blank).stdout.split())
    assert "12 points: no input_len, output_len: a row tells about power only with" in said
    assert "at least 6 of them from 2 models" in " ".join(run("calibrate", "-h").stdout.split())
