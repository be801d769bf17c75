"""The catalog with the figures of one kind at an end of their band."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from ecoserve.catalog import Catalog
from ecoserve.rows import Accelerator, Cpu, Die, EmbodiedCoefficient, Quantity

End = Literal["low", "high"]
Figures = Literal["embodied coefficients", "host power"]
ENDS: tuple[End, End] = ("low", "high")
BANDS: tuple[Figures, Figures] = ("embodied coefficients", "host power")
MORE_MEANS_LESS = ("psu_efficiency",)
"""Rows of host power whose high end draws the least."""
NO_POWER = ("cpu_spare_ratio",)
"""Rows beside host power that are no power."""
Product = TypeVar("Product", Accelerator, Cpu)


@dataclass(frozen=True, slots=True)
class BandEnd:
    """Which figures stand at which end; the end with the least carbon is low."""

    figures: Figures
    end: End


def catalog_at(catalog: Catalog, band: BandEnd) -> Catalog:
    """The catalog with these figures at that end, all at once."""
    version = f"{catalog.version} with {band.figures} {band.end}"
    if band.figures == "host power":
        rows = {key: _power(row, band.end) for key, row in catalog.host_power.items()}
        return replace(catalog, version=version, host_power=rows)
    cpus = _with_dies(catalog.cpus, band.end)
    hosts = {key: replace(host, cpu=cpus[host.cpu.id]) for key, host in catalog.hosts.items()}
    return replace(
        catalog,
        version=version,
        embodied_coefficients={
            key: _coefficient(row, band.end) for key, row in catalog.embodied_coefficients.items()
        },
        accelerators=_with_dies(catalog.accelerators, band.end),
        cpus=cpus,
        hosts=hosts,
    )


def _power(row: Quantity, end: End) -> Quantity:
    if row.id in NO_POWER:
        return row
    least = "high" if row.id in MORE_MEANS_LESS else "low"
    most = "low" if row.id in MORE_MEANS_LESS else "high"
    return replace(row, value=getattr(row, least if end == "low" else most))


def _coefficient(row: EmbodiedCoefficient, end: End) -> EmbodiedCoefficient:
    return replace(row, value=row.low if end == "low" else row.high)


def _with_dies(products: Mapping[str, Product], end: End) -> dict[str, Product]:
    return {
        key: replace(product, dies=tuple(_die(die, end) for die in product.dies))
        for key, product in products.items()
    }


def _die(die: Die, end: End) -> Die:
    return replace(die, area_mm2=die.area_low_mm2 if end == "low" else die.area_high_mm2)
