"""A catalog built once from the packaged CSV files, and a copy of them to spoil."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

import pytest

from catalog_db.build import build_catalog
from catalog_db.reader import load_catalog
from ecoserve.catalog import Catalog


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    build_catalog(path)
    return path


@pytest.fixture(scope="session")
def catalog(built: Path) -> Catalog:
    return load_catalog(built)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A copy of the packaged CSV files to spoil."""
    copy = tmp_path / "data"
    with resources.as_file(resources.files("catalog_db") / "data") as packaged:
        shutil.copytree(packaged, copy)
    return copy
