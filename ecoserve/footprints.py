"""Published footprints beside ours: what the embodied model gets right and where it does not.

Outputs of the authors' calculator are compared with set ``paper`` alone, which must reproduce them;
everything else with every set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ecoserve.catalog import Catalog
from ecoserve.embodied import Configuration, Footprint, configuration_footprint
from ecoserve.rows import FootprintLine, ProductFootprint

CALCULATOR_SET = "paper"
LINES_SET = "pcf"
"""The set whose parts are set beside published lines."""
KINDS = ("manufacturer", "teardown", "estimate", "calculator")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCheck:
    """Published lines that one part of our model covers, together, and that part."""

    part: str
    labels: tuple[str, ...]
    """The lines as published."""
    published_kgco2e: float
    ours_kgco2e: float
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FootprintCheck:
    """One published footprint against one coefficient set."""

    footprint: ProductFootprint
    coefficients: str
    ours_kgco2e: float
    low_kgco2e: float
    high_kgco2e: float
    in_sample: bool
    """Whether a value or an end of this set's coefficients comes from this footprint."""
    lines: tuple[LineCheck, ...]
    """For set ``pcf``, where lines are published."""

    @property
    def ratio(self) -> float:
        """Ours over the published figure."""
        return self.ours_kgco2e / self.footprint.kgco2e

    @property
    def within_our_band(self) -> bool:
        """Whether the published figure lies between our low and high."""
        return self.low_kgco2e <= self.footprint.kgco2e <= self.high_kgco2e

    @property
    def band_ratio(self) -> float:
        """Our high over our low: how little it says to lie between them."""
        return self.high_kgco2e / self.low_kgco2e if self.low_kgco2e > 0 else math.inf

    @property
    def within_published_band(self) -> bool:
        """Whether our central value lies in the published spread; for a calculator, its rounding.

        Most footprints come without a spread.
        """
        return self.footprint.low <= self.ours_kgco2e <= self.footprint.high


def check_footprints(catalog: Catalog) -> tuple[FootprintCheck, ...]:
    """Every published footprint against the sets it is to be compared with.

    Manufacturers' first, then teardowns, estimates and calculators; accelerators before hosts.
    """
    return tuple(
        _check(row, set_id, catalog)
        for row in sorted(catalog.product_footprints.values(), key=_order)
        for set_id in catalog.coefficient_sets
        if row.kind != "calculator" or set_id == CALCULATOR_SET
    )


def product_footprint(row: ProductFootprint, set_id: str, catalog: Catalog) -> Footprint:
    """What our model makes of a published product's configuration."""
    node = Configuration(
        id=row.id,
        accelerator=catalog.accelerator(row.accelerator_id) if row.accelerator_id else None,
        n_accelerators=row.n_accelerators,
        host=catalog.host(row.host_id) if row.host_id else None,
        share_of_host=1.0,
        dram_gb=row.dram_gb,
        ssd_gb=row.ssd_gb,
        n_nics=row.n_nics,
        origin=lambda column: catalog.provenance("product_footprints", row, column),
    )
    return configuration_footprint(node, set_id, catalog)


def _order(row: ProductFootprint) -> tuple[int, bool, str]:
    return KINDS.index(row.kind), row.host_id is not None, row.id


def _check(row: ProductFootprint, set_id: str, catalog: Catalog) -> FootprintCheck:
    ours = product_footprint(row, set_id, catalog)
    return FootprintCheck(
        footprint=row,
        coefficients=set_id,
        ours_kgco2e=ours.total_kgco2e,
        low_kgco2e=ours.low_kgco2e,
        high_kgco2e=ours.high_kgco2e,
        in_sample=set_id in row.fitted_sets,
        lines=_line_checks(row.lines, ours) if set_id == LINES_SET else (),
    )


def _line_checks(lines: Sequence[FootprintLine], ours: Footprint) -> tuple[LineCheck, ...]:
    by_part: dict[str, list[FootprintLine]] = {}
    for line in sorted(lines, key=lambda line: -line.kgco2e):
        by_part.setdefault(line.part, []).append(line)
    return tuple(
        LineCheck(
            part=part,
            labels=tuple(line.label for line in group),
            published_kgco2e=sum(line.kgco2e for line in group),
            ours_kgco2e=ours.part_kgco2e(part),
            note=" ".join(line.note for line in group if line.note),
        )
        for part, group in by_part.items()
    )
