"""Lines of embodied carbon: a coefficient times an amount, with band, arithmetic and quality.

Dies are made one by one. A coefficient set gives their carbon in one of three ways: per cm2 over
Murphy's yield (``fab_kg_per_cm2``; or as in ACT, Gupta et al., ISCA 2022, from the fab's energy,
gases and materials), per cm2 as published (``die_kg_per_cm2``), or the whole product's silicon as
published (``die_kg``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from ecoserve.catalog import Catalog
from ecoserve.rows import (
    Accelerator,
    CellSource,
    Die,
    EmbodiedCoefficient,
    Host,
    Quality,
    Row,
)
from ecoserve.units import kg_from_g

Side = Literal["accelerator", "host"]
CM2_PER_MM2 = 0.01
DIE_FIGURES = ("area_mm2", "area_low_mm2", "area_high_mm2", "n_dies", "node_nm")
Origins = tuple[CellSource, ...]
"""Where figures come from, the leading one first."""
BEST_QUALITY_FIRST: tuple[Quality, ...] = ("measured", "manufacturer", "modelled", "assumed")


@dataclass(frozen=True, slots=True)
class Band:
    """A figure with its low and high end, all of the same unit."""

    value: float
    low: float
    high: float

    def __mul__(self, other: Band) -> Band:
        return Band(self.value * other.value, self.low * other.low, self.high * other.high)

    def times(self, factor: float) -> Band:
        """All three, so many times."""
        return Band(self.value * factor, self.low * factor, self.high * factor)


class Banded(Protocol):
    """What has a mass with its low and high end."""

    @property
    def kgco2e(self) -> float:
        """The central value."""

    @property
    def low_kgco2e(self) -> float:
        """Every input at its low end at once."""

    @property
    def high_kgco2e(self) -> float:
        """Every input at its high end."""


def band_sum(parts: Iterable[Banded]) -> Band:
    """kgCO2e of all parts together, all at the same end at once."""
    listed = list(parts)
    return Band(
        sum(part.kgco2e for part in listed),
        sum(part.low_kgco2e for part in listed),
        sum(part.high_kgco2e for part in listed),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbodiedPart:
    """One line of a footprint. ``low`` and ``high`` put every input at its end at once."""

    part: str
    side: Side
    kgco2e: float
    low_kgco2e: float
    high_kgco2e: float
    basis: str
    """The arithmetic in words."""
    coefficient_ids: tuple[str, ...]
    """Rows of ``embodied_coefficients`` it rests on, the leading one first."""
    source_id: str
    """Source of the leading coefficient, or of the first figure that is the user's own."""
    quality: Quality
    """The worst of the coefficients and of the product's figures."""
    is_own: bool
    """Whether it rests on a figure of the user's own."""
    note: str

    def times(self, factor: float, what: str = "") -> EmbodiedPart:
        """The same part, so many times; ``what`` names the factor in the basis."""
        return replace(
            self,
            kgco2e=self.kgco2e * factor,
            low_kgco2e=self.low_kgco2e * factor,
            high_kgco2e=self.high_kgco2e * factor,
            basis=self.basis if factor == 1 else f"{figure(factor)}{what} x ({self.basis})",
        )


@dataclass(frozen=True, slots=True)
class CoefficientSet:
    """One coefficient set of the catalog."""

    set_id: str
    catalog: Catalog

    def find(self, item: str, *keys: str) -> EmbodiedCoefficient:
        """The coefficient under the first of these keys, else the general one; never absent."""
        return self.catalog.coefficient(self.set_id, item, *keys)

    def search(self, item: str, *keys: str) -> EmbodiedCoefficient | None:
        """The coefficient under the first of exactly these keys that has one."""
        found = [key for key in keys if self.catalog.has_coefficient(self.set_id, item, key)]
        return self.find(item, found[0]) if found else None

    def origins(self, table_name: str, row: Row, column: str, *others: str) -> Origins:
        """Where a figure comes from, and other columns that have a source of their own."""
        cells = self.catalog.cell_sources
        stated = (cells.get((table_name, row.id, other)) for other in others)
        first = self.catalog.provenance(table_name, row, column)
        return (first, *(origin for origin in stated if origin is not None))

    def amount(
        self, table_name: str, row: Accelerator | Host, column: str, unit: str, *keys: str
    ) -> Amount:
        """A figure of a product; ``keys`` are columns that chose the coefficient for it."""
        origins = self.origins(table_name, row, column, *keys)
        return Amount(getattr(row, column), unit, origins)


@dataclass(frozen=True, slots=True)
class Amount:
    """How much of something a product has, and where that comes from."""

    value: float
    unit: str
    origins: Origins = ()


def murphy_yield(die_area_cm2: float, defects_per_cm2: float) -> float:
    """Share of good dies, ((1 - exp(-AD)) / AD)^2.

    >>> round(murphy_yield(8.14, 0.1), 4)
    0.4681
    """
    defects = die_area_cm2 * defects_per_cm2
    return ((1.0 - math.exp(-defects)) / defects) ** 2 if defects > 0 else 1.0


def worst(qualities: Iterable[Quality]) -> Quality:
    """The least trustworthy of some qualities; ``measured`` of none.

    >>> worst(["measured", "modelled", "manufacturer"])
    'modelled'
    """
    return max(qualities, key=BEST_QUALITY_FIRST.index, default="measured")


