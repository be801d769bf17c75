"""The shipped parameters are those that the shipped points give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from catalog_db.calibrate import DATA, parameter_files
from catalog_db.measured import POWER_COLUMNS, power_csv
from ecoserve.catalog import Catalog
from ecoserve.errors import MissingDataError
from ecoserve.own_fits import own_fits, plan_for
from ecoserve.power_rows import power_rows


def test_calibrating_anew_changes_nothing(catalog: Catalog) -> None:
    for name, text in parameter_files(catalog).items():
        shipped = Path(DATA / name).read_text(encoding="utf-8")
        assert text.splitlines() == shipped.splitlines(), f"{name}: run make calibrate"


def test_provenance_of_power_follows_from_the_points(catalog: Catalog) -> None:
    found = {row.family: row for row in power_rows(catalog.measured_points, catalog)}
    assert {family: row.provenance for family, row in found.items() if row.phases} == {
        "ampere_hbm": "inherited",
        "blackwell_sxm": "calibrated",
        "hopper_sxm": "calibrated",
    }
    assert {row.provenance for row in found.values() if not row.phases} == {"assumed"}
    assert found["volta"].p0_ratio == 0.35
    assert found["ampere_hbm"].a_ratio == found["volta"].a_ratio
    # Hand-counted: 70 points of H100 in the file carry a power and a dense model.
    assert found["hopper_sxm"].note.startswith("70 points of 6 models on H100")
    without = [p for p in catalog.measured_points if "A100" not in p.hardware]
    unseen = {row.family: row for row in power_rows(without, catalog)}["ampere_hbm"]
    assert (unseen.provenance, unseen.error_band, unseen.phases) == ("assumed", 0.2, ())


def test_power_needs_points(catalog: Catalog) -> None:
    with pytest.raises(MissingDataError, match="0 points of 0 models"):
        power_rows([], catalog)


def test_power_rows_as_text(catalog: Catalog) -> None:
    header, line = power_csv([catalog.power("blackwell_sxm")]).splitlines()
    assert tuple(header.split(",")) == POWER_COLUMNS
    assert line.startswith(
        'blackwell_sxm,blackwell_sxm,0.3,0.83,1.5222,0.4422,0.985,"[decode, mixed]",[bf16],'
    )
    assert ",calibrated,[b200],0." in line


def test_a_plan_of_ones_own_takes_what_is_fixed_from_the_hardware_only(catalog: Catalog) -> None:
    known = plan_for(catalog, "hopper_sxm", "vllm_v1", "bf16")
    assert known is catalog.calibration_plans["hopper_sxm/vllm_v1/bf16"]
    own = plan_for(catalog, "hopper_sxm", "homemade", "fp8")
    assert (own.id, own.from_id, own.overlap_norm) == ("hopper_sxm/homemade/fp8", None, 1.0)
    assert "All-reduce latency and time per step as in hopper_sxm/" in own.note
    with pytest.raises(MissingDataError, match="no calibration plan for any stack of abacus"):
        plan_for(catalog, "abacus", "vllm_v1", "bf16")


def test_own_points_without_a_key_are_named(catalog: Catalog) -> None:
    point = catalog.measured_points[0]
    strangers = [replace(point, hardware="abacus"), replace(point, precision="fp7")]
    with pytest.raises(MissingDataError) as caught:
        own_fits(strangers, catalog)
    assert "'abacus'" in str(caught.value)
    assert "'fp7'" in str(caught.value)
