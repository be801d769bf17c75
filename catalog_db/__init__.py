"""The store: CSV files are the truth, a DuckDB file is built from them and read into a Catalog."""

from catalog_db.build import CatalogBuildError, build_catalog, catalog_version
from catalog_db.overlay import Overlay, OverlayError
from catalog_db.reader import default_catalog_path, ensure_catalog, load_catalog

__all__ = [
    "CatalogBuildError",
    "Overlay",
    "OverlayError",
    "build_catalog",
    "catalog_version",
    "default_catalog_path",
    "ensure_catalog",
    "load_catalog",
]
