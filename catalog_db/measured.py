"""Measured points as text: rows of a CSV file into the engine's records, and fits back into rows.

The columns are those of ``measured_points``; lengths and units as the sources publish them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

from catalog_db.csvfiles import csv_words, plain_newlines, shortened
from ecoserve.errors import Problem, ScenarioError
from ecoserve.points import BatchMeans, Load, MeasuredPoint, Phase, PointConvention, PowerScope
from ecoserve.prediction import Prediction, Unpredicted
from ecoserve.rows import CalibrationPlan, PowerParameters, ServingParameters
from ecoserve.units import s_from_ms, s_from_us

Record = Mapping[str, Any]

PHASES = ("prefill", "decode", "e2e", "linear_layer", "allreduce")
TEXTS = ("source", "model", "hardware", "precision", "stack", "phase")
NUMBERS = (
    "batch", "input_len", "output_len", "context_len", "latency_ms", "throughput_tok_s", "power_w",
    "energy_j_per_token",
)  # fmt: skip
MEASURED = ("latency_ms", "throughput_tok_s", "power_w", "energy_j_per_token")
"""Nothing takes no time and draws nothing: 0 is no way to say that it was not measured."""
LEAST_MEASURED = 1e-9
LARGEST_NUMBER = 1e15
OVERRIDES = {"power_scope": ("per_gpu", "replica"), "load": ("isolated", "closed_loop")}
"""Optional columns that say what a row means, and their values."""

Conventions = Mapping[tuple[str, str], PointConvention]


def read_points(text: str, conventions: Conventions) -> tuple[MeasuredPoint, ...]:
    """The points of a CSV file, in its order.

    Raises :class:`ScenarioError` with every missing column and every cell that cannot be read.
    """
    points, problems = [], []
    for answer in _answers(text, conventions):
        if isinstance(answer, MeasuredPoint):
            points.append(answer)
        else:
            problems += answer
    if problems:
        raise ScenarioError(problems)
    return tuple(points)


def read_rows(text: str, conventions: Conventions) -> tuple[MeasuredPoint | Unpredicted, ...]:
    """The rows of a CSV file in its order, those that cannot be read with line and reason.

    Raises :class:`ScenarioError` for missing columns, a file that is no CSV, and where no row at
    all can be read.
    """
    rows: list[MeasuredPoint | Unpredicted] = []
    problems: list[Problem] = []
    for answer in _answers(text, conventions):
        if isinstance(answer, MeasuredPoint):
            rows.append(answer)
        else:
            problems += answer
            rows.append(Unpredicted("; ".join(str(problem) for problem in answer)))
    if len(problems) > 0 and all(isinstance(row, Unpredicted) for row in rows):
        raise ScenarioError(problems)
    return tuple(rows)


def _answers(text: str, conventions: Conventions) -> Iterator[MeasuredPoint | list[Problem]]:
    """Each row's point, or what is wrong with it."""
    is_empty = True
    try:
        for line, row in numbered_rows(text):
            is_empty = False
            bad = list(_bad_cells(row, line))
            yield bad or point_from(row, conventions)
    except csv.Error as error:
        raise ScenarioError([Problem("file", csv_words(error))]) from error
    if is_empty:
        raise ScenarioError([Problem("file", "has no rows")])


def numbered_rows(text: str) -> Iterator[tuple[int, dict[Any, Any]]]:
    """Line of its end and cells of each row; raises :class:`ScenarioError` for missing columns."""
    reader = csv.DictReader(io.StringIO(plain_newlines(text)), restval=None)
    columns = reader.fieldnames or ()
    wanted = (*TEXTS, "tp", *NUMBERS)
    if not columns:
        raise ScenarioError([Problem("file", "is empty")])
    if len(columns) == 1 and ";" in columns[0]:
        separated = "has semicolons between its columns; save it with commas"
        raise ScenarioError([Problem("file", separated)])
    missing = [name for name in wanted if name not in columns]
    if missing:
        are = "column is" if len(missing) == 1 else "columns are"
        said = f"{', '.join(missing)}: {are} missing; cells may be blank, columns may not"
        raise ScenarioError([Problem("file", said)])
    for row in reader:
        yield reader.line_num, row


def _bad_cells(row: Record, line: int) -> Iterator[Problem]:
    n_cells = sum(value is not None for value in row.values())
    if None in row or n_cells < len(row):
        yield Problem(f"line {line}", "more or fewer cells than the header has columns")
        return
    for name in (*NUMBERS, "tp"):
        cell = row[name].strip()
        if (cell or name == "tp") and not _is_good(name, cell):
            said = f"must be {_kind(name)}, not {shortened(cell)!r}"
            yield Problem(f"line {line}, {name}", said)
    choices = {"phase": PHASES, **OVERRIDES}
    for name, allowed in choices.items():
        cell = row.get(name, "").strip()
        if cell not in allowed and (cell or name == "phase"):
            said = f"{shortened(cell)!r} is not one of {', '.join(allowed)}"
            yield Problem(f"line {line}, {name}", said)