def die_part(
    part: str, side: Side, die: Die, products: Amount, book: CoefficientSet, forms: Sequence[str]
) -> EmbodiedPart:
    """All dies of one kind in so many products: area over yield times carbon per area."""
    node = str(die.node_nm)
    n_dies = round(products.value) * die.n_dies
    area = Band(die.area_mm2, die.area_low_mm2, die.area_high_mm2).times(CM2_PER_MM2)
    size = f"{n_dies} {die.die} x {figure(area.value)} cm2 of {die.process}"
    published = book.search("die_kg_per_cm2", *(f"{node}_{form}" for form in forms), node)
    rows: tuple[EmbodiedCoefficient, ...]
    if published is not None:
        made, rows = area * band_of(published), (published,)
        basis = f"{size} x {figure(published.value)} kgCO2e/cm2"
    else:
        per_cm2, fab_rows = _fab_kg_per_cm2(node, book)
        defects = book.find("defects_per_cm2")
        good = _yields(area, defects)
        made = Band(*(a * c / y for a, c, y in zip(_ends(area), _ends(per_cm2), good, strict=True)))
        rows = (*fab_rows, defects)
        basis = f"{size} / yield {figure(good[0])} x {figure(per_cm2.value)} kgCO2e/cm2"
    drawn = book.origins("dies", die, *DIE_FIGURES)
    return build_part(
        part,
        side,
        made.times(n_dies),
        basis=basis,
        rows=rows,
        origins=(*drawn, *products.origins),
        book=book,
    )


def _yields(area: Band, defects: EmbodiedCoefficient) -> tuple[float, float, float]:
    """Yields at the central, low and high footprint: large dies and many defects are high."""
    pairs = zip(_ends(area), _ends(band_of(defects)), strict=True)
    central, low, high = (murphy_yield(cm2, per_cm2) for cm2, per_cm2 in pairs)
    return central, low, high


def _fab_kg_per_cm2(
    node: str, book: CoefficientSet
) -> tuple[Band, tuple[EmbodiedCoefficient, ...]]:
    """Carbon of processed wafer area before yield, kgCO2e/cm2: published, or ACT's sum."""
    published = book.search("fab_kg_per_cm2", node)
    if published is not None:
        return band_of(published), (published,)
    epa, gpa = book.find("fab_epa_kwh_per_cm2", node), book.find("fab_gpa_g_per_cm2", node)
    mpa, ci = book.find("fab_mpa_g_per_cm2"), book.find("fab_ci_gco2e_per_kwh")
    energy_g = _ends(band_of(ci) * band_of(epa))
    grams = zip(energy_g, _ends(band_of(gpa)), _ends(band_of(mpa)), strict=True)
    return Band(*(kg_from_g(sum(terms)) for terms in grams)), (epa, gpa, mpa, ci)


def scaled_part(
    part: str, side: Side, row: EmbodiedCoefficient, size: Amount, book: CoefficientSet
) -> EmbodiedPart:
    """A line that is a coefficient times an amount."""
    amount = f"{figure(size.value)} {size.unit}"
    return build_part(
        part,
        side,
        band_of(row).times(size.value),
        basis=f"{amount} x {figure(row.value)} {row.unit}",
        rows=(row,),
        origins=size.origins,
        book=book,
    )


def build_part(
    part: str,
    side: Side,
    band: Band,
    *,
    basis: str,
    rows: tuple[EmbodiedCoefficient, ...],
    origins: Origins = (),
    book: CoefficientSet,
) -> EmbodiedPart:
    """A line resting on these coefficients; ``origins`` are those of its other inputs."""
    said = [origin for row in rows for origin in _coefficient_origins(row, book)]
    everything = (*said, *origins)
    own = [origin for origin in everything if book.catalog.is_own(origin)]
    notes = (
        *(_own_note(origin) for origin in own),
        *(note for row in rows for note in _coefficient_notes(row, book)),
        *(o.note for o in origins if o.quality == "assumed" and o not in own),
    )
    return EmbodiedPart(
        part=part,
        side=side,
        kgco2e=band.value,
        low_kgco2e=band.low,
        high_kgco2e=band.high,
        basis=basis,
        coefficient_ids=tuple(row.id for row in rows),
        source_id=(own or said)[0].source_id,
        quality=worst(origin.quality for origin in everything),
        is_own=bool(own),
        note=" ".join(dict.fromkeys(note for note in notes if note)),
    )


def _coefficient_origins(row: EmbodiedCoefficient, book: CoefficientSet) -> Origins:
    return book.origins("embodied_coefficients", row, "value", "low", "high")


def _coefficient_notes(row: EmbodiedCoefficient, book: CoefficientSet) -> Iterator[str]:
    """What our note explains, as far as the figures are still ours."""
    value, *ends = _coefficient_origins(row, book)
    if value.note and not book.catalog.is_own(value):
        yield f"Otherwise: {value.note}" if any(map(book.catalog.is_own, ends)) else value.note


def _own_note(origin: CellSource) -> str:
    told = f"Yours: {origin.column_name} of {origin.row_id} in {origin.table_name}."
    return f"{told} {origin.note}".rstrip()


def band_of(row: EmbodiedCoefficient) -> Band:
    """Value, low and high of a coefficient."""
    return Band(row.value, row.low, row.high)


def _ends(band: Band) -> tuple[float, float, float]:
    return band.value, band.low, band.high


def figure(value: float) -> str:
    """A figure of the arithmetic: whole from a thousand up, else four significant digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
