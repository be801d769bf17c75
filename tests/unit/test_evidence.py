"""What the Evidence page counts and puts into words."""

from dataclasses import replace

from app import evidence
from ecoserve.footprints import FootprintCheck
from ecoserve.rows import ProductFootprint
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


def check(set_id: str, published: float, *, in_sample: bool = False) -> FootprintCheck:
    """A published figure beside ours of 100 kg, 50 to 200."""
    row = ProductFootprint(
        id=f"p{published}", name="P", kind="teardown", boundary="", trust="A", kgco2e=published,
        low=published, high=published, accelerator_id="big", n_accelerators=1, host_id=None,
        dram_gb=0.0, ssd_gb=0.0, n_nics=0, fitted_sets=(), lines=(), **builders.ROW,
    )  # fmt: skip
    return FootprintCheck(
        footprint=row,
        coefficients=set_id,
        ours_kgco2e=100.0,
        low_kgco2e=50.0,
        high_kgco2e=200.0,
        in_sample=in_sample,
        lines=(),
    )


def test_the_headline_counts_what_the_set_was_not_fitted_to():
    checks = [
        check("pcf", 100.0, in_sample=True), check("pcf", 190.0), check("pcf", 300.0),
        check("paper", 150.0, in_sample=True),
    ]  # fmt: skip
    assert evidence.out_of_sample_words(checks, "pcf") == (
        "1 of 2 published footprints that set pcf was not fitted to lie in its band, typically"
        " high 4.0 x low"
    )
    assert evidence.out_of_sample_words(checks, "paper") == (
        "no published footprint here is one that set paper was not fitted to"
    )
