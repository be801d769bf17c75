"""The terminal's analyses as other programs use them, here, in processes and on a Dask cluster."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import app

ROOT = Path(__file__).parents[2]
STAMP = {"engine_version", "catalog_version", "scenario_fingerprint", "notes", "seconds"}
Run = Callable[..., Result]
END_S = 20
COMMAND = (sys.executable, "-m", "app.cli")


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
    """A small service with a little offline work on three kinds of accelerator."""
    scenario = {
        "name": "small",
        "workloads": [
            {
                "name": "chat", "llm": "llama_3_1_8b", "mix": "azure_2023_conversation",
                "rate_rps": 4.0, "slo": {"ttft_s": 2.0, "tpot_s": 0.1},
            },
            {
                "name": "night", "llm": "llama_3_1_8b", "kind": "offline",
                "mix": "azure_2023_conversation", "rate_rps": 1.0,
            },
        ],
        "site": {"region": "aws_us_west_1", "intensity": "annual"},
        "hardware": {"accelerators": ["l4", "a100_sxm_80gb", "h100_sxm_80gb"]},
    }  # fmt: skip
    path = tmp_path_factory.mktemp("scenario") / "small.json"
    path.write_text(json.dumps(scenario), encoding="utf-8")
    return path


def answer(result: Result, exit_code: int = 0) -> dict[str, Any]:
    """The one JSON object on stdout."""
    assert result.exit_code == exit_code, result.stderr
    record = json.loads(result.stdout)
    assert isinstance(record, dict)
    return record


QUICK = ("--effort", "quick", "--workers", "1")
KEYS = {
    "pareto": {"bound", "fleets"},
    "sensitivity": {"plan", "rows"},
    "crossover": {
        *("segments", "checked", "intensities_g_per_kwh", "gap", "thorough_at_g_per_kwh"),
    },
    "robustness": {"views", "fleets", "gap", "least_regret"},
    "why-not": {"plan", "regrets", "without"},
    "levers": {"reuse", "entry", "reduce"},
}


@pytest.mark.parametrize("command", KEYS)
def test_an_analysis_prints_its_keys(run: Run, small: Path, command: str):
    record = answer(run(command, small, *QUICK, "--json"))
    assert set(record) == STAMP | KEYS[command]
    for row in record["rows"] if command == "sensitivity" else ():
        assert {"input", "unit", "base", "low", "high", "fleet_changes"} <= set(row)
        assert {"value", "kgco2e_per_year", "fixed_kgco2e_per_year"} <= set(row["low"])


def test_limits_prints_prices_of_traffic_and_what_binds(run: Run, small: Path):
    record = answer(run("limits", small, "--effort", "quick", "--json"))
    assert set(record) == STAMP | {"objective", "unit", "traffic", "binding"}
    assert [price["workload"] for price in record["traffic"]] == ["chat", "night"]
    assert all("a little more of" in price["sentence"] for price in record["traffic"])


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("pareto", "No fleet can pass"),
        ("sensitivity", "carbon intensity"),
        ("crossover", "The fleet"),
        ("robustness", "Least to regret"),
        ("why-not", "Planned:"),
        ("levers", "Reduce: what trimmed hosts leave out"),
    ],
)
def test_an_analysis_is_told_to_people(run: Run, small: Path, command: str, told: str):
    result = run(command, small, *QUICK)
    assert result.exit_code == 0, result.stderr
    assert told in result.stdout


def test_only_the_accelerators_named_are_tried(run: Run, small: Path):
    record = answer(run("why-not", small, "h100_sxm_80gb", *QUICK, "--json"))
    assert {regret["accelerator"] for regret in record["regrets"]} <= {"h100_sxm_80gb"}


@pytest.mark.parametrize(("name", "told"), [("h100_sxn", "nearest:"), ("b200", "not allowed")])
def test_an_accelerator_that_is_not_there_is_refused(run: Run, small: Path, name: str, told: str):
    result = run("why-not", small, name, *QUICK)
    assert result.exit_code == 2
    assert told in result.stderr


def test_what_cannot_be_served_is_an_answer_with_its_own_exit_code(
    run: Run, small: Path, tmp_path: Path
):
    data = json.loads(small.read_text("utf-8"))
    data["workloads"][0]["slo"]["ttft_s"] = 0.001
    path = tmp_path / "tight.json"
    path.write_text(json.dumps(data), "utf-8")
    record = answer(run("pareto", path, *QUICK, "--json"), 3)
    assert record["status"] == "infeasible"


# --- sweep -----------------------------------------------------------------------------------

SETTINGS = ("--set", "gco2e_per_kwh=20,400", "--set", "workloads.chat.rate_rps=2,6")


@pytest.fixture(scope="module")
def swept(run: Run, small: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = answer(run("sweep", small, *SETTINGS, *QUICK, "--json"))["rows"]
    return rows


def test_a_sweep_has_a_row_for_every_combination(swept: list[dict[str, Any]]):
    edits = [tuple(row["edits"].values()) for row in swept]
    assert edits == [(20, 2), (20, 6), (400, 2), (400, 6)]
    assert all(row["kgco2e_per_year"] > 0 for row in swept)


def test_processes_give_the_same_rows(run: Run, small: Path, swept: list[dict[str, Any]]):
    options = ("--effort", "quick", "--workers", "2", "--json")
    assert answer(run("sweep", small, *SETTINGS, *options))["rows"] == swept


def test_rows_are_written_as_csv_and_as_json(
    run: Run, small: Path, swept: list[dict[str, Any]], tmp_path: Path
):
    table, out = tmp_path / "in.csv", tmp_path / "out.csv"
    table.write_text("gco2e_per_kwh,workloads.chat.rate_rps\n20,2\n400,6\n", "utf-8")
    assert run("sweep", small, "--table", table, "--out", out, *QUICK).exit_code == 0
    rows = list(csv.DictReader(out.read_text("utf-8").splitlines()))
    assert [row["gco2e_per_kwh"] for row in rows] == ["20", "400"]
    assert [float(row["kgco2e_per_year"]) for row in rows] == [
        swept[0]["kgco2e_per_year"],
        swept[3]["kgco2e_per_year"],
    ]
    assert run("sweep", small, *SETTINGS, "--out", tmp_path / "o.json", *QUICK).exit_code == 0
    assert json.loads((tmp_path / "o.json").read_text("utf-8")) == swept


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "give either --set"),
        (("--set", "policy.headroom"), "not of the form PATH=V1,V2"),
        (("--set", "policy.hedroom=1"), "'hedroom' is not there"),
        (("--table", "nowhere.csv"), "cannot read nowhere.csv"),
        (("--set", "policy.headroom=0.1", "--out", "rows.xlsx"), "neither .csv nor .json"),
    ],
)
def test_a_sweep_that_is_not_one_is_refused(run: Run, small: Path, options: Any, told: str):
    result = run("sweep", small, *options, *QUICK)
    assert result.exit_code == 2
    assert told in result.stderr


# --- Dask ------------------------------------------------------------------------------------

CLUSTER = """
import sys
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two workers on this machine in a process group of their own, ended when stdin closes."""
    folder = tmp_path_factory.mktemp("cluster")
    script = folder / "cluster.py"
    script.write_text(CLUSTER, "utf-8")
    group = subprocess.Popen(
        [sys.executable, str(script)], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, start_new_session=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert group.stdout is not None
    try:
        address = group.stdout.readline().strip()
        assert address.startswith("tcp://127.0.0.1:")
        yield address
        group.communicate(timeout=END_S)
        assert group.returncode == 0
    finally:
        if group.poll() is None:
            os.killpg(group.pid, signal.SIGKILL)
            group.communicate()


def test_a_dask_cluster_gives_the_same_rows(
    run: Run, small: Path, swept: list[dict[str, Any]], cluster: str
):
    options = ("--effort", "quick", "--dask", cluster, "--json")
    assert answer(run("sweep", small, *SETTINGS, *options))["rows"] == swept


@pytest.mark.parametrize(
    "address", ["nonsense", ":::", "tls://127.0.0.1:9", "tcp://127.0.0.1:99999", "tcp://127.0.0.1"]
)
def test_what_is_no_address_is_refused_in_one_sentence(run: Run, small: Path, address: str):
    result = run("sweep", small, *SETTINGS, "--dask", address)
    assert result.exit_code == 2
    told = f"error: {address!r} is no address of a Dask scheduler; give tcp://host:port\n"
    assert result.stderr == told


def test_an_address_that_is_not_of_a_scheduler_leaves_no_trace_of_the_client(
    small: Path, catalog: Path
):
    """In a process of its own: what a client left behind says, it says at its end."""
    command = [*COMMAND, "sweep", str(small), *SETTINGS, "--dask", "nonsense"]
    found = subprocess.run(
        command,
        env=environment(catalog),
        capture_output=True,
        text=True,
        timeout=END_S,
        check=False,
    )
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.count("\n") == 1


def test_ctrl_c_with_two_workers_is_one_sentence_and_leaves_nobody_behind(
    small: Path, catalog: Path
):
    """Interrupted once both workers are there, wherever each of them then is."""
    command = [*COMMAND, "why-not", str(small), "--workers", "2"]
    group = subprocess.Popen(
        command, env=environment(catalog), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True, preexec_fn=hears_ctrl_c,
    )  # fmt: skip
    try:
        until = time.monotonic() + END_S
        while len(processes_of(group.pid)) < 3 and time.monotonic() < until:
            time.sleep(0.02)
        os.killpg(group.pid, signal.SIGINT)
        out, err = group.communicate(timeout=END_S)
        assert (group.returncode, out, err) == (130, "", "interrupted before it was done\n")
        until = time.monotonic() + END_S
        while processes_of(group.pid) and time.monotonic() < until:
            time.sleep(0.1)
        assert processes_of(group.pid) == []
    finally:
        if processes_of(group.pid):
            os.killpg(group.pid, signal.SIGKILL)


def hears_ctrl_c() -> None:
    """Where the tests run in a shell's background, their children would not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def processes_of(group: int) -> list[int]:
    """Living processes of a group, this kernel's way."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = stat.read_text("utf-8").rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(int(stat.parent.name))
    return found


def environment(catalog: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "ECOSERVE_CATALOG": str(catalog)}


def test_a_cluster_that_is_not_there_is_said_so(run: Run, small: Path, monkeypatch: Any):
    monkeypatch.setattr("app.cluster.CONNECT_TIMEOUT_S", 1)
    result = run("sweep", small, *SETTINGS, "--dask", "tcp://127.0.0.1:9")
    assert result.exit_code == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in result.stderr
