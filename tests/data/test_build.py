"""The builder: every mistake named at once, no half-built catalog, one version per content."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog_db.build import CatalogBuildError, build_catalog, catalog_version
from catalog_db.csvfiles import BUILD_ORDER, THE_FILE, THE_HEADER, THE_LINE
from catalog_db.overlay import Overlay
from catalog_db.reader import (
    CATALOG_VARIABLE,
    MAX_CACHED,
    default_catalog_path,
    ensure_catalog,
    load_catalog,
    stored_version,
)
from catalog_db.store import reading
from ecoserve.errors import CatalogError


def edit(
    data_dir: Path, table: str, change: Callable[[list[dict[str, str]]], object]
) -> list[dict[str, str]]:
    file = data_dir / f"{table}.csv"
    with file.open(newline="", encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    before = list(rows[0])
    change(rows)
    fields = list(rows[0]) if rows else before
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, fieldnames=fields)
        writer.writeheader()
        writer.writerows(rows)
    return rows


def problems(data_dir: Path, target: Path) -> set[tuple[str, int, str]]:
    with pytest.raises(CatalogBuildError) as caught:
        build_catalog(target, data_dir)
    return {(bad.file, bad.line, bad.column) for bad in caught.value.problems}


def test_all_bad_cells_are_reported_at_once(data_dir: Path, tmp_path: Path) -> None:
    def spoil_hosts(rows: list[dict[str, str]]) -> None:
        rows[0]["max_dram_gib"] = "lots"
        rows[1]["sockets"] = "2.5"
        rows[2]["source_id"] = "hearsay"
        rows[3]["quality"] = "guessed"
        rows[4]["capex_usd"] = "nan"

    def spoil_prices(rows: list[dict[str, str]]) -> None:
        rows[0]["low"] = "99999"
        rows[1] |= {"quality": "assumed", "note": ""}
        rows[2]["unit"] = ""

    edit(data_dir, "hosts", spoil_hosts)
    edit(data_dir, "prices", spoil_prices)
    edit(data_dir, "llms", lambda rows: rows.append(rows[0]))
    found = problems(data_dir, tmp_path / "catalog.duckdb")
    last_llm = len((data_dir / "llms.csv").read_text(encoding="utf-8").splitlines())
    assert found >= {
        ("hosts.csv", 2, "max_dram_gib"),
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


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("pue", "0.9", "column pue: expected from 1 to 3, found 0.9"),
        ("pue", "low", "column pue: expected a number, found low"),
        ("year", "20.5", "column year: expected a whole number, found 20.5"),
        ("year", "", "column year: expected a whole number, the cell is empty"),
        ("id", "A b", "column id: expected lowercase letters, digits and underscores only"),
        ("provider_id", "me", "column provider_id: expected an id of providers.csv, found me"),
        ("quality", "good", "column quality: expected one of measured, manufacturer, modelled,"),
    ],
)
def test_problem_says_where_what_and_what_was_found(
    data_dir: Path, tmp_path: Path, column: str, value: str, message: str
) -> None:
    edit(data_dir, "regions", lambda rows: rows[0].update({column: value}))
    with pytest.raises(CatalogBuildError, match=rf"regions\.csv:2: {message}"):
        build_catalog(tmp_path / "catalog.duckdb", data_dir)


def test_lines_are_those_of_the_file(data_dir: Path, tmp_path: Path) -> None:
    """Newlines in quotes and blank lines count; a row is named by the line it starts on."""
    regions = data_dir / "regions.csv"
    header, first, second, *_ = regions.read_text(encoding="utf-8").splitlines()
    names = header.split(",")

    def row(line: str, **changes: str) -> str:
        cells = dict(zip(names, next(csv.reader([line])), strict=True)) | changes
        return ",".join(f'"{cell}"' for cell in cells.values())

    bad = [row(first, pue="9", note="two\nlines"), "", "", row(second, pue="8", note="x\ny\nz")]
    good = row(second, id="another", note="")
    regions.write_text("\n".join([header, good, *bad, row(first, id="last", pue="7")]) + "\n")
    found = problems(data_dir, tmp_path / "catalog.duckdb")
    assert {line for file, line, column in found if column == "pue"} == {3, 7, 10}


def spoil_dies(rows: list[dict[str, str]]) -> None:
    rows[0] |= {"product_id": "nothing", "id": f"nothing/{rows[0]['die']}"}


def spoil_cells(rows: list[dict[str, str]]) -> None:
    rows[0]["table_name"] = "nowhere"
    rows[1]["row_id"] = "nobody"
    rows[2]["column_name"] = "nothing"


def of_kind(kind: str) -> Callable[[list[dict[str, str]]], object]:
    """Says of the first mix of another kind that it is of this one."""

    def spoil(rows: list[dict[str, str]]) -> None:
        next(row for row in rows if row["kind"] != kind)["kind"] = kind

    return spoil


@pytest.mark.parametrize(
    ("table", "spoil", "wanted"),
    [
        ("dies", spoil_dies, [("dies.csv", "product_id"), ("accelerators.csv", "id")]),
        (
            "servers",
            lambda rows: rows[0].update(n_accelerators="72", vcpus="4096", dram_gib="65536"),
            [("servers.csv", c) for c in ("n_accelerators", "vcpus", "dram_gib")],
        ),
        ("rental_prices", lambda rows: rows.clear(), [("servers.csv", "offer")]),
        (
            "servers",
            lambda rows: [row.update(offer="purchase") for row in rows],
            [("rental_prices.csv", "server_id")],
        ),
        ("length_mixes", of_kind("histogram"), [("length_mixes.csv", "kind")]),
        ("length_mixes", of_kind("percentiles"), [("length_mixes.csv", "kind")]),
        (
            "length_percentiles",
            lambda rows: rows[0].update(tokens="9999999"),
            [("length_percentiles.csv", "tokens")],
        ),
        ("cell_sources", spoil_cells, [
            ("cell_sources.csv", c) for c in ("table_name", "row_id", "column_name")
        ]),
        ("llms", lambda rows: rows[0].update(aliases=f"[{rows[1]['id']}]"), [
            ("llms.csv", "aliases")
        ]),
        ("llms", lambda rows: [row.update(aliases="[same]") for row in rows[:2]], [
            ("llms.csv", "aliases")
        ]),
        ("grid_profiles", lambda rows: rows.clear(), [("grid_zones.csv", "id")]),
    ],
)  # fmt: skip
def test_rules_across_tables(
    data_dir: Path,
    tmp_path: Path,
    table: str,
    spoil: Callable[[list[dict[str, str]]], object],
    wanted: list[tuple[str, str]],
) -> None:
    edit(data_dir, table, spoil)
    found = {(file, column) for file, _, column in problems(data_dir, tmp_path / "c.duckdb")}
    assert found >= set(wanted)


@pytest.mark.parametrize(
    ("hours", "is_whole"),
    [
        (range(8760), True),
        (range(8784), True),
        (range(8759), False),
        (range(1, 8761), False),
        ([*range(100), *range(101, 8761)], False),
    ],
)
def test_a_series_is_a_full_year(
    data_dir: Path, tmp_path: Path, hours: list[int], is_whole: bool
) -> None:
    zone = edit(data_dir, "grid_zones", lambda rows: None)[0]["id"]
    lines = [f"{zone},lifecycle,{hour},100" for hour in hours]
    text = "\n".join(["zone_id,kind,hour,gco2e_per_kwh", *lines])
    (data_dir / "grid_series.csv").write_text(text, encoding="utf-8")
    if is_whole:
        build_catalog(tmp_path / "catalog.duckdb", data_dir)
    else:
        found = problems(data_dir, tmp_path / "catalog.duckdb")
        assert found == {("grid_series.csv", 2, "hour")}


def test_a_profile_without_24_hours_is_refused(data_dir: Path, tmp_path: Path) -> None:
    edit(data_dir, "rate_profiles", lambda rows: rows[0].update(hourly_ratio="[1, 2]"))
    found = problems(data_dir, tmp_path / "catalog.duckdb")
    assert found == {("rate_profiles.csv", 2, "hourly_ratio")}


def test_a_wrong_file_does_not_hide_the_problems_of_others(data_dir: Path, tmp_path: Path) -> None:
    sources = (data_dir / "sources.csv").read_text(encoding="utf-8")
    (data_dir / "sources.csv").write_text(sources.replace("licence", "license", 1), "utf-8")
    n_lines = len((data_dir / "prices.csv").read_text(encoding="utf-8").splitlines())
    with (data_dir / "prices.csv").open("a", encoding="utf-8") as file:
        file.write("lonely,1\n")
    (data_dir / "cpus.csv").write_text('id,name\n"never closed', encoding="utf-8")
    edit(data_dir, "regions", lambda rows: rows[0].update(pue="9"))
    found = problems(data_dir, tmp_path / "catalog.duckdb")
    assert found == {
        ("sources.csv", 1, THE_HEADER),
        ("prices.csv", n_lines + 1, THE_LINE),
        ("cpus.csv", 1, THE_HEADER),
        ("cpus.csv", 2, THE_LINE),
        ("regions.csv", 2, "pue"),
    }


def test_rules_across_tables_hold_beside_a_broken_file(data_dir: Path, tmp_path: Path) -> None:
    (data_dir / "cpus.csv").write_bytes(b"")
    edit(data_dir, "servers", lambda rows: rows[0].update(n_accelerators="72"))
    with pytest.raises(CatalogBuildError) as caught:
        build_catalog(tmp_path / "c.duckdb", data_dir)
    assert [str(bad) for bad in caught.value.problems] == [
        "cpus.csv: the file: the file is empty; write a header and rows",
        "servers.csv:2: column n_accelerators: expected at most the accelerators that its host"
        " takes, found 72 of 8",
    ]


def test_an_unknown_id_comes_with_the_nearest(data_dir: Path, tmp_path: Path) -> None:
    edit(data_dir, "servers", lambda rows: rows[0].update(accelerator_id="h100"))
    with pytest.raises(CatalogBuildError) as caught:
        build_catalog(tmp_path / "c.duckdb", data_dir)
    [problem] = map(str, caught.value.problems)
    assert "expected an id of accelerators.csv, found h100; nearest: h100" in problem
    assert problem.endswith("; `ecoserve catalog list accelerators` shows what there is")


def test_missing_files_are_all_named(data_dir: Path, tmp_path: Path) -> None:
    (data_dir / "llms.csv").unlink()
    (data_dir / "hosts.csv").write_bytes(b"\xff\xfe")
    found = problems(data_dir, tmp_path / "catalog.duckdb")
    assert found == {("llms.csv", 0, THE_FILE), ("hosts.csv", 0, THE_FILE)}


def test_a_failed_build_leaves_the_old_catalog(data_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "catalog.duckdb"
    build_catalog(target)
    before = target.read_bytes()
    edit(data_dir, "prices", lambda rows: rows[0].update(value="cheap"))
    problems(data_dir, target)
    assert target.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["catalog.duckdb", "data"]


KILLED_BUILD = """
import os, signal, sys
from pathlib import Path
from catalog_db import build

