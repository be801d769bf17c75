"""``python -m catalog_db.calibrate`` fits the catalog's parameters to its measured points anew.

It writes ``serving_parameters.csv`` and ``power_parameters.csv``. Power rests on the latencies that
were measured, not on those predicted, so neither depends on the other.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from catalog_db.build import build_catalog
from catalog_db.measured import power_csv, serving_csv
from catalog_db.reader import load_catalog
from ecoserve.accuracy import unseen_power_error, unseen_speed_error
from ecoserve.calibration import serving_rows, with_sibling_band
from ecoserve.catalog import Catalog
from ecoserve.power_rows import power_rows

DATA = Path(__file__).with_name("data")


def parameter_files(catalog: Catalog) -> dict[str, str]:
    """Name and text of the files that follow from the catalog's points and plans."""
    points = catalog.measured_points
    speed_error, power_error = unseen_speed_error(catalog), unseen_power_error(catalog)
    speed = [with_sibling_band(row, speed_error) for row in serving_rows(points, catalog)]
    power = [with_sibling_band(row, power_error) for row in power_rows(points, catalog)]
    return {
        "serving_parameters.csv": serving_csv(speed),
        "power_parameters.csv": power_csv(power),
    }


def main() -> None:
    """Writes the files that changed and says which."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.duckdb"
        build_catalog(path)
        files = parameter_files(load_catalog(path))
    for name, text in files.items():
        target = DATA / name
        is_new = target.read_text(encoding="utf-8") != text
        if is_new:
            target.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{name}: {'written anew' if is_new else 'unchanged'}\n")


if __name__ == "__main__":
    main()
