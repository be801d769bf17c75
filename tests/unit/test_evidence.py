"""What the Evidence page counts and puts into words."""

from dataclasses import replace

from app import evidence
from tests import builders


def test_coefficients_alike_stand_in_one_row_and_switches_in_none():
    def row(set_id, item, key, value, unit="kg/GB"):
        return replace(
            next(iter(catalog.embodied_coefficients.values())),
            id=f"{set_id}/{item}/{key}", set=set_id, item=item, key=key, value=value, low=value,
            high=value, unit=unit,
        )  # fmt: skip

    catalog = builders.tiny_catalog()
    rows = [
        row(set_id, "memory_kg_per_gb", key, value)
        for set_id, value in (("pcf", 2.0), ("paper", 1.0))
        for key in ("hbm3", "hbm3e")
    ]
    rows += [row(set_id, "host_scales_with_size", "", 1.0, "0 or 1") for set_id in ("pcf", "paper")]
    rows += [row("pcf", "fans_kg", "", 3.0)]
    known = replace(catalog, embodied_coefficients={r.id: r for r in rows})
    bands = evidence.coefficient_rows(known)
    assert sorted((b.item, b.set_id, b.value) for b in bands) == [
        ("memory, HBM3 and HBM3E", "paper", 1.0),
        ("memory, HBM3 and HBM3E", "pcf", 2.0),
    ]
