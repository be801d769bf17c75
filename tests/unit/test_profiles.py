"""Curves of one replica: they end exactly where memory or the engine does, or say why not."""

from dataclasses import replace

import pytest

from app.figures_evidence import ProfileCurve
from app.profiles import (
    NoCurve,
    accelerator_labels,
    nearest_tp,
    profile_curve,
    profiled_accelerators,
    smallest_tp,
)
from ecoserve.profile import profile_at_batch, profile_at_slo
from ecoserve.profile_query import ProfileQuery
from tests.builders import serving, tiny_catalog

CATALOG = tiny_catalog()
QUERY = ProfileQuery(
    llm_id="toy", accelerator_id="big", tp=1, stack="vllm_v1", precision="bf16",
    isl_tokens=1000.0, osl_tokens=200.0,
)  # fmt: skip


def curve(query: ProfileQuery = QUERY, ttft_s: float = 1.0, tpot_s: float = 0.02) -> ProfileCurve:
    found = profile_curve(CATALOG, query, "Big", ttft_s, tpot_s)
    assert isinstance(found, ProfileCurve)
    return found


def test_batches_rise_to_the_engines_limit():
    found = curve()
    batches = [point.batch for point in found.points]
    assert batches[:4] == [1, 2, 3, 4]
    assert batches == sorted(set(batches))
    assert (batches[-1], found.ends_by) == (256, "the engine's limit")
    assert curve(replace(QUERY, max_num_seqs=17)).points[-1].batch == 17
    middle = found.points[10]
    assert middle.tpot_s == profile_at_batch(CATALOG, QUERY, middle.batch).tpot_s


def test_the_last_point_is_the_largest_that_fits_in_memory():
    query = replace(QUERY, isl_tokens=50_000.0)
    found = curve(query)
    last = found.points[-1].batch
    assert 1 < last < 256
    assert found.ends_by == "memory"
    with pytest.raises(Exception, match=f"at most {last} such requests"):
        profile_at_batch(CATALOG, query, last + 1)


def test_the_chosen_point_is_the_engines_own_search():
    found = curve(tpot_s=0.008)
    assert found.chosen is not None
    assert found.chosen.batch == profile_at_slo(CATALOG, QUERY, 1.0, 0.008).batch
    assert curve(tpot_s=0.0001).chosen is None


def test_no_curve_says_why():
    wide = profile_curve(CATALOG, replace(QUERY, tp=8), "Big", 1.0, 0.02)
    most = CATALOG.accelerator("big").max_tp
    assert wide == NoCurve("Big", f"at most {most} of it serve one model together")
    other = profile_curve(CATALOG, replace(QUERY, stack="nobody"), "Big", 1.0, 0.02)
    assert isinstance(other, NoCurve)
    assert "no serving parameters" in other.reason


def test_provenance_is_that_of_the_parameters():
    family = CATALOG.accelerator("big").family
    catalog = tiny_catalog(serving(family, provenance="inherited"))
    found = profile_curve(catalog, QUERY, "Big", 1.0, 0.02)
    assert isinstance(found, ProfileCurve)
    assert (found.provenance, found.is_calibrated) == ("inherited", False)


def test_smallest_group_that_holds_the_model():
    assert smallest_tp(CATALOG, QUERY) == 1
    assert smallest_tp(CATALOG, replace(QUERY, isl_tokens=9_900_000.0)) == 2
    huge = tiny_catalog(replace(CATALOG.llm("toy"), params_b=10_000.0, active_b=10_000.0))
    assert smallest_tp(huge, QUERY) is None


def test_only_accelerators_with_known_speed_are_offered():
    assert "big" in profiled_accelerators(CATALOG, "vllm_v1")
    assert profiled_accelerators(CATALOG, "nobody") == []


def test_no_two_accelerators_are_called_alike_and_own_rows_rename_none():
    big = CATALOG.accelerator("big")
    rows = [
        replace(big, id="a40", name="Maker A 40 GB", vendor="Maker"),
        replace(big, id="a80", name="Maker A 80 GB", vendor="Maker"),
        replace(big, id="b", name="Maker B 16 GB", vendor="Maker"),
    ]
    known = {row.id: row for row in rows}
    catalog = replace(CATALOG, accelerators=known)
    ours = {"a40": "A 40 GB", "a80": "A 80 GB", "b": "B"}
    assert accelerator_labels(catalog) == ours
    mine = replace(big, id="mine", name="B", vendor="Me")
    other = replace(big, id="other", name="B", vendor="Me")
    own = replace(
        catalog,
        accelerators={"mine": mine, "other": other, **known},
        overlay_figures=frozenset({("accelerators", "mine", ""), ("accelerators", "other", "")}),
    )
    assert accelerator_labels(own) == {**ours, "mine": "B (mine)", "other": "B (other)"}


def test_an_accelerator_is_drawn_with_as_many_as_serve_one_model():
    big = replace(CATALOG.accelerator("big"), max_tp=2)
    catalog = replace(CATALOG, accelerators={"big": big})
    assert [nearest_tp(catalog, "big", tp) for tp in (1, 2, 4, 8)] == [1, 2, 2, 2]
