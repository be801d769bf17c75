"""Starts and ends a real server process for browser tests and the bench."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

START_LIMIT_S = 60


class ServerError(Exception):
    """The server did not come up; the message holds what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppServer:
    """A running server: where it is, which process, and what it has logged."""

    url: str
    pid: int
    log: Path


@contextlib.contextmanager
def running_app(scratch: Path) -> Iterator[AppServer]:
    """`ecoserve app` on a free port, started in an empty directory with an empty home."""
    script = shutil.which("ecoserve", path=str(Path(sys.executable).parent))
    if script is None:
        raise ServerError(f"ecoserve is not installed: {sys.executable} -m pip install -e .")
    port = free_port()
    with running([script, "app", "--port", str(port), "--headless"], port, scratch) as server:
        yield server


@contextlib.contextmanager
def running(command: Sequence[str], port: int, scratch: Path) -> Iterator[AppServer]:
    """Any Streamlit server: waits until it is healthy, ends exactly that process group."""
    home, empty, log = scratch / "home", scratch / "empty", scratch / "server.log"
    for folder in (home, empty):
        folder.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "HOME": str(home),
        "ECOSERVE_CATALOG": str(home / "catalog.duckdb"),
        "ECOSERVE_LIBRARY": str(home / "library.duckdb"),
        "PYTHONUNBUFFERED": "1",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(command),
            cwd=empty,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = AppServer(url=f"http://localhost:{port}", pid=process.pid, log=log)
    try:
        _wait_until_healthy(process, server)
        yield server
    finally:
        _end(process)


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(process: subprocess.Popen[bytes], server: AppServer) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until and process.poll() is None:
        with (
            contextlib.suppress(urllib.error.URLError, OSError),
            direct.open(f"{server.url}/_stcore/health", timeout=2) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.1)
    said = server.log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise ServerError(f"the server did not come up; it said:\n{said}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop the server and what it started: its own process group, nothing else."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal_number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
            return