def _is_good(name: str, cell: str) -> bool:
    try:
        value = float(cell)
    except ValueError:
        return False
    least = LEAST_MEASURED if name in MEASURED else 0.0
    return least <= value <= LARGEST_NUMBER and (name != "tp" or value.is_integer())


def _kind(name: str) -> str:
    if name == "tp":
        return "a whole number of accelerators"
    if name in MEASURED:
        return "above 0, or blank where it was not measured"
    return f"a number from 0 to {LARGEST_NUMBER:g}"


def point_from(row: Record, conventions: Conventions) -> MeasuredPoint:
    """One point from a row with readable cells."""
    source, phase = str(row["source"]).strip(), cast(Phase, str(row["phase"]).strip())
    known = conventions.get((source, phase)) or PointConvention(source=source, phase=phase)
    convention = PointConvention(
        source=source,
        phase=phase,
        power_scope=cast(PowerScope, (row.get("power_scope") or "").strip() or known.power_scope),
        load=cast(Load, (row.get("load") or "").strip() or known.load),
        batch_means=known.batch_means,
        kv_precision=known.kv_precision,
    )
    latency = _number(row["latency_ms"])
    return MeasuredPoint(
        source=source, model=str(row["model"]).strip(), hardware=str(row["hardware"]).strip(),
        tp=int(float(row["tp"])), precision=str(row["precision"] or ""), stack=str(row["stack"]),
        phase=phase, batch=_number(row["batch"]), input_len=_number(row["input_len"]),
        output_len=_number(row["output_len"]), context_len=_number(row["context_len"]),
        latency_s=None if latency is None else s_from_ms(latency),
        output_tokens_per_s=_number(row["throughput_tok_s"]), power_w=_number(row["power_w"]),
        j_per_output_token=_number(row["energy_j_per_token"]), convention=convention,
        note=str(row.get("note") or ""),
    )  # fmt: skip


def _number(cell: object) -> float | None:
    return None if cell is None or str(cell).strip() == "" else float(cast(Any, cell))


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
    "overlap_norm", "error_band", "provenance", "measured_on", "sibling_error_band", "source_id",
    "quality", "note",
)  # fmt: skip
SCALED = {"us": 1e6, "ms": 1e3}


POWER_COLUMNS = (
    "id", "family", "p0_ratio", "a_ratio", "b_ratio", "sequence_layer_us", "cap_ratio", "phases",
    "precisions", "u_mem_min", "u_mem_max", "u_cmp_min", "u_cmp_max", "error_band", "provenance",
    "measured_on", "sibling_error_band", "source_id", "quality", "note",
)  # fmt: skip
POWER_DIGITS = 6
SPEED_DIGITS = 3


def serving_csv(rows: Sequence[ServingParameters]) -> str:
    """The text of ``serving_parameters.csv``: published units, three significant digits."""
    return csv_text(SERVING_COLUMNS, [_cells(row, SERVING_COLUMNS, SPEED_DIGITS) for row in rows])


def power_csv(rows: Sequence[PowerParameters]) -> str:
    """The text of ``power_parameters.csv``: published units, as many digits as the fit gives."""
    return csv_text(POWER_COLUMNS, [_cells(row, POWER_COLUMNS, POWER_DIGITS) for row in rows])


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A header and its rows as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


def _cells(
    row: ServingParameters | PowerParameters, columns: Sequence[str], digits: int
) -> list[str]:
    return [_cell(asdict(row), name, digits) for name in columns]


def _cell(row: Record, column: str, digits: int) -> str:
    stem, _, unit = column.rpartition("_")
    value = row[f"{stem}_s"] * SCALED[unit] if unit in SCALED else row[column]
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    if column == "sibling_error_band" and not value:
        return ""
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


PREDICTED_COLUMNS = (
    "predicted_latency_ms", "predicted_throughput_tok_s", "predicted_power_w",
    "predicted_energy_j_per_token", "error_band", "provenance", "unpredicted_reason",
)  # fmt: skip
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def predictions_csv(text: str, predictions: Sequence[Prediction | Unpredicted]) -> str:
    """The rows of a file of points with the prediction beside each.

    Texts that a spreadsheet would take for a formula get an apostrophe in front.
    """
    rows = [row for _, row in numbered_rows(text)]
    columns = [name for name in rows[0] if name and name not in PREDICTED_COLUMNS]
    lines = [
        [*(_harmless(row[name] or "") for name in columns), *map(_harmless, _predicted_cells(said))]
        for row, said in zip(rows, predictions, strict=True)
    ]
    return csv_text([*map(_harmless, columns), *PREDICTED_COLUMNS], lines)


def _predicted_cells(said: Prediction | Unpredicted) -> tuple[str, ...]:
    if isinstance(said, Unpredicted):
        return (*[""] * (len(PREDICTED_COLUMNS) - 1), said.reason)
    figures = (
        said.latency_s * SCALED["ms"], said.output_tokens_per_s, said.power_w,
        said.j_per_output_token, said.error_band,
    )  # fmt: skip
    return (*("" if value is None else f"{value:.5g}" for value in figures), said.provenance, "")


def _harmless(cell: str) -> str:
    if not cell.startswith(FORMULA_STARTS):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
