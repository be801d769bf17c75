"""The builder: every mistake named at once, no half-built catalog, one version per content."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog_db.build import CatalogBuildError, build_catalog, catalog_version
from catalog_db.csvfiles import BUILD_ORDER
from catalog_db.reader import (
    CATALOG_VARIABLE,
    default_catalog_path,
    ensure_catalog,
    load_catalog,
    stored_version,
)
from ecoserve.errors import CatalogError


def edit(
    data_dir: Path, table: str, change: Callable[[list[dict[str, str]]], object]
) -> list[dict[str, str]]:
    file = data_dir / f"{table}.csv"
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    change(rows)
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return rows


def problems(data_dir: Path, target: Path) -> set[tuple[str, int, str]]:
    with pytest.raises(CatalogBuildError) as caught:
        build_catalog(target, data_dir)
    return {(bad.file, bad.line, bad.column) for bad in caught.value.problems}


def test_all_bad_cells_are_reported_at_once(data_dir: Path, tmp_path: Path) -> None:
    def spoil_hosts(rows: list[dict[str, str]]) -> None:
        rows[0]["cpu_tdp_w"] = "lots"
        rows[1]["sockets"] = "2.5"
        rows[2]["source_id"] = "hearsay"
        rows[3]["quality"] = "guessed"
        rows[4]["capex_usd"] = "nan"

    def spoil_prices(rows: list[dict[str, str]]) -> None:
        rows[0]["low"] = "99"
        rows[1]["note"] = ""
        rows[2]["unit"] = ""

    edit(data_dir, "hosts", spoil_hosts)
    edit(data_dir, "prices", spoil_prices)
    edit(data_dir, "llms", lambda rows: rows.append(rows[0]))
    found = problems(data_dir, tmp_path / "catalog.duckdb")
    last_llm = len((data_dir / "llms.csv").read_text(encoding="utf-8").splitlines())
    assert found >= {
        ("hosts.csv", 2, "cpu_tdp_w"),
        ("hosts.csv", 3, "sockets"),
        ("hosts.csv", 4, "source_id"),
        ("hosts.csv", 5, "quality"),
        ("hosts.csv", 6, "capex_usd"),
        ("prices.csv", 2, "low, value, high"),
        ("prices.csv", 3, "quality, note"),
        ("prices.csv", 4, "unit"),
        ("llms.csv", last_llm, "id"),
    }
    assert not (tmp_path / "catalog.duckdb").exists()


def test_problem_says_where_and_what(data_dir: Path, tmp_path: Path) -> None:
    edit(data_dir, "regions", lambda rows: rows[0].update(pue="0.9"))
    with pytest.raises(
        CatalogBuildError, match=r"regions\.csv:2: column pue: expected pue BETWEEN"
    ):
        build_catalog(tmp_path / "catalog.duckdb", data_dir)


def test_rules_across_tables(data_dir: Path, tmp_path: Path) -> None:
    edit(data_dir, "servers", lambda rows: rows[0].update(n_accelerators="16"))
    edit(data_dir, "length_mixes", lambda rows: rows.append(rows[0] | {"id": "empty_mix"}))
    found = problems(data_dir, tmp_path / "catalog.duckdb")
    assert ("servers.csv", 2, "host_id") in found
    assert ("length_mixes.csv", 5, "id") in found


def test_a_profile_without_24_hours_is_refused(data_dir: Path, tmp_path: Path) -> None:
    edit(data_dir, "rate_profiles", lambda rows: rows[0].update(hourly_ratio="[1, 2]"))
    found = problems(data_dir, tmp_path / "catalog.duckdb")
    assert found == {("rate_profiles.csv", 2, "hourly_ratio")}


def test_wrong_columns_and_ragged_rows_are_refused(data_dir: Path, tmp_path: Path) -> None:
    sources = (data_dir / "sources.csv").read_text(encoding="utf-8")
    (data_dir / "sources.csv").write_text(sources.replace("licence", "license", 1), "utf-8")
    with (data_dir / "prices.csv").open("a", encoding="utf-8") as file:
        file.write("lonely,1\n")
    found = problems(data_dir, tmp_path / "catalog.duckdb")
    assert found == {("sources.csv", 1, "(header)"), ("prices.csv", 6, "(row)")}


def test_missing_files_are_all_named(data_dir: Path, tmp_path: Path) -> None:
    (data_dir / "llms.csv").unlink()
    (data_dir / "hosts.csv").write_bytes(b"\xff\xfe")
    found = problems(data_dir, tmp_path / "catalog.duckdb")
    assert found == {("llms.csv", 0, "(file)"), ("hosts.csv", 0, "(file)")}


def test_a_failed_build_leaves_the_old_catalog(data_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "catalog.duckdb"
    build_catalog(target)
    before = target.read_bytes()
    edit(data_dir, "prices", lambda rows: rows[0].update(value="cheap"))
    problems(data_dir, target)
    assert target.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["catalog.duckdb", "data"]


def test_version_follows_the_content_only(data_dir: Path) -> None:
    version = catalog_version()
    assert catalog_version(data_dir) == version
    for table in BUILD_ORDER:
        file = data_dir / f"{table}.csv"
        file.write_bytes(file.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert catalog_version(data_dir) == version
    edit(data_dir, "prices", lambda rows: rows[0].update(value="3.5"))
    assert catalog_version(data_dir) != version


def test_ensure_builds_once_and_again_when_the_data_changed(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "cache" / "catalog.duckdb"
    monkeypatch.setenv(CATALOG_VARIABLE, str(target))
    assert default_catalog_path() == target
    assert ensure_catalog() == target
    first = target.stat().st_mtime_ns
    ensure_catalog()
    assert target.stat().st_mtime_ns == first
    edit(data_dir, "prices", lambda rows: rows[0].update(value="3.5"))
    build_catalog(target, data_dir)
    assert stored_version(ensure_catalog()) == catalog_version()


def test_default_path_is_in_the_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CATALOG_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    name = f"catalog-{catalog_version()}.duckdb"
    assert default_catalog_path() == tmp_path / "ecoserve" / name


def test_a_file_that_is_no_catalog_is_neither_read_nor_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("mine", encoding="utf-8")
    with pytest.raises(CatalogError, match="not a readable catalog"):
        ensure_catalog(file)
    assert file.read_text(encoding="utf-8") == "mine"
    with pytest.raises(CatalogError, match="no catalog at"):
        load_catalog(tmp_path / "absent.duckdb")
