"""kgCO2e of making: every part of an accelerator, a host and a server, with its source.

Dies follow ACT (Gupta et al., ISCA 2022): area x (fab intensity x EPA + GPA + MPA) / yield, with
Murphy's yield per die; other parts scale with bytes, watts, board area or units. A coefficient set
that publishes a die's total instead (``die_kg``) is used as published. Each part belongs to the
accelerator or the host and amortises over that side's own lifetime.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from ecoserve.catalog import (
    Accelerator,
    Catalog,
    EmbodiedCoefficient,
    Host,
    Quality,
    Server,
    nearest,
)
from ecoserve.errors import UnknownIdError
from ecoserve.units import hours_from_years

Side = Literal["accelerator", "host"]
CM2_PER_MM2 = 0.01
KG_PER_G = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbodiedPart:
    """One line of a footprint. ``low`` and ``high`` come from the bands of its coefficients."""

    part: str
    side: Side
    kgco2e: float
    low_kgco2e: float
    high_kgco2e: float
    source_id: str
    quality: Quality

    def times(self, factor: float) -> EmbodiedPart:
        """The same part, so many times."""
        return replace(
            self,
            kgco2e=self.kgco2e * factor,
            low_kgco2e=self.low_kgco2e * factor,
            high_kgco2e=self.high_kgco2e * factor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """All parts of a product under one coefficient set; totals are their sums."""

    id: str
    coefficients: str
    parts: tuple[EmbodiedPart, ...]

    @property
    def total_kgco2e(self) -> float:
        """Sum of the central values."""
        return sum(part.kgco2e for part in self.parts)

    @property
    def low_kgco2e(self) -> float:
        """Sum of the low values: every coefficient at its low end at once."""
        return sum(part.low_kgco2e for part in self.parts)

    @property
    def high_kgco2e(self) -> float:
        """Sum of the high values."""
        return sum(part.high_kgco2e for part in self.parts)

    def side_kgco2e(self, side: Side) -> float:
        """Sum of one side's central values."""
        return sum(part.kgco2e for part in self.parts if part.side == side)


def murphy_yield(die_area_cm2: float, defects_per_cm2: float) -> float:
    """Share of good dies, ((1 - exp(-AD)) / AD)^2.

    >>> round(murphy_yield(8.14, 0.1), 4)
    0.4681
    """
    defects = die_area_cm2 * defects_per_cm2
    return ((1.0 - math.exp(-defects)) / defects) ** 2 if defects > 0 else 1.0


def kgco2e_per_h(total_kgco2e: float, life_years: float) -> float:
    """Straight-line share of an installed hour.

    >>> kgco2e_per_h(1752.0, 4.0)
    0.05
    """
    return total_kgco2e / hours_from_years(life_years)


def footprint(product_id: str, set_id: str, catalog: Catalog) -> Footprint:
    """The footprint of a server or an accelerator, whichever has this id."""
    if product_id in catalog.accelerators:
        return accelerator_footprint(product_id, set_id, catalog)
    if product_id in catalog.servers:
        return server_footprint(product_id, set_id, catalog)
    known = (*catalog.accelerators, *catalog.servers)
    raise UnknownIdError("server or accelerator", product_id, nearest(product_id, known))


def accelerator_footprint(accelerator_id: str, set_id: str, catalog: Catalog) -> Footprint:
    """Parts of one accelerator: die, memory, power delivery, cooling, board, assembly."""
    accelerator = catalog.accelerator(accelerator_id)
    book = _Coefficients(set_id, catalog)
    parts = _accelerator_parts(accelerator, book)
    assembly = book.find("assembly_ratio")
    total = [sum(values) for values in zip(*(_band(part) for part in parts), strict=True)]
    uplift = (total[0] * assembly.value, total[1] * assembly.low, total[2] * assembly.high)
    parts.append(_part("assembly and transport", "accelerator", uplift, assembly))
    return Footprint(id=accelerator_id, coefficients=set_id, parts=_without_empty(parts))


def server_footprint(server_id: str, set_id: str, catalog: Catalog) -> Footprint:
    """Parts of a server: its accelerators, its share of the host, its DRAM, SSD and NICs."""
    server = catalog.server(server_id)
    card = accelerator_footprint(server.accelerator_id, set_id, catalog)
    host = catalog.host(server.host_id)
    book = _Coefficients(set_id, catalog)
    share = catalog.share_of_host(server)
    parts = [part.times(server.n_accelerators) for part in card.parts]
    parts += [part.times(share) for part in _host_parts(host, book)]
    parts.append(_scaled_part("NICs", "host", book.find("nic_kg"), server.n_nics * share))
    parts += _rented_parts(server, book)
    return Footprint(id=server_id, coefficients=set_id, parts=_without_empty(parts))


@dataclass(frozen=True, slots=True)
class _Coefficients:
    """One coefficient set of the catalog."""

    set_id: str
    catalog: Catalog

    def find(self, item: str, *keys: str) -> EmbodiedCoefficient:
        return self.catalog.coefficient(self.set_id, item, *keys)

    def publishes(self, item: str, key: str) -> bool:
        return self.catalog.has_coefficient(self.set_id, item, key)


