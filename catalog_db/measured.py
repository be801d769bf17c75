"""Measured points as text: rows of a CSV file into the engine's records, and fits back into rows.

The columns are those of ``measured_points``; lengths and units as the sources publish them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from ecoserve.errors import Problem, ScenarioError
from ecoserve.points import BatchMeans, Load, MeasuredPoint, Phase, PointConvention, PowerScope
from ecoserve.rows import CalibrationPlan, MeasuredCpu, ServingParameters
from ecoserve.units import s_from_ms, s_from_us

Record = Mapping[str, Any]

PHASES = ("prefill", "decode", "e2e", "linear_layer", "allreduce")
TEXTS = ("source", "model", "hardware", "precision", "stack", "phase")
NUMBERS = (
    "batch", "input_len", "output_len", "context_len", "latency_ms", "throughput_tok_s", "power_w",
    "energy_j_per_token",
)  # fmt: skip
OVERRIDES = {"power_scope": ("per_gpu", "replica"), "load": ("isolated", "closed_loop")}
"""Optional columns that say what a row means, and their values."""

Conventions = Mapping[tuple[str, str], PointConvention]


def read_points(text: str, conventions: Conventions) -> tuple[MeasuredPoint, ...]:
    """The points of a CSV file, in its order.

    Raises :class:`ScenarioError` with every missing column and every cell that cannot be read.
    """
    reader = csv.DictReader(io.StringIO(text))
    columns = reader.fieldnames or ()
    wanted = (*TEXTS, "tp", *NUMBERS)
    problems = [Problem(name, "no such column") for name in wanted if name not in columns]
    if problems:
        raise ScenarioError(problems)
    points = []
    for row in reader:
        bad = list(_bad_cells(row, reader.line_num))
        problems += bad
        if not bad:
            points.append(point_from(row, conventions))
    if problems:
        raise ScenarioError(problems)
    return tuple(points)


def _bad_cells(row: Record, line: int) -> Iterable[Problem]:
    for name in (*NUMBERS, "tp"):
        cell = (row[name] or "").strip()
        if not cell and name != "tp":
            continue
        try:
            good = float(cell) >= 0 and (name != "tp" or float(cell).is_integer())
        except ValueError:
            good = False
        if not good:
            yield Problem(f"line {line}, {name}", f"not a number of its kind: {cell!r}")
    choices = {"phase": PHASES, **OVERRIDES}
    for name, allowed in choices.items():
        cell = (row.get(name) or "").strip()
        if cell not in allowed and (cell or name == "phase"):
            yield Problem(f"line {line}, {name}", f"{cell!r} is not one of {', '.join(allowed)}")


def point_from(row: Record, conventions: Conventions) -> MeasuredPoint:
    """One point from a row with readable cells."""
    source, phase = str(row["source"]), cast(Phase, str(row["phase"]).strip())
    known = conventions.get((source, phase)) or PointConvention(source=source, phase=phase)
    convention = PointConvention(
        source=source,
        phase=phase,
        power_scope=cast(PowerScope, row.get("power_scope") or known.power_scope),
        load=cast(Load, row.get("load") or known.load),
        batch_means=known.batch_means,
        kv_precision=known.kv_precision,
    )
    latency = _number(row["latency_ms"])
    return MeasuredPoint(
        source=source, model=str(row["model"]), hardware=str(row["hardware"]),
        tp=int(float(row["tp"])), precision=str(row["precision"] or ""), stack=str(row["stack"]),
        phase=phase, batch=_number(row["batch"]), input_len=_number(row["input_len"]),
        output_len=_number(row["output_len"]), context_len=_number(row["context_len"]),
        latency_s=None if latency is None else s_from_ms(latency),
        output_tokens_per_s=_number(row["throughput_tok_s"]), power_w=_number(row["power_w"]),
        j_per_output_token=_number(row["energy_j_per_token"]), convention=convention,
        note=str(row.get("note") or ""),
    )  # fmt: skip


def _number(cell: object) -> float | None:
    return None if cell is None or cell == "" else float(cast(Any, cell))


def conventions_from(rows: Iterable[Record]) -> dict[tuple[str, str], PointConvention]:
    """The conventions by source and phase."""
    return {
        (row["source"], row["phase"]): PointConvention(
            source=row["source"],
            phase=cast(Phase, row["phase"]),
            power_scope=cast(PowerScope, row["power_scope"]),
            load=cast(Load, row["load"]),
            batch_means=cast(BatchMeans, row["batch_means"]),
            kv_precision=row["kv_precision"],
        )
        for row in rows
    }


def aliases_from(rows: Iterable[Record]) -> dict[str, str]:
    """Accelerator ids by the names measurements give them."""
    return {row["id"]: row["accelerator_id"] for row in rows}


def cpus_from(rows: Iterable[Record]) -> dict[str, MeasuredCpu]:
    """Measured CPUs by name."""
    numbers = ("memory_gb_per_s", "bf16_tflops", "dram_gb")
    return {
        row["id"]: MeasuredCpu(**{**row, **{name: float(row[name]) for name in numbers}})
        for row in rows
    }


def plans_from(rows: Iterable[Record]) -> dict[str, CalibrationPlan]:
    """Calibration plans by id, in seconds."""
    return {
        row["id"]: CalibrationPlan(
            id=row["id"], family=row["family"], stack=row["stack"], precision=row["precision"],
            from_id=row["from_id"] or None,
            allreduce_latency_s=s_from_us(float(row["allreduce_latency_us"])),
            t0_s=s_from_ms(float(row["t0_ms"])), overlap_norm=float(row["overlap_norm"]),
            error_factor=float(row["error_factor"]), source_id=row["source_id"],
            quality=row["quality"], note=row["note"],
        )
        for row in rows
    }  # fmt: skip


SERVING_COLUMNS = (
    "id", "family", "stack", "precision", "mbu", "mbu_kv", "mfu_decode", "mfu_prefill",
    "allreduce_latency_us", "t0_ms", "t_layer_us", "t_seq_us", "t_request_ms", "bus_ratio",
    "overlap_norm", "error_band", "provenance", "source_id", "quality", "note",
)  # fmt: skip
SCALED = {"us": 1e6, "ms": 1e3}


def serving_csv(rows: Sequence[ServingParameters]) -> str:
    """The text of ``serving_parameters.csv``: published units, three significant digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(SERVING_COLUMNS)
    writer.writerows([_cell(row, name) for name in SERVING_COLUMNS] for row in rows)
    return out.getvalue()


def _cell(row: ServingParameters, column: str) -> str:
    stem, _, unit = column.rpartition("_")
    if unit in SCALED:
        return f"{getattr(row, f'{stem}_s') * SCALED[unit]:.3g}"
    value = getattr(row, column)
    return f"{value:.3g}" if isinstance(value, float) else str(value)
