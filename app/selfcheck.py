"""`ecoserve selfcheck`: does this installation work? For people, and for health checks.

Reads the catalog, plans a small service, tries to write where the scenario library lies, and asks
a running dashboard. What it needs besides the standard library is imported where it is used, so
that a health check which only asks the dashboard costs next to nothing.
"""

from __future__ import annotations

import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from app.cli_data import Json
from app.cli_options import LIBRARY_VARIABLE
from app.terminal import emit_json, emit_text
from ecoserve import __version__
from ecoserve.errors import EcoServeError

PRESET = "small-assistant"
HEALTH_PATH = "/_stcore/health"
ANSWER_TIMEOUT_S = 10.0
STAMP = "ecoserve-selfcheck"
"""File in the folder for temporary files whose age is that of the last good full check."""
S_PER_MINUTE = 60.0
FAILED = 1

Server = Annotated[
    str | None,
    typer.Option("--server", metavar="URL", help="Also ask the dashboard at this address."),
]
Every = Annotated[
    float,
    typer.Option(
        min=0.0,
        metavar="MINUTES",
        help="Beyond the dashboard's answer, check only if the last good check is older.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found, in words, and how long it took."""

    check: str
    ok: bool
    found: str
    seconds: float


class CheckError(EcoServeError):
    """A check found something that does not work."""


def selfcheck(server: Server = None, every: Every = 0.0, as_json: Json = False) -> None:
    """Check that this installation works: catalog, planner, library, and a running dashboard.

    One line per check; the exit code is 0 where all is well and 1 where it is not.
    """
    findings = list(_findings(server, every))
    if as_json:
        checks = [asdict(finding) for finding in findings]
        emit_json({"engine_version": __version__, "checks": checks, "notes": []})
    else:
        for finding in findings:
            mark = "ok" if finding.ok else "FAILED"
            emit_text(f"{mark:<7} {finding.check}: {finding.found} ({finding.seconds:.2g} s)")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(FAILED)


def _findings(server: str | None, every_minutes: float) -> Iterator[Finding]:
    if server is not None:
        yield _checked("server", lambda: server_answers(server))
    stamp = Path(tempfile.gettempdir()) / STAMP
    if every_minutes and _age_s(stamp) < every_minutes * S_PER_MINUTE:
        return
    full = [_checked(name, check) for name, check in CHECKS.items()]
    yield from full
    if every_minutes and all(finding.ok for finding in full):
        stamp.touch()


def _checked(name: str, check: Callable[[], str]) -> Finding:
    start = time.perf_counter()
    try:
        found, ok = check(), True
    except (EcoServeError, OSError) as error:
        found, ok = " ".join(str(error).split()), False
    return Finding(check=name, ok=ok, found=found, seconds=time.perf_counter() - start)


def server_answers(url: str) -> str:
    """Asks the dashboard whether it lives. Raises :class:`CheckError` where it does not say so."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    address = url.rstrip("/") + HEALTH_PATH
    try:
        with direct.open(address, timeout=ANSWER_TIMEOUT_S) as answer:
            said = answer.read(100).decode(errors="replace").strip()
    except ValueError as error:
        raise CheckError(f"{url!r} is no address; try http://localhost:8501") from error
    except urllib.error.URLError as error:
        raise CheckError(f"no answer from {address}: {error.reason}") from error
    if said != "ok":
        raise CheckError(f"{address} said {said!r}")
    return f"{url} answers"


def catalog_can_be_read() -> str:
    """Counts rows of the catalog that the dashboard uses."""
    from app import records
    from catalog_db.store import query

    path = records.catalog_path(records.named_overlay())
    count = query(path, "SELECT count(*) AS n FROM accelerators")[0]["n"]
    version = query(path, "SELECT version FROM catalog_meta")[0]["version"]
    return f"{count} accelerators in catalog {version}"


def a_plan_can_be_made() -> str:
    """Plans the smallest preset quickly."""
    from app import records
    from app.presets import load_presets
    from ecoserve.planner import plan_fleet

    catalog = records.open_catalog(records.named_overlay())
    plan = plan_fleet(load_presets()[PRESET], catalog, effort="quick")
    n_servers = sum(row.count for row in plan.fleet)
    return f"{PRESET}: servers {n_servers}, {plan.kgco2e_per_year:,.0f} kgCO2e a year"


def files_can_be_written() -> str:
    """Writes where the solver keeps its files for a moment."""
    with tempfile.TemporaryFile() as file:
        file.write(b"\0")
    return tempfile.gettempdir()


def library_can_be_written() -> str:
    """Writes beside the scenario library, whose own file the dashboard may hold."""
    named = os.environ.get(LIBRARY_VARIABLE, "").strip()
    if not named:
        return f"none named; {LIBRARY_VARIABLE} names its file"
    path = Path(named).expanduser()
    try:
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(b"\0")
    except OSError as error:
        raise CheckError(f"cannot write in {path.parent}: {error.strerror}") from error
    if path.exists() and not os.access(path, os.W_OK):
        raise CheckError(f"{path} is read-only for this user")
    return str(path)


def _age_s(stamp: Path) -> float:
    try:
        return time.time() - stamp.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


CHECKS: dict[str, Callable[[], str]] = {
    "catalog": catalog_can_be_read,
    "plan": a_plan_can_be_made,
    "temporary files": files_can_be_written,
    "library": library_can_be_written,
}
"""In the order in which they are told."""
