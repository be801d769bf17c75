"""One tiny plan, word by word: any change of the model or of the record shows as a diff."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ecoserve.plan import plan_record
from ecoserve.planner import plan_fleet
from tests.builders import offline, online, tiny_catalog, tiny_scenario

GOLDEN = Path(__file__).parent / "plan_record.txt"
VOLATILE = {"engine_version", "scenario_fingerprint", "seconds", "gap", "bound", "replicas"}
"""What may change without the plan: versions, time, the last bits of a proof, unused replicas."""


def lines(value: Any, path: str = "") -> Iterator[str]:
    """``path = value`` of every leaf, sorted by key, lists in their order, numbers to six digits.

    Numbers that are nil beside the rest are written as 0.
    """
    if isinstance(value, Mapping):
        for key in sorted(value):
            if key not in VOLATILE:
                yield from lines(value[key], f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from lines(item, f"{path}[{i}]")
    elif isinstance(value, float):
        yield f"{path} = {0.0 if abs(value) < 1e-9 else value:.6g}"
    else:
        yield f"{path} = {value}"


def test_plan_record_is_unchanged(update_golden: bool):
    scenario = tiny_scenario(
        online(mix="two", profile="peaked"),
        offline(rate_rps=None, token_share=0.3, deadline_h=24),
        levers={"phases_apart": False},
        policy={"min_replicas": 1},
    )
    record = plan_record(plan_fleet(scenario, tiny_catalog(), "report"), 0.0)
    text = "\n".join(lines(record)) + "\n"
    if update_golden:
        GOLDEN.write_text(text, encoding="utf-8")
    assert text.splitlines() == GOLDEN.read_text(encoding="utf-8").splitlines()


def test_rendering():
    record = {"b": [1.23456789, {"c": None}], "a": {"z": True, "y": 3e-17}, "gap": 0.5}
    assert list(lines(record)) == ["a.y = 0", "a.z = True", "b[0] = 1.23457", "b[1].c = None"]
