"""Times the catalog in a process of its own: build, load, a page's query, many threads at once.

Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

REPEATS = 20
THREADS = 16
QUERIES_PER_THREAD = 200


def main() -> None:
    from catalog_db.build import build_catalog
    from catalog_db.reader import load_catalog
    from catalog_db.tables import Filter, figures, rows
    from ecoserve.embodied import footprint

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.duckdb"
        build_s = _seconds(lambda: build_catalog(path))
        catalog = load_catalog(path)
        load_s = [_seconds(lambda: load_catalog(path)) for _ in range(REPEATS)]
        rented = [Filter("offer", "is", "rental"), Filter("name", "contains", "a100")]
        query_s = [
            _seconds(lambda: rows(path, "servers", where=rented, order_by="dram_gib", limit=50))
            for _ in range(REPEATS)
        ]
        figure_s = [_seconds(lambda: figures(path, "accelerators", "l4")) for _ in range(REPEATS)]
        start = time.perf_counter()
        n_wrong = _wrong_answers(path, {s.id: s.dram_gb for s in catalog.servers.values()})
        threads_s = time.perf_counter() - start
    products = [*catalog.accelerators, *catalog.servers]
    sets = catalog.coefficient_sets
    footprints_s = _seconds(
        lambda: [footprint(product, name, catalog) for product in products for name in sets]
    )
    result = {
        "build_s": build_s,
        "load_s": median(load_s),
        "query_s": median(query_s),
        "figures_s": median(figure_s),
        "threads_s": threads_s,
        "n_queries": THREADS * QUERIES_PER_THREAD,
        "n_wrong": n_wrong,
        "footprints_s": footprints_s,
        "n_footprints": len(products) * len(sets),
    }
    sys.stdout.write(json.dumps(result) + "\n")


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _wrong_answers(path: Path, dram_gib: dict[str, float]) -> int:
    """Asks for each server's DRAM from many threads at once; every answer is known beforehand."""
    from catalog_db.tables import Filter, rows

    ids = sorted(dram_gib)

    def ask(thread: int) -> int:
        wrong = 0
        for number in range(QUERIES_PER_THREAD):
            server_id = ids[(thread * 31 + number) % len(ids)]
            found = rows(path, "servers", where=[Filter("id", "is", server_id)])
            wrong += [row["dram_gib"] for row in found] != [dram_gib[server_id]]
        return wrong

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(ask, range(THREADS)))


if __name__ == "__main__":
    main()
