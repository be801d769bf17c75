"""Fractional shares against the sliced program of arXiv:2404.14527; prints one JSON object.

Both are built in PuLP and solved to gap 0; the sliced one by CBC, stopped after 20 s, ours by the
planner's own search. Times are CPU seconds from the input to the answer, children included.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pulp

from ecoserve.program import Program
from ecoserve.solver import Limits, climb
from tests.bench.melange_models import Input, generated, shared, sliced
from tests.bench.memory import peak_mb

SEEDS = range(32)
SLICES = (4, 8)
"""Taken in turn."""
CAP_S = 20.0
GAP = 1e-9
SAME = 1e-6
"""Relative difference up to which two objectives are called equal."""


def main(seeds: range = SEEDS) -> None:
    rows = [_case(seed, SLICES[seed % len(SLICES)]) for seed in seeds]
    ratios = sorted(row["theirs_s"] / row["ours_s"] for row in rows)
    result = {
        "n": len(rows),
        "n_worse": sum(row["ours"] > row["theirs"] * (1 + SAME) for row in rows),
        "n_stopped": sum(row["stopped"] for row in rows),
        "n_unproven": sum(not row["proven"] for row in rows),
        "median_ratio": median(ratios),
        "least_ratio": ratios[0],
        "share_10x": sum(ratio >= 10.0 for ratio in ratios) / len(ratios),
        "median_saving": median(1 - row["ours"] / row["theirs"] for row in rows),
        "most_saving": max(1 - row["ours"] / row["theirs"] for row in rows),
        "peak_mb": peak_mb(),
    }
    sys.stdout.write(json.dumps(result) + "\n")


def _case(seed: int, slices: int) -> dict[str, Any]:
    given = generated(seed)
    ours_s, (ours, gap) = _cpu(lambda: _ours(given))
    theirs_s, (theirs, proven) = _cpu(lambda: _theirs(given, slices))
    return {
        "ours_s": ours_s, "ours": ours, "proven": gap <= SAME,
        "theirs_s": theirs_s, "theirs": theirs, "stopped": not proven,
    }  # fmt: skip


def _ours(given: Input) -> tuple[float, float]:
    lp, counts = shared(given)
    found, _ = climb(Program.of(lp), [[counts], counts], Limits(gap=GAP))
    return found.objective, found.gap


def _theirs(given: Input, slices: int) -> tuple[float, bool]:
    lp = sliced(given, slices)
    cbc = pulp.COIN_CMD(
        path=pulp.apis.coin_api.pulp_cbc_path, msg=False, gapRel=0.0, timeLimit=CAP_S, threads=1
    )
    lp.solve(cbc)
    if lp.sol_status not in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible):
        return float("inf"), False
    return float(pulp.value(lp.objective)), lp.sol_status == pulp.LpSolutionOptimal


def _cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    before = _spent_s()
    answer = work()
    return _spent_s() - before, answer


def _spent_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main(range(int(sys.argv[1])) if len(sys.argv) > 1 else SEEDS)
