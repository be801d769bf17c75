"""Jobs for the tests of the solve manager: quick, slow, deaf and broken ones."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from ecoserve.answer import Progress, Solution, Termination
from ecoserve.errors import (
    BlockedSlice,
    InfeasibleError,
    Problem,
    ScenarioError,
    SolverError,
    UnknownIdError,
)


def echo(bench: Any, what: Any) -> Any:
    return what


def note(bench: Any, path: Path, name: str) -> str:
    """Leaves a line in a file, so that a test sees in which order jobs were done."""
    with path.open("a", encoding="utf-8") as log:
        log.write(f"{name}\n")
    return name


def wait_for(bench: Any, path: Path) -> str:
    """Until there is a file; hears the word to stop."""
    while not path.exists():
        if bench.watch.is_cancelled():
            return "partial"
        time.sleep(0.005)
    return "whole"


def deaf(bench: Any, path: Path) -> None:
    """Says that it has begun, then never hears a word."""
    path.write_text(str(os.getpid()), encoding="utf-8")
    threading.Event().wait()


def told(bench: Any, path: Path) -> str:
    """Tells how far it is, then waits."""
    best = Solution(termination=Termination.OTHER, values={"x": 1.0}, objective=200.0, bound=190.0)
    bench.watch.report(Progress(best=best, nodes=1, is_better=True))
    return wait_for(bench, path)


def fails(bench: Any, how: str) -> None:
    errors = {
        "infeasible": InfeasibleError("no fleet", [BlockedSlice("chat", "TTFT: too slow")]),
        "solver": SolverError("gave up", "numerical trouble"),
        "scenario": ScenarioError([Problem("site", "no such"), Problem("name", "too long")]),
        "unknown": UnknownIdError("servers", "x9", ["x1"]),
    }
    if how in errors:
        raise errors[how]
    if how == "dies":
        os._exit(3)
    raise ZeroDivisionError(how)


def remember(bench: Any) -> int:
    """How often this process was asked."""
    bench.times = getattr(bench, "times", 0) + 1
    return bench.times
