"""The terminal's commands about measured points: predictions beside them, and fits to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app import records, reports_points
from app.cli_data import Json
from app.cli_options import OverlayFolder
from app.records import open_catalog
from app.terminal import emit, emit_json, progress
from ecoserve.errors import Problem, ScenarioError

if TYPE_CHECKING:
    from ecoserve.catalog import Catalog
    from ecoserve.own_fits import OwnFits
    from ecoserve.points import MeasuredPoint
    from ecoserve.prediction import Prediction, Unpredicted

MAX_BYTES = 50_000_000

Points = Annotated[
    Path,
    typer.Argument(
        metavar="POINTS.csv",
        help="Measurements: source, model, hardware, tp, precision, stack, phase, batch, input_len,"
        " output_len, context_len, latency_ms, throughput_tok_s, power_w, energy_j_per_token; cells"
        " are blank where nothing was measured;"
        " optional power_scope (replica, per_gpu) and load (isolated, closed_loop).",
    ),
]


def validate(
    points_file: Points,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write every row with its prediction beside it, as CSV."),
    ] = None,
    with_corrections: Annotated[
        bool,
        typer.Option(
            "--with-corrections",
            help="Correct by the catalog's measured points inside their grids. Rows of yours that"
            " are among these points are corrected by themselves too, which flatters.",
        ),
    ] = False,
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """Predictions beside measured points: errors by source, hardware, phase and quantity.

    Rows with cells that cannot be read are listed with their line; the others are predicted.
    """
    from catalog_db.measured import read_rows
    from ecoserve.correction import corrected_predictions
    from ecoserve.points import MeasuredPoint
    from ecoserve.validation import error_groups, unpredicted_rows

    text = _text_of(points_file)
    _check_target(out, points_file)
    catalog = open_catalog(records.read_overlay(overlay))
    rows = read_rows(text, catalog.point_conventions)
    points = [row for row in rows if isinstance(row, MeasuredPoint)]
    if with_corrections:
        said = corrected_predictions(points, catalog)
    else:
        said = _predictions(points, catalog)
    of_points = iter(said)
    answers = [next(of_points) if isinstance(row, MeasuredPoint) else row for row in rows]
    groups, missing = error_groups(points, said), unpredicted_rows(answers)
    if out is not None:
        _write_predictions(out, text, answers)
    if as_json:
        record = {
            "n_rows": len(rows),
            "with_corrections": with_corrections,
            "groups": [asdict(group) for group in groups],
            "unpredicted": [asdict(row) for row in missing],
        }
        emit_json({**records.stamp(catalog), **record})
    else:
        title = f"{points_file.name}: {len(rows) - len(missing):,} of {len(rows):,} predicted"
        emit(reports_points.validation_report(groups, missing, title, with_corrections))


def calibrate(
    points_file: Points,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write the parameters as an overlay, to be used with --overlay DIR."
        ),
    ] = None,
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """Fit speed and power parameters to your own measured points.

    Speed needs 5 points of a hardware family, stack and precision. Power needs power_w, batch,
    input_len and output_len on decode or e2e rows, at least 6 of them from 2 models.
    """
    from ecoserve.own_fits import own_fits

    text = _text_of(points_file)
    catalog = open_catalog(records.read_overlay(overlay))
    points = _points(text, catalog)
    fits = own_fits(points, catalog)
    written = [] if out is None else _write_overlay(out, fits, text, catalog)
    if as_json:
        record = {**reports_points.fits_record(fits), "files": written, "n_rows": len(points)}
        emit_json({**records.stamp(catalog), **record})
        return
    emit(reports_points.fits_report(fits, f"{points_file.name}: {len(points):,} points"))
    if written:
        emit([f"{out} has {', '.join(written)}: plan with --overlay {out}"])
    else:
        emit(["Nothing was written: add --out DIR for an overlay to plan with."])


def _text_of(file: Path) -> str:
    try:
        with file.expanduser().open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _trouble(file, f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise _trouble(file, f"is larger than {MAX_BYTES:,} bytes; split it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _trouble(file, "is not UTF-8 text; save it as 'CSV UTF-8'") from error


def _trouble(file: Path, message: str) -> ScenarioError:
    return ScenarioError([Problem(str(file), message)])


def _points(text: str, catalog: Catalog) -> tuple[MeasuredPoint, ...]:
    from catalog_db.measured import read_points

    return read_points(text, catalog.point_conventions)


def _predictions(
    points: Sequence[MeasuredPoint], catalog: Catalog
) -> tuple[Prediction | Unpredicted, ...]:
    from ecoserve.prediction import predict

    with progress("predicting") as show:
        answers = []
        for done, point in enumerate(points):
            answers.append(predict(point, catalog))
            show(done + 1, len(points), "predicting")
    return tuple(answers)


def _check_target(out: Path | None, points_file: Path) -> None:
    if out is not None and out.expanduser().resolve() == points_file.expanduser().resolve():
        raise _trouble(out, "is the file of points itself; name another for --out")


def _write_predictions(out: Path, text: str, answers: Sequence[Prediction | Unpredicted]) -> None:
    from catalog_db.measured import predictions_csv

    _write(out.expanduser(), predictions_csv(text, answers))


def _write_overlay(folder: Path, fits: OwnFits, text: str, catalog: Catalog) -> list[str]:
    """The names of the files written; nothing that is there is overwritten."""
    from catalog_db.measured import power_csv, serving_csv
    from catalog_db.own_points import POINTS_FILE, points_csv

    files = {}
    if fits.speed:
        files["serving_parameters.csv"] = serving_csv(
            [row for found in fits.speed for row in (found.fit.params, *found.moved_along)]
        )
    if fits.power:
        files["power_parameters.csv"] = power_csv([found.row for found in fits.power])
    if own := points_csv(text, catalog.point_conventions):
        files[POINTS_FILE] = own
    write_new_files(folder, files)
    return list(files)


def write_new_files(folder: Path, files: Mapping[str, str]) -> None:
    """Writes text files by name; nothing that is there is overwritten.

    Raises :class:`ScenarioError` where they cannot be written.
    """
    target = folder.expanduser()
    present = [name for name in files if (target / name).exists()]
    if present:
        raise _trouble(folder, f"already has {', '.join(present)}; name a new folder")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _trouble(folder, f"cannot be made: {error.strerror}") from error
    for name, content in files.items():
        _write(target / name, content)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise _trouble(file, f"cannot be written: {error.strerror}") from error
