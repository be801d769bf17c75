"""kgCO2e of making: every part of an accelerator, a host and a server, and their sums.

Dies are made one by one; other parts scale with bytes, watts, board area or units. Each part
belongs to the accelerator or the host and amortises over that side's own lifetime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ecoserve.catalog import Catalog, nearest
from ecoserve.embodied_parts import (
    Amount,
    CoefficientSet,
    EmbodiedPart,
    Side,
    band_of,
    band_sum,
    build_part,
    die_part,
    figure,
    scaled_part,
    worst,
)
from ecoserve.errors import UnknownIdError
from ecoserve.rows import Accelerator, CellSource, Host, Server
from ecoserve.units import hours_from_years

RACK_UNITS_OF_A_SERVER = 2.0
"""Chassis and fans are published for servers of this height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """All parts of a product under one coefficient set; totals are their sums."""

    id: str
    coefficients: str
    parts: tuple[EmbodiedPart, ...]

    @property
    def total_kgco2e(self) -> float:
        """Sum of the central values."""
        return band_sum(self.parts).value

    @property
    def low_kgco2e(self) -> float:
        """Sum of the low values: every coefficient at its low end at once."""
        return band_sum(self.parts).low

    @property
    def high_kgco2e(self) -> float:
        """Sum of the high values."""
        return band_sum(self.parts).high

    def side_kgco2e(self, side: Side) -> float:
        """Sum of one side's central values."""
        return sum(part.kgco2e for part in self.parts if part.side == side)

    def part_kgco2e(self, part_name: str) -> float:
        """Sum of the central values of all lines of this name; 0 where there is none."""
        return sum(part.kgco2e for part in self.parts if part.part == part_name)

    def side_kgco2e_per_h(self, side: Side, life_years: float) -> float:
        """One side's straight-line share of an installed hour."""
        return kgco2e_per_h(self.side_kgco2e(side), life_years)

    def total_kgco2e_per_h(self, accelerator_years: float, host_years: float) -> float:
        """Share of an installed hour, each side over its own lifetime."""
        accelerators = self.side_kgco2e_per_h("accelerator", accelerator_years)
        return accelerators + self.side_kgco2e_per_h("host", host_years)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What is in a machine: accelerators, a host or a share of one, DRAM, SSD and NICs.

    ``origin`` tells where a figure of it (by column of ``servers``) comes from.
    """

    id: str
    accelerator: Accelerator | None
    n_accelerators: int
    host: Host | None
    share_of_host: float
    dram_gb: float
    ssd_gb: float
    n_nics: int
    origin: Callable[[str], CellSource]


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
    """Parts of one accelerator: dies, packages, memory, power delivery, cooling, board, assembly.

    Raises :class:`MissingDataError` where the set lacks a coefficient: absent is not zero.
    """
    book = CoefficientSet(set_id, catalog)
    parts = _accelerator_parts(catalog.accelerator(accelerator_id), book)
    return Footprint(id=accelerator_id, coefficients=set_id, parts=_without_empty(parts))


def server_footprint(server_id: str, set_id: str, catalog: Catalog) -> Footprint:
    """Parts of a server: its accelerators, its share of the host, its DRAM, SSD and NICs."""
    return node_footprint(catalog.server(server_id), set_id, catalog)


def node_footprint(server: Server, set_id: str, catalog: Catalog) -> Footprint:
    """As :func:`server_footprint`, for a server that is no row: a trimmed one, for example."""
    node = Configuration(
        id=server.id,
        accelerator=catalog.accelerator(server.accelerator_id),
        n_accelerators=server.n_accelerators,
        host=catalog.host(server.host_id),
        share_of_host=catalog.share_of_host(server),
        dram_gb=server.dram_gb,
        ssd_gb=server.ssd_gb,
        n_nics=server.n_nics,
        origin=lambda column: catalog.provenance("servers", server, column),
    )
    return configuration_footprint(node, set_id, catalog)


def configuration_footprint(node: Configuration, set_id: str, catalog: Catalog) -> Footprint:
    """Parts of any machine. DRAM, SSD and the accelerators are its own, the host may be shared."""
    book = CoefficientSet(set_id, catalog)
    parts: list[EmbodiedPart] = []
    if node.accelerator is not None:
        made = _accelerator_parts(node.accelerator, book)
        parts += [part.times(node.n_accelerators) for part in made]
    if node.host is not None:
        shared = [*_host_parts(node.host, book), _nics(node, book)]
        parts += [part.times(node.share_of_host, " of the host") for part in shared]
        parts += _own_host_parts(node, node.host, book)
    return Footprint(id=node.id, coefficients=set_id, parts=_without_empty(parts))


def _accelerator_parts(accelerator: Accelerator, book: CoefficientSet) -> list[EmbodiedPart]:
    """The parts and, last, assembly and transport as a share of them."""
    parts = _without_empty(_accelerator_components(accelerator, book))
    ratio = book.find("assembly_ratio")
    uplift = band_sum(parts) * band_of(ratio)
    line = build_part(
        "assembly and transport",
        "accelerator",
        uplift,
        basis=f"{figure(ratio.value)} of {figure(band_sum(parts).value)} kgCO2e of parts",
        rows=(ratio,),
        book=book,
    )
    return [*parts, _as_sure_as(line, parts)]


def _as_sure_as(line: EmbodiedPart, parts: Sequence[EmbodiedPart]) -> EmbodiedPart:
    """A share of parts is no better known than they are, and rests on what they rest on."""
    own = [part.part for part in parts if part.is_own]
    told = f"Of figures of yours: {', '.join(dict.fromkeys(own))}." if own else ""
    return replace(
        line,
        quality=worst([line.quality, *(part.quality for part in parts)]),
        is_own=line.is_own or bool(own),
        note=" ".join(note for note in (told, line.note) if note),
    )


def _accelerator_components(
    accelerator: Accelerator, book: CoefficientSet
) -> Iterator[EmbodiedPart]:
    memory_type, form = accelerator.memory_type, accelerator.form_factor

    def amount(column: str, unit: str, key: str = "form_factor") -> Amount:
        return book.amount("accelerators", accelerator, column, unit, key)

    one = Amount(1.0, "accelerator")
    memory = amount("memory_gb", f"GB of {memory_type.upper()}", "memory_type")
    yield from _silicon(accelerator, book)
    for part, row, size in (
        ("memory", book.find("memory_kg_per_gb", memory_type), memory),
        (
            "power delivery",
            book.find("power_delivery_kg_per_w", form),
            amount("psu_w", "W of supply"),
        ),
        ("cooling", book.find("thermal_kg_per_w", memory_type, form), amount("tdp_w", "W of TDP")),
        ("board", book.find("board_kg_per_cm2", form), amount("board_area_cm2", "cm2 of board")),
        ("board", book.find("board_kg", form), one),
        ("connectors", book.find("connection_kg", form), one),
    ):
        yield scaled_part(part, "accelerator", row, size, book)


def _silicon(accelerator: Accelerator, book: CoefficientSet) -> Iterator[EmbodiedPart]:
    published, one = book.search("die_kg", accelerator.id), Amount(1.0, "accelerator")
    if published is None:
        forms = (accelerator.form_factor,)
        for die in accelerator.dies:
            yield die_part("dies", "accelerator", die, one, book, forms)
    else:
        yield scaled_part("dies", "accelerator", published, one, book)
    n_dies = sum(die.n_dies for die in accelerator.dies)
    counted = tuple(book.catalog.provenance("dies", die, "n_dies") for die in accelerator.dies)
    dies = Amount(n_dies, "die" if n_dies == 1 else "dies", counted)
    yield scaled_part("packaging", "accelerator", book.find("package_kg"), dies, book)


def _host_parts(host: Host, book: CoefficientSet) -> list[EmbodiedPart]:
    """Parts of a whole host without DRAM, SSD, NICs and the risers of its accelerators.

    A set either publishes one server's figures, or scales chassis and fans with the rack units
    over 2 and power supplies with their number (``host_scales_with_size``).
    """
    server = Amount(1.0, "server")
    height, supplies = server, server
    if book.find("host_scales_with_size").value == 1.0:
        units = book.amount("hosts", host, "rack_units", "heights of 2U")
        height = replace(units, value=units.value / RACK_UNITS_OF_A_SERVER)
        supplies = book.amount("hosts", host, "n_psus", "PSUs")
    scaled = (
        ("server base", "base_kg", server),
        ("mainboard", "mainboard_kg", server),
        ("chassis", "chassis_kg", height),
        ("fans", "fans_kg", height),
        ("power supplies", "psu_kg", supplies),
        ("peripheral boards", "peripherals_kg", server),
        ("assembly", "host_assembly_kg", server),
    )
    parts = [scaled_part(part, "host", book.find(item), n, book) for part, item, n in scaled]
    return [*_cpu_parts(host, book), *parts]


def _cpu_parts(host: Host, book: CoefficientSet) -> list[EmbodiedPart]:
    published = book.search("cpu_kg", "")
    if published is not None:
        return [scaled_part("CPUs", "host", published, Amount(1.0, "server"), book)]
    sockets = book.amount("hosts", host, "sockets", "sockets", "cpu_id")
    dies = [die_part("CPUs", "host", die, sockets, book, ()) for die in host.cpu.dies]
    return [*dies, scaled_part("CPUs", "host", book.find("cpu_package_kg"), sockets, book)]


def _nics(node: Configuration, book: CoefficientSet) -> EmbodiedPart:
    nics = Amount(node.n_nics, "NICs", (node.origin("n_nics"),))
    return scaled_part("NICs", "host", book.find("nic_kg"), nics, book)


def _own_host_parts(
    node: Configuration, host: Host, book: CoefficientSet
) -> Iterator[EmbodiedPart]:
    """What a share of a host has for itself: risers of its accelerators, DRAM and SSD."""
    dram_type = host.cpu.memory_type
    dram = Amount(node.dram_gb, f"GB of {dram_type.upper()}", (node.origin("dram_gib"),))
    ssd = Amount(node.ssd_gb, "GB of SSD", (node.origin("ssd_gb"),))
    if node.accelerator is not None:
        risers = book.find("riser_kg", node.accelerator.form_factor)
        slots = Amount(node.n_accelerators, "accelerators", (node.origin("n_accelerators"),))
        yield scaled_part("riser boards", "host", risers, slots, book)
    yield scaled_part("DRAM", "host", book.find("dram_kg_per_gb", dram_type), dram, book)
    yield scaled_part("SSD", "host", book.find("ssd_kg_per_gb"), ssd, book)


def _without_empty(parts: Iterable[EmbodiedPart]) -> tuple[EmbodiedPart, ...]:
    """Drops the lines a set counts elsewhere (explicit zeros)."""
    return tuple(part for part in parts if part.high_kgco2e > 0.0)