whole = build.{function}
def die(*arguments):
    {first}
    os.kill(os.getpid(), signal.SIGKILL)
build.{function} = die
build.build_catalog(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize(
    ("function", "first"), [("_check", "pass"), ("_insert", "whole(*arguments)"), ("_swap", "pass")]
)
def test_a_killed_build_leaves_the_old_catalog(
    data_dir: Path, tmp_path: Path, function: str, first: str
) -> None:
    target = tmp_path / "catalog.duckdb"
    version = build_catalog(target, data_dir)
    content = target.read_bytes()
    edit(data_dir, "prices", lambda rows: rows[0].update(note="another"))
    with reading(target) as cursor:  # and who has it open reads on
        script = KILLED_BUILD.format(function=function, first=first)
        command = [sys.executable, "-c", script, str(target), str(data_dir)]
        assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL
        assert cursor.execute("SELECT version FROM catalog_meta").fetchall() == [(version,)]
    assert target.read_bytes() == content
    assert load_catalog(target).version == version
    assert build_catalog(target, data_dir) != version
    assert stored_version(target) == catalog_version(data_dir)


def test_two_builds_at_once_do_no_harm(data_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "catalog.duckdb"
    script = (
        "import sys; from pathlib import Path; from catalog_db.build import build_catalog;"
        "build_catalog(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", script, str(target), str(data_dir)]
    builds = [subprocess.Popen(command) for _ in range(3)]
    assert [build.wait(timeout=120) for build in builds] == [0, 0, 0]
    assert load_catalog(target).version == catalog_version(data_dir)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["catalog.duckdb", "data"]


def test_version_follows_the_content_only(data_dir: Path, tmp_path: Path) -> None:
    version = catalog_version()
    assert catalog_version(data_dir) == version
    for table in BUILD_ORDER:
        file = data_dir / f"{table}.csv"
        content = file.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        file.write_bytes(b"\xef\xbb\xbf" + content + b"\r\n\r\n")
    assert catalog_version(data_dir) == version

    def turn(rows: list[dict[str, str]]) -> None:
        rows[:] = [dict(reversed(row.items())) for row in reversed(rows)]

    edit(data_dir, "prices", turn)
    edit(data_dir, "length_buckets", turn)
    assert catalog_version(data_dir) == version
    assert build_catalog(tmp_path / "turned.duckdb", data_dir) == version
    build_catalog(tmp_path / "straight.duckdb")
    turned, straight = (load_catalog(tmp_path / f"{n}.duckdb") for n in ("turned", "straight"))
    assert turned.prices == straight.prices
    assert turned.length_mixes == straight.length_mixes
    edit(data_dir, "prices", lambda rows: rows[0].update(note="another"))
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
    edit(data_dir, "prices", lambda rows: rows[0].update(note="another"))
    build_catalog(target, data_dir)
    assert stored_version(target) != catalog_version()
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
    with pytest.raises(CatalogError, match="is not a catalog and stays as it is"):
        build_catalog(file)
    assert file.read_text(encoding="utf-8") == "mine"
    with pytest.raises(CatalogError, match="no catalog at"):
        load_catalog(tmp_path / "absent.duckdb")


def test_only_the_last_used_catalogs_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CATALOG_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    folder = tmp_path / "ecoserve"
    folder.mkdir()
    for age in range(MAX_CACHED + 5):
        old = folder / f"catalog-{age:012}.duckdb"
        old.touch()
        os.utime(old, (1_000_000 - age, 1_000_000 - age))
    (folder / "library.duckdb").touch()
    built = ensure_catalog()
    kept = sorted(f.name for f in folder.glob("catalog-*"))
    assert kept == sorted([built.name, *(f"catalog-{n:012}.duckdb" for n in range(MAX_CACHED - 1))])
    assert (folder / "library.duckdb").exists()


@pytest.mark.parametrize(
    ("table", "row_id", "change", "expected"),
    [
        (
            "host_power",
            "psu_efficiency",
            {"value": "0", "low": "0"},
            "an efficiency of 0.5 or more",
        ),
        ("host_power", "cpu_idle_ratio", {"high": "1.2"}, "ratios up to 1"),
        ("host_power", "nic_w", {"id": "nic_watts"}, "one of cpu_idle_ratio"),
        ("prices", "nic_usd", {"id": "nic_eur"}, "one of dram_usd_per_gb"),
        ("trends", "grid_decline", {"high": "1"}, "declines below 1"),
        ("trends", "generation_years", {"low": "0.5"}, "a year or more"),
        ("trends", "demand_growth", {"id": "growth"}, "one of accelerator_efficiency_gain"),
        (
            "embodied_coefficients",
            "pcf/nic_kg/",
            {"unit": "g per lightyear"},
            "a known item with its unit",
        ),
        (
            "embodied_coefficients",
            "pcf/nic_kg/",
            {"id": "pcf/nic_kg/big", "key": "big"},
            "a memory type, a form factor or an accelerator",
        ),
    ],
)
def test_figures_without_effect_or_sense_are_refused(
    data_dir: Path, tmp_path: Path, table: str, row_id: str, change: dict[str, str], expected: str
) -> None:
    def spoil(rows: list[dict[str, str]]) -> None:
        (row,) = [row for row in rows if row["id"] == row_id]
        row.update(change)

    edit(data_dir, table, spoil)
    with pytest.raises(CatalogBuildError) as caught:
        build_catalog(tmp_path / "catalog.duckdb", data_dir)
    assert any(expected in str(problem) for problem in caught.value.problems)


def test_own_rows_go_to_the_cache_where_the_catalogs_folder_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "image" / "catalog.duckdb"
    target.parent.mkdir()
    target.touch()
    monkeypatch.setenv(CATALOG_VARIABLE, str(target))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    overlay = Overlay.from_files({"regions.csv": b"id,pue\naws_eu_west_1,1.1\n"})
    assert default_catalog_path(overlay).parent == target.parent
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != target.parent)
    assert default_catalog_path(overlay).parent == tmp_path / "cache" / "ecoserve"
    assert default_catalog_path(overlay).stem.startswith("catalog-")
    assert default_catalog_path() == target