def _accelerator_parts(accelerator: Accelerator, book: _Coefficients) -> list[EmbodiedPart]:
    memory_type, form = accelerator.memory_type, accelerator.form_factor
    scaled = (
        ("memory", book.find("memory_kg_per_gb", memory_type), accelerator.memory_gb),
        ("power delivery", book.find("power_delivery_kg_per_w", form), accelerator.psu_w),
        ("cooling", book.find("thermal_kg_per_w", memory_type, form), accelerator.tdp_w),
        ("board", book.find("board_kg_per_cm2", form), accelerator.board_area_cm2),
        ("board", book.find("board_kg", form), 1.0),
        ("connectors", book.find("connection_kg", form), 1.0),
    )
    parts = [_scaled_part(part, "accelerator", row, amount) for part, row, amount in scaled]
    return [_accelerator_die(accelerator, book), *parts]


def _accelerator_die(accelerator: Accelerator, book: _Coefficients) -> EmbodiedPart:
    if book.publishes("die_kg", accelerator.id):
        return _scaled_part("dies", "accelerator", book.find("die_kg", accelerator.id), 1.0)
    area_cm2 = accelerator.die_area_mm2 * CM2_PER_MM2
    return _die_part("accelerator", area_cm2, accelerator.n_dies, accelerator.node_nm, book)


def _host_parts(host: Host, book: _Coefficients) -> list[EmbodiedPart]:
    """Parts of a whole host without DRAM, SSD and NICs.

    A set either publishes one server's figures, or scales chassis and fans with the rack units
    over 2 and power supplies with their number (``host_scales_with_size``).
    """
    scales = book.find("host_scales_with_size").value == 1.0
    size, psus = (host.rack_units / 2.0, host.n_psus) if scales else (1.0, 1.0)
    scaled = (
        ("mainboard", "mainboard_kg", 1.0),
        ("chassis", "chassis_kg", size),
        ("fans", "fans_kg", size),
        ("power supplies", "psu_kg", psus),
        ("peripheral boards", "peripherals_kg", 1.0),
        ("assembly", "host_assembly_kg", 1.0),
    )
    parts = [_scaled_part(part, "host", book.find(item), n) for part, item, n in scaled]
    return [*_cpu_parts(host, book), *parts]


def _cpu_parts(host: Host, book: _Coefficients) -> list[EmbodiedPart]:
    if book.publishes("cpu_kg", ""):
        return [_scaled_part("CPUs", "host", book.find("cpu_kg"), 1.0)]
    n_dies = host.sockets * host.dies_per_socket
    dies = _die_part("host", host.die_area_mm2 * CM2_PER_MM2, n_dies, host.node_nm, book)
    package = _scaled_part("CPUs", "host", book.find("cpu_package_kg"), host.sockets)
    return [replace(dies, part="CPUs"), package]


def _rented_parts(server: Server, book: _Coefficients) -> list[EmbodiedPart]:
    scaled = (
        ("DRAM", "dram_kg_per_gb", server.dram_gb),
        ("SSD", "ssd_kg_per_gb", server.ssd_gb),
    )
    return [_scaled_part(part, "host", book.find(item), n) for part, item, n in scaled]


def _die_part(
    side: Side, area_cm2: float, n_dies: int, node_nm: int, book: _Coefficients
) -> EmbodiedPart:
    node = str(node_nm)
    epa, gpa = book.find("fab_epa_kwh_per_cm2", node), book.find("fab_gpa_g_per_cm2", node)
    mpa, ci = book.find("fab_mpa_g_per_cm2"), book.find("fab_ci_gco2e_per_kwh")
    defects = book.find("defects_per_cm2")

    def die_kg(field: str) -> float:
        value: dict[str, float] = {row.item: getattr(row, field) for row in (epa, gpa, mpa, ci)}
        fab_g = value[ci.item] * value[epa.item] + value[gpa.item] + value[mpa.item]
        per_cm2 = fab_g * KG_PER_G
        good: float = murphy_yield(area_cm2, getattr(defects, field))
        return n_dies * area_cm2 * per_cm2 / good

    band = (die_kg("value"), die_kg("low"), die_kg("high"))
    return _part("dies", side, band, epa)


def _scaled_part(part: str, side: Side, row: EmbodiedCoefficient, amount: float) -> EmbodiedPart:
    return _part(part, side, (row.value * amount, row.low * amount, row.high * amount), row)


def _part(
    part: str, side: Side, band: tuple[float, float, float], row: EmbodiedCoefficient
) -> EmbodiedPart:
    return EmbodiedPart(
        part=part,
        side=side,
        kgco2e=band[0],
        low_kgco2e=band[1],
        high_kgco2e=band[2],
        source_id=row.source_id,
        quality=row.quality,
    )


def _band(part: EmbodiedPart) -> tuple[float, float, float]:
    return part.kgco2e, part.low_kgco2e, part.high_kgco2e


def _without_empty(parts: Iterable[EmbodiedPart]) -> tuple[EmbodiedPart, ...]:
    """Drops the lines a set counts elsewhere (explicit zeros)."""
    return tuple(part for part in parts if part.high_kgco2e > 0.0)
