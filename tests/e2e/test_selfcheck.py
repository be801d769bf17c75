"""`ecoserve selfcheck`: a line per check, exit code 1 where one fails, dear checks at times."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app import selfcheck
from app.cli import app
from tests.e2e.conftest import AppServer


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("catalog") / "catalog.duckdb"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def check(catalog: Path, *options: str, library: str = "") -> Result:
    runner = CliRunner(env={"ECOSERVE_CATALOG": str(catalog), "ECOSERVE_LIBRARY": library})
    return runner.invoke(app, ["selfcheck", *options])


def test_a_sound_installation_passes_every_check(catalog: Path, temporary: Path):
    library = temporary / "library.duckdb"
    done = check(catalog, library=str(library))
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        f"ok      {name}" for name in ("catalog", "plan", "temporary files", "library")
    ]
    assert "kgCO2e a year" in lines[1]
    assert not library.exists()
    assert list(temporary.iterdir()) == []


def test_what_fails_is_named_and_the_others_are_still_checked(
    catalog: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(selfcheck.CHECKS, "plan", lambda: "planned")
    missing = temporary / "nowhere" / "library.duckdb"
    done = check(catalog, "--server", "http://127.0.0.1:9", "--json", library=str(missing))
    assert done.exit_code == 1
    checks = {row["check"]: row for row in json.loads(done.stdout)["checks"]}
    assert {name for name, row in checks.items() if not row["ok"]} == {"server", "library"}
    assert checks["library"]["found"].startswith(f"cannot write in {missing.parent}")
    assert "no answer from http://127.0.0.1:9" in checks["server"]["found"]
    assert checks["catalog"]["seconds"] > 0


def test_a_folder_that_cannot_be_written_is_found(catalog: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(**_given: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setitem(selfcheck.CHECKS, "plan", lambda: "planned")
    done = check(catalog, library="library.duckdb")
    assert done.exit_code == 1
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "ok      catalog",
        "ok      plan",
        "FAILED  temporary files",
        "FAILED  library",
    ]


def test_a_broken_catalog_is_found(temporary: Path, monkeypatch: pytest.MonkeyPatch):
    broken = temporary / "catalog.duckdb"
    broken.write_text("no catalog", encoding="utf-8")
    done = check(broken)
    assert done.exit_code == 1
    assert done.stdout.startswith("FAILED  catalog:")
    assert "Traceback" not in done.output


def test_a_running_dashboard_is_asked(app_server: AppServer):
    assert selfcheck.server_answers(app_server.url) == f"{app_server.url} answers"
    with pytest.raises(selfcheck.CheckError, match="said"):
        selfcheck.server_answers(f"{app_server.url}/?")
    with pytest.raises(selfcheck.CheckError, match="is no address"):
        selfcheck.server_answers("localhost")


def test_dear_checks_are_made_again_when_the_last_good_ones_are_old(
    catalog: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
):
    planned: list[int] = []
    monkeypatch.setitem(selfcheck.CHECKS, "plan", lambda: f"number {planned.append(1)}")

    def every_ten_minutes(library: str = "") -> Result:
        return check(catalog, "--every", "10", library=library)

    assert every_ten_minutes("nowhere/library.duckdb").exit_code == 1
    assert every_ten_minutes().exit_code == 0  # a failure is not remembered
    assert len(planned) == 2
    assert every_ten_minutes().stdout == ""
    assert len(planned) == 2
    stamp = temporary / selfcheck.STAMP
    past = time.time() - 601
    os.utime(stamp, (past, past))
    assert every_ten_minutes().exit_code == 0
    assert len(planned) == 3
