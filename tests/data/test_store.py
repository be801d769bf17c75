"""The store: read only, locked down, right answers under threads, and a time limit."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from catalog_db import store
from catalog_db.reader import load_catalog
from catalog_db.store import query, reading
from catalog_db.tables import (
    Filter,
    columns,
    count,
    distinct_values,
    figure,
    figures,
    rows,
    table_sizes,
)
from ecoserve.errors import CatalogError, UnknownIdError

ENDLESS = "SELECT sum(a.range * b.range) AS n FROM range(10000000) a, range(10000000) b"


def number_file(path: Path, value: int) -> Path:
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE numbers (n INTEGER)")
        con.execute("INSERT INTO numbers VALUES (?)", [value])
    return path


def numbers(path: Path) -> list[int]:
    return [row["n"] for row in query(path, "SELECT n FROM numbers")]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('{folder}/secret.csv')",
        "SELECT * FROM read_text('{folder}/secret.csv')",
        "SELECT * FROM '{folder}/secret.csv'",
        "SELECT * FROM glob('{folder}/*')",
        "COPY llms TO '{folder}/stolen.csv'",
        "COPY llms FROM '{folder}/secret.csv'",
        "ATTACH '{folder}/other.duckdb'",
        "ATTACH ':memory:' AS other",
        "EXPORT DATABASE '{folder}/export'",
        "IMPORT DATABASE '{folder}/export'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 8",
        "SET memory_limit = '64GB'",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "RESET memory_limit",
        "PRAGMA threads = 8",
        "PRAGMA memory_limit = '64GB'",
        "PRAGMA enable_profiling",
        "CALL enable_logging()",
        "INSERT INTO catalog_meta VALUES ('mine')",
        "UPDATE catalog_meta SET version = 'mine'",
        "DELETE FROM catalog_meta",
        "TRUNCATE catalog_meta",
        "CREATE TABLE mine (id INTEGER)",
        "CREATE VIEW mine AS SELECT 1",
        "CREATE MACRO mine(x) AS x",
        "CREATE SEQUENCE mine",
        "CREATE SCHEMA mine",
        "CREATE SECRET mine (TYPE s3)",
        "ALTER TABLE llms ADD COLUMN mine INTEGER",
        "COMMENT ON TABLE llms IS 'mine'",
        "DROP TABLE llms",
    ],
)
def test_only_reading_is_possible(built: Path, tmp_path: Path, statement: str) -> None:
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    duckdb.connect(str(tmp_path / "other.duckdb")).close()
    before = sorted(file.name for file in tmp_path.iterdir())
    content = built.read_bytes()
    with pytest.raises(CatalogError):
        query(built, statement.format(folder=tmp_path))
    assert sorted(file.name for file in tmp_path.iterdir()) == before
    assert built.read_bytes() == content


def test_settings_are_those_that_were_asked_for(built: Path) -> None:
    wanted = {
        "enable_external_access": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "lock_configuration": True,
        "threads": 2,
        "memory_limit": "244.1 MiB",
    }
    for name, value in wanted.items():
        assert query(built, f"SELECT current_setting('{name}') AS s") == [{"s": value}], name


def test_a_query_beyond_the_memory_limit_is_refused(built: Path) -> None:
    with pytest.raises(CatalogError, match="more memory than 256MB"):
        query(built, "SELECT list(range) AS l FROM range(100000000)", timeout_s=30.0)
    assert count(built, "llms") > 0


def test_16_threads_get_only_right_answers(built: Path) -> None:
    ids = [row["id"] for row in rows(built, "regions")]
    truth = {row["id"]: row["gco2e_per_kwh"] for row in rows(built, "regions")}

    def ask(worker: int) -> list[bool]:
        asked = [ids[(worker * 13 + turn * 7) % len(ids)] for turn in range(200)]
        sql = "SELECT id, gco2e_per_kwh AS g FROM regions WHERE id = ?"
        return [
            query(built, sql, [wanted], timeout_s=60.0) == [{"id": wanted, "g": truth[wanted]}]
            for wanted in asked
        ]

    with ThreadPoolExecutor(16) as pool:
        answers = [right for worker in pool.map(ask, range(16)) for right in worker]
    assert len(answers) == 3200
    assert all(answers)


def test_a_query_that_takes_too_long_is_stopped_alone(built: Path) -> None:
    others: list[int] = []

    def ask_on() -> None:
        while not stopped.is_set():
            others.append(count(built, "llms"))

    stopped = threading.Event()
    asking = threading.Thread(target=ask_on)
    asking.start()
    start = time.perf_counter()
    with pytest.raises(CatalogError, match="did not answer within"):
        query(built, ENDLESS, timeout_s=0.3)
    assert 0.3 <= time.perf_counter() - start < 5.0
    stopped.set()
    asking.join()
    assert others
    assert set(others) == {count(built, "llms")}


def test_a_replaced_file_is_read_anew_and_old_readers_read_on(tmp_path: Path) -> None:
    path = number_file(tmp_path / "a.duckdb", 1)
    with reading(path) as cursor:
        number_file(tmp_path / "b.duckdb", 2).replace(path)
        late: list[list[int]] = []
        waiting = threading.Thread(target=lambda: late.append(numbers(path)))
        waiting.start()
        assert cursor.execute("SELECT n FROM numbers").fetchall() == [(1,)]
    waiting.join(timeout=10.0)
    assert late == [[2]]
    assert numbers(path) == [2]


def test_few_catalogs_stay_open(tmp_path: Path) -> None:
    paths = [number_file(tmp_path / f"{n}.duckdb", n) for n in range(store.MAX_OPEN + 3)]
    for expected, path in enumerate(paths):
        assert numbers(path) == [expected]
    assert len(store._opened) <= store.MAX_OPEN
    assert numbers(paths[0]) == [0]


def test_what_is_no_catalog_is_named(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("mine", encoding="utf-8")
    with pytest.raises(CatalogError, match=r"notes\.txt is not a readable catalog"):
        query(text, "SELECT 1")
    with pytest.raises(CatalogError, match="no catalog at"):
        query(tmp_path / "absent.duckdb", "SELECT 1")
    old = number_file(tmp_path / "old.duckdb", 1)
    with pytest.raises(CatalogError, match="build it again"):
        load_catalog(old)


def test_values_are_bound_and_names_are_known(built: Path) -> None:
    evil = "x' OR '1'='1"
    for operator in ("is", "contains", "at_least"):
        found = rows(built, "llms", where=[Filter("name", operator, evil)])
        assert all(row["name"] >= evil for row in found)
        assert operator == "at_least" or found == []
    with pytest.raises(CatalogError, match=r"llms has no column 'nam'; nearest: name"):
        rows(built, "llms", where=[Filter("nam", "is", "x")])
    with pytest.raises(CatalogError, match="has no column"):
        rows(built, "llms", order_by="id; DROP TABLE llms")
    with pytest.raises(UnknownIdError, match="nearest: servers"):
        columns("servers; --")
    with pytest.raises(CatalogError, match="is a number, not 'lots'"):
        rows(built, "llms", where=[Filter("layers", "at_least", "lots")])


def test_filters_and_order(built: Path) -> None:
    everything = rows(built, "accelerators")
    assert [row["id"] for row in everything] == sorted(row["id"] for row in everything)
    large = rows(
        built,
        "accelerators",
        where=[Filter("memory_gb", "at_least", "80"), Filter("vendor", "is", "NVIDIA")],
        order_by="tdp_w",
        descending=True,
    )
    expected = [r for r in everything if r["memory_gb"] >= 80 and r["vendor"] == "NVIDIA"]
    assert {row["id"] for row in large} == {row["id"] for row in expected} != set()
    assert [row["tdp_w"] for row in large] == sorted((r["tdp_w"] for r in large), reverse=True)
    empty = rows(built, "accelerators", where=[Filter("fp8_tflops", "is", None)])
    assert {row["id"] for row in empty} == {r["id"] for r in everything if r["fp8_tflops"] is None}
    last = rows(built, "accelerators", order_by="fp8_tflops", descending=True)[-1]
    assert last["fp8_tflops"] is None
    page = rows(built, "accelerators", limit=2, offset=1)
    assert [row["id"] for row in page] == [row["id"] for row in everything[1:3]]
    assert rows(built, "llms", where=[Filter("aliases", "is", "llama3-8b")])[0]["id"] == (
        "llama_3_1_8b"
    )
    cased = rows(built, "llms", where=[Filter("name", "contains", "LLAMA 3.1 8b")])
    assert [row["id"] for row in cased] == ["llama_3_1_8b"]
    two = [Filter("id", "one_of", ["l4", "t4", "absent"])]
    assert count(built, "accelerators", two) == 2
    assert count(built, "accelerators", [Filter("id", "one_of", [])]) == 0
    assert distinct_values(built, "accelerators", "has_bf16") == (False, True)
    assert "llama3-8b" in distinct_values(built, "llms", "aliases")


def test_a_figure_has_the_source_of_its_cell(built: Path) -> None:
    cell = query(built, "SELECT * FROM cell_sources WHERE table_name = 'regions' LIMIT 1")[0]
    found = {item.column: item for item in figures(built, "regions", cell["row_id"])}
    assert found[cell["column_name"]].source_id == cell["source_id"]
    assert found[cell["column_name"]].note == cell["note"]
    row = rows(built, "regions", where=[Filter("id", "is", cell["row_id"])])[0]
    assert found["gco2e_per_kwh"].value == row["gco2e_per_kwh"]
    assert found["gco2e_per_kwh"].unit == "gCO2e/kWh"
    assert found["gco2e_per_kwh"].source_id == row["source_id"] != cell["source_id"]
    assert found["gco2e_per_kwh"].source_title == row["source_title"]
    assert not any(item.is_own for item in found.values())
    assert "source_id" not in found
    price = rows(built, "prices")[0]
    assert figure(built, "prices", price["id"], "value").unit == price["unit"]
    with pytest.raises(UnknownIdError, match="nearest: llama_3_1_8b"):
        figures(built, "llms", "llama_3_1_8")
    with pytest.raises(CatalogError, match="no id and source of their own"):
        figures(built, "length_buckets", "any")


def test_sizes_count_every_table(built: Path) -> None:
    sizes = {size.name: size for size in table_sizes(built)}
    assert sizes["llms"].n_rows == len(rows(built, "llms"))
    assert sizes["llms"].n_own == 0
    assert sizes["length_buckets"].n_rows == count(built, "length_buckets")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Filter("hourly_gco2e_per_kwh", "at_least", 3), "holds lists"),
        (Filter("hourly_gco2e_per_kwh", "one_of", [3, 4]), "holds lists"),
        (Filter("season", "like", "y"), "no filter 'like'"),  # type: ignore[arg-type]
    ],
)
def test_a_filter_that_does_not_fit_is_said_to_not_the_catalog(
    built: Path, asked: Filter, said: str
) -> None:
    with pytest.raises(CatalogError, match=said):
        rows(built, "grid_profiles", where=[asked])


def test_a_page_of_rows_has_no_negative_length(built: Path) -> None:
    with pytest.raises(CatalogError, match="no negative"):
        rows(built, "servers", limit=-1)
