"""A log's mix and profile as rows of an overlay, and the catalog that has them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from catalog_db.overlay import Overlay
from catalog_db.own_traffic import (
    BUCKETS,
    MIXES,
    PERCENTILES,
    PROFILES,
    OwnMix,
    mix_of_log,
    own_id,
    profile_of_log,
    traffic_files,
)
from catalog_db.reader import ensure_catalog, load_catalog
from catalog_db.request_log import read_log
from ecoserve.request_log import LogFindings


@pytest.fixture(scope="module")
def log() -> LogFindings:
    """Two days, a request every 100 s by night and every 50 s from noon."""
    seconds = [s for s in range(0, 2 * 86_400 + 1, 50) if s % 100 == 0 or s % 86_400 >= 43_200]
    rng = np.random.default_rng(5)
    lines = [f"{s},{rng.integers(1, 20_000)},{rng.integers(1, 999)}" for s in seconds]
    text = "\n".join(["t_s,input_tokens,output_tokens", "1,0,1", *lines])
    return read_log(io.BytesIO(text.encode()))


def files_of(log: LogFindings, kept: dict[str, str] | None = None) -> dict[str, str]:
    mix = mix_of_log(log, mix_id="log_own", name="Own", file="own.csv", utc_offset_h=2)
    profile = profile_of_log(log, profile_id="log_own", name="Own", file="own.csv", utc_offset_h=2)
    return traffic_files(kept or {}, mix, profile)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_catalog_with_a_log_has_its_means_and_its_shape(log: LogFindings, tmp_path: Path):
    folder = tmp_path / "own"
    folder.mkdir()
    for name, text in files_of(log).items():
        (folder / name).write_text(text, encoding="utf-8")
    path = ensure_catalog(tmp_path / "catalog.duckdb", overlay=Overlay.from_folder(folder))
    catalog = load_catalog(path)
    mix, profile = catalog.length_mix("log_own"), catalog.rate_profile("log_own")
    assert mix.mean_isl_tokens == pytest.approx(log.mean_isl_tokens, rel=1e-12)
    assert mix.mean_osl_tokens == pytest.approx(log.mean_osl_tokens, rel=1e-12)
    assert mix.buckets == pytest.approx(log.buckets)
    assert (mix.source_id, mix.quality) == ("your_overlay", "measured")
    assert mix.note == "2,593 requests of own.csv over 2.0 days, clock UTC+2 h, 1 row left out."
    assert profile.utc_offset_h == 2
    assert profile.hourly_ratio[:12] == pytest.approx([2 / 3] * 12, rel=0.02)
    assert profile.hourly_ratio[12:] == pytest.approx([4 / 3] * 12, rel=0.02)
    assert "taken as midnight" in profile.note
    assert ("length_mixes", "log_own") in catalog.overlay_rows


def test_rows_of_other_mixes_stay_and_older_ones_of_the_same_id_go(log: LogFindings):
    kept = {
        MIXES: "id,name,kind,isl_mean_tokens,quality,note\nmine,Mine,percentiles,900,assumed,x\n"
        "log_own,Old,percentiles,5,assumed,y\n",
        PERCENTILES: "mix_id,field,percentile,tokens\nmine,isl,50,9\nlog_own,isl,50,3\n",
        BUCKETS: "mix_id,isl_lo_tokens,requests\nlog_own,7,7\nother,1,1\n",
    }
    files = files_of(log, kept)
    assert [(row["id"], row["name"], row["isl_mean_tokens"]) for row in rows_of(files[MIXES])] == [
        ("mine", "Mine", "900"),
        ("log_own", "Own", ""),
    ]
    assert [row["mix_id"] for row in rows_of(files[PERCENTILES])] == ["mine"]
    buckets = rows_of(files[BUCKETS])
    assert [row["mix_id"] for row in buckets[:2]] == ["other", "log_own"]
    assert sum(int(row["requests"]) for row in buckets[1:]) == log.n_used
    assert len(rows_of(files[PROFILES])) == 1


def test_a_mix_alone_leaves_profiles_alone(log: LogFindings):
    mix = OwnMix(id="m", name="M", quality="assumed", note="n", counts=log.counts)
    assert set(traffic_files({PROFILES: "id\nx\n"}, mix)) == {MIXES, BUCKETS}


def test_ids_are_slugs_that_nobody_has():
    assert own_id("Chat (May)", ()) == "log_chat_may"
    assert own_id("Chat", {"log_chat", "log_chat_2"}) == "log_chat_3"
    assert own_id("日志", ()) == "log"
    assert own_id("x" * 99, (), "mix") == f"mix_{'x' * 46}"
