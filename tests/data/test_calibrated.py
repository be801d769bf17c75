"""The shipped parameters are those that the shipped points give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from catalog_db.calibrate import DATA, parameter_files
from catalog_db.measured import POWER_COLUMNS, power_csv
from ecoserve import accuracy
from ecoserve.catalog import Catalog
from ecoserve.errors import MissingDataError
from ecoserve.own_fits import own_fits, plan_for
from ecoserve.power_accuracy import power_and_energy
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
    with pytest.raises(MissingDataError, match="0 usable points of 0 models"):
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


def test_only_unseen_models_and_accelerators_stand_beside_a_goal(catalog: Catalog) -> None:
    rows = accuracy.speed_rows(catalog)
    assert all((row.wanted is None) == (row.held_out in ("tp", "all of it")) for row in rows)
    prefill = next(row for row in rows if row.quantity.startswith("isolated prefill"))
    assert (prefill.n, prefill.held_out) == (22, "model")
    assert prefill.mape < 0.15
    assert {row.quantity for row in rows if row.misses} == {"mean TTFT under load"}


def test_power_and_energy_are_judged_by_the_forward_model(catalog: Catalog) -> None:
    power, energy = power_and_energy(catalog)
    assert len(power) == len(energy) == 110
    assert np.mean(np.abs(power)) == pytest.approx(0.083, abs=0.005)
    assert np.mean(np.abs(energy)) == pytest.approx(0.091, abs=0.005)


def test_unmeasured_accelerators_are_planned_with_the_unseen_error(catalog: Catalog) -> None:
    unseen = accuracy.unseen_speed_error(catalog)
    for name in ("b300", "gb200", "gh200_96gb", "h100_nvl_94gb", "h100_pcie_80gb", "a30"):
        card = catalog.accelerator(name)
        row = catalog.serving_on(card, "vllm_v1", "bf16")
        assert row.provenance == "inherited", name
        assert row.error_band >= unseen, name
        assert catalog.power_on(card).precisions == (), name
    b200 = catalog.serving_on(catalog.accelerator("b200"), "vllm_v1", "bf16")
    assert (b200.provenance, b200.error_band) == ("calibrated", 0.09)


def test_all_reduces_are_within_one_node_and_counted_in_bytes(catalog: Catalog) -> None:
    rows = [p for p in catalog.measured_points if p.phase == "allreduce"]
    assert {p.convention.batch_means for p in rows} == {"bytes"}
    for p in rows:
        assert p.latency_s is not None
        assert p.batch is not None
        bus = 2 * (p.tp - 1) / p.tp * p.batch / p.latency_s / 1e9
        # no message travels faster than the link
        assert bus < catalog.accelerator(p.hardware).link_gb_per_s
