"""What the world offers: one frozen object with every figure the engine may use.

Each row carries its source and quality. The engine never reads a file; ``catalog_db.reader`` (or a
test) builds a :class:`Catalog` from rows in the canonical units of :mod:`ecoserve.units`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeVar

from ecoserve.errors import MissingDataError, UnknownIdError
from ecoserve.points import (
    PRECISIONS,
    MeasuredPoint,
    PointConvention,
    is_weight_only,
    stack_id,
)
from ecoserve.rows import (
    Accelerator,
    CalibrationPlan,
    CellSource,
    Cpu,
    EmbodiedCoefficient,
    GridZone,
    Host,
    HostVariant,
    LengthMix,
    Llm,
    MeasuredCpu,
    PowerParameters,
    PowerPlan,
    Price,
    ProductFootprint,
    Provider,
    Quantity,
    RateProfile,
    Region,
    RentalPrice,
    Row,
    Server,
    ServingParameters,
    Source,
)

OPERATOR_STACK = "operator"
"""Single layers measured alone: a stack of parameters that serves nothing."""

T = TypeVar("T")
DecodeKey = tuple[str, str, int, str, str]
"""LLM, accelerator, tp, stack and precision."""


def nearest(unknown_id: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """The known ids that look most like ``unknown_id``, best first, at most three.

    Ids that begin with it come first, then those that hold it, then those spelt alike.
    """
    asked = unknown_id.lower()
    begins = [name for name in known if asked and name.startswith(asked)]
    holds = [name for name in known if asked and asked in name]
    alike = difflib.get_close_matches(asked, known, n=3, cutoff=0.4)
    return tuple(dict.fromkeys((*begins, *holds, *alike)))[:3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """All tables by id. Look-ups raise :class:`UnknownIdError` with the nearest names."""

    version: str
    sources: Mapping[str, Source]
    providers: Mapping[str, Provider]
    accelerators: Mapping[str, Accelerator]
    cpus: Mapping[str, Cpu]
    hosts: Mapping[str, Host]
    servers: Mapping[str, Server]
    rental_prices: Mapping[str, RentalPrice]
    host_variants: Mapping[str, HostVariant]
    llms: Mapping[str, Llm]
    host_power: Mapping[str, Quantity]
    prices: Mapping[str, Price]
    trends: Mapping[str, Quantity]
    embodied_coefficients: Mapping[str, EmbodiedCoefficient]
    product_footprints: Mapping[str, ProductFootprint]
    serving_parameters: Mapping[str, ServingParameters]
    power_parameters: Mapping[str, PowerParameters]
    length_mixes: Mapping[str, LengthMix]
    rate_profiles: Mapping[str, RateProfile]
    grid_zones: Mapping[str, GridZone]
    regions: Mapping[str, Region]
    cell_sources: Mapping[tuple[str, str, str], CellSource]
    """By table, row id and column: figures whose source and quality are not their row's."""
    overlay_figures: frozenset[tuple[str, str, str]]
    """Table, row id and column of the figures that are the user's own; column "" is a whole row."""
    accelerator_aliases: Mapping[str, str] = field(default_factory=dict)
    """Names of accelerators in measurements -> ids."""
    measured_cpus: Mapping[str, MeasuredCpu] = field(default_factory=dict)
    """By the name measurements give them."""
    point_conventions: Mapping[tuple[str, str], PointConvention] = field(default_factory=dict)
    """By source and phase."""
    measured_points: tuple[MeasuredPoint, ...] = ()
    calibration_plans: Mapping[str, CalibrationPlan] = field(default_factory=dict)
    power_plans: Mapping[str, PowerPlan] = field(default_factory=dict)
    overlay_rows: frozenset[tuple[str, str]] = field(init=False, repr=False)
    """Table and id of the rows that are, or have figures of, the user's own."""
    _llm_aliases: Mapping[str, str] = field(init=False, repr=False)
    _decode_points: Mapping[DecodeKey, tuple[MeasuredPoint, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        aliases = {alias.lower(): llm.id for llm in self.llms.values() for alias in llm.aliases}
        object.__setattr__(self, "_llm_aliases", MappingProxyType(aliases))
        own_rows = frozenset((table, row_id) for table, row_id, _ in self.overlay_figures)
        object.__setattr__(self, "overlay_rows", own_rows)
        object.__setattr__(self, "_decode_points", MappingProxyType(self._decode_points_by_key()))
        for name in (*TABLES, "cell_sources"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def accelerator(self, accelerator_id: str) -> Accelerator:
        """The accelerator with this id or alias."""
        known = self.accelerator_aliases.get(accelerator_id, accelerator_id)
        return _find(self.accelerators, "accelerator", known)

    def decode_points(
        self, llm_id: str, accelerator_id: str, tp: int, stack: str, precision: str
    ) -> tuple[MeasuredPoint, ...]:
        """Decode steps measured alone with exactly this configuration."""
        return self._decode_points.get((llm_id, accelerator_id, tp, stack, precision), ())

    def _decode_points_by_key(self) -> dict[DecodeKey, tuple[MeasuredPoint, ...]]:
        found: dict[DecodeKey, list[MeasuredPoint]] = {}
        for point in self.measured_points:
            is_step = (point.phase, point.convention.load) == ("decode", "isolated")
            if not is_step or point.latency_s is None or is_weight_only(point.precision):
                continue
            model = point.model.lower()
            key = (
                self._llm_aliases.get(model, model),
                self.accelerator_aliases.get(point.hardware, point.hardware),
                point.tp, stack_id(point.stack), PRECISIONS.get(point.precision.lower(), ""),
            )  # fmt: skip
            found.setdefault(key, []).append(point)
        return {key: tuple(points) for key, points in found.items()}

    def host(self, host_id: str) -> Host:
        """The host with this id."""
        return _find(self.hosts, "host", host_id)

    def server(self, server_id: str) -> Server:
        """The server with this id."""
        return _find(self.servers, "server", server_id)

    def llm(self, llm_id: str) -> Llm:
        """The LLM with this id or alias."""
        return _find(self.llms, "LLM", self._llm_aliases.get(llm_id, llm_id))

    def length_mix(self, mix_id: str) -> LengthMix:
        """The length mix with this id."""
        return _find(self.length_mixes, "length mix", mix_id)

    def rate_profile(self, profile_id: str) -> RateProfile:
        """The rate profile with this id."""
        return _find(self.rate_profiles, "rate profile", profile_id)

    def region(self, region_id: str) -> Region:
        """The region with this id."""
        return _find(self.regions, "region", region_id)

    def provider(self, provider_id: str) -> Provider:
        """The provider with this id."""
        return _find(self.providers, "provider", provider_id)

    def grid_zone(self, zone_id: str) -> GridZone:
        """The hourly grid zone with this id."""
        return _find(self.grid_zones, "grid zone", zone_id)

    def host_variant(self, variant_id: str) -> HostVariant:
        """The rule for trimming hosts with this id."""
        return _find(self.host_variants, "host variant", variant_id)

    def rental_dates(self, provider_id: str) -> tuple[str, ...]:
        """Years of the provider's price lists, the latest last."""
        return tuple(
            sorted(
                {
                    price.price_date
                    for price in self.rental_prices.values()
                    if self.server(price.server_id).provider_id == provider_id
                }
            )
        )

    def rental_price(self, server_id: str, price_date: str) -> RentalPrice | None:
        """The server's price in that year's list; None where the list has none."""
        return self.rental_prices.get(f"{server_id}/{price_date}")

    def provenance(self, table_name: str, row: Row, column_name: str) -> CellSource:
        """Source and quality of one figure: its own where it has them, else its row's."""
        own = self.cell_sources.get((table_name, row.id, column_name))
        return own or CellSource(
            table_name=table_name, row_id=row.id, column_name=column_name,
            source_id=row.source_id, quality=row.quality, note=row.note,
        )  # fmt: skip

    def is_own(self, origin: CellSource) -> bool:
        """Whether the figure that this says the source of is the user's own."""
        place = origin.table_name, origin.row_id
        return not self.overlay_figures.isdisjoint({(*place, ""), (*place, origin.column_name)})

    def host_power_value(self, item: str) -> float:
        """Central value of one row of the host power table."""
        return _find(self.host_power, "host power row", item).value

    def price_value(self, item: str) -> float:
        """Central value of one row of the price table."""
        return _find(self.prices, "price row", item).value

    def trend(self, item: str) -> Quantity:
        """One row of the trend table."""
        return _find(self.trends, "trend", item)

    def coefficient(self, set_id: str, item: str, *keys: str) -> EmbodiedCoefficient:
        """The coefficient of ``set_id`` and ``item`` under the first of ``keys`` that has one.

        Raises :class:`MissingDataError` when none does: absent is not zero.
        """
        for key in (*keys, ""):
            row = self.embodied_coefficients.get(coefficient_id(set_id, item, key))
            if row is not None:
                return row
        tried = ", ".join(repr(key) for key in (*keys, ""))
        raise MissingDataError(f"coefficient set {set_id!r} has no {item!r} for {tried}")

    def has_coefficient(self, set_id: str, item: str, key: str) -> bool:
        """Whether the set gives this item for exactly this key."""
        return coefficient_id(set_id, item, key) in self.embodied_coefficients

    @property
    def coefficient_sets(self) -> tuple[str, ...]:
        """Names of the coefficient sets, sorted."""
        return tuple(sorted({row.set for row in self.embodied_coefficients.values()}))

    def serving(self, family: str, stack: str, precision: str) -> ServingParameters:
        """Parameters of exactly this family, stack and precision; never those of another stack."""
        row = self.serving_parameters.get(serving_id(family, stack, precision))
        if row is None:
            raise MissingDataError(
                f"no serving parameters for {family} with {stack} at {precision}; "
                f"{self._instead(family, stack)}"
            )
        return row

    def _instead(self, family: str, stack: str) -> str:
        """What to do about parameters that are missing."""
        if stack not in (*self.stacks, OPERATOR_STACK):
            likely = nearest(stack, self.stacks)
            meant = f"; did you mean {likely[0]}?" if likely else ""
            return f"stacks are {', '.join(self.stacks)}{meant}"
        known = [row for row in self.serving_parameters.values() if row.family == family]
        there = ", ".join(f"{row.stack} at {row.precision}" for row in known) or "none"
        return f"for it there are {there}; 'ecoserve calibrate' makes them from measurements"

    def serving_on(self, accelerator: Accelerator, stack: str, precision: str) -> ServingParameters:
        """Parameters of its family's key, as ``inherited`` where others of the family were measured
        and it was not: the error band is then at least that of unseen accelerators."""
        return _standing_on(accelerator, self.serving(accelerator.family, stack, precision))

    def has_serving(self, family: str, stack: str, precision: str) -> bool:
        """Whether parameters exist for exactly this key."""
        return serving_id(family, stack, precision) in self.serving_parameters

    def power(self, family: str) -> PowerParameters:
        """Power parameters of a family."""
        row = self.power_parameters.get(family)
        if row is None:
            raise MissingDataError(f"no power parameters for {family}")
        return row

    def power_on(self, accelerator: Accelerator) -> PowerParameters:
        """Power parameters of its family, likewise; what was seen of siblings counts as unseen."""
        row = _standing_on(accelerator, self.power(accelerator.family))
        return row if _is_covered(accelerator, row) else replace(row, phases=(), precisions=())

    @property
    def stacks(self) -> tuple[str, ...]:
        """Names of the software stacks with parameters for some accelerator, sorted."""
        families = {accelerator.family for accelerator in self.accelerators.values()}
        rows = self.serving_parameters.values()
        serving = {row.stack for row in rows if row.family in families}
        return tuple(sorted(serving - {OPERATOR_STACK}))

    def share_of_host(self, server: Server) -> float:
        """Largest of the server's shares of its host's accelerators, vCPUs and DRAM."""
        host = self.host(server.host_id)
        return max(
            server.n_accelerators / host.max_accelerators,
            server.vcpus / host.vcpus,
            server.dram_gb / host.max_dram_gb,
        )


TABLES = (
    *("sources", "providers", "accelerators", "cpus", "hosts", "servers"),
    *("rental_prices", "host_variants", "llms", "host_power", "prices", "trends"),
    *("embodied_coefficients", "product_footprints"),
    *("serving_parameters", "power_parameters"),
    *("length_mixes", "rate_profiles", "grid_zones", "regions"),
)
"""The tables of a catalog, in the order of their dependencies."""


def coefficient_id(set_id: str, item: str, key: str) -> str:
    """The row id of an embodied coefficient."""
    return f"{set_id}/{item}/{key}"


def serving_id(family: str, stack: str, precision: str) -> str:
    """The row id of a set of serving parameters."""
    return f"{family}/{stack}/{precision}"


_Fit = TypeVar("_Fit", ServingParameters, PowerParameters)


def _standing_on(accelerator: Accelerator, row: _Fit) -> _Fit:
    if _is_covered(accelerator, row):
        return row
    band = max(row.error_band, row.sibling_error_band)
    is_fitted = row.provenance == "calibrated"
    return replace(row, error_band=band, provenance="inherited" if is_fitted else row.provenance)


def _is_covered(accelerator: Accelerator, row: ServingParameters | PowerParameters) -> bool:
    return not row.measured_on or accelerator.id in row.measured_on


def _find(table: Mapping[str, T], what: str, wanted_id: str) -> T:
    row = table.get(wanted_id)
    if row is None:
        raise UnknownIdError(what, wanted_id, nearest(wanted_id, tuple(table)))
    return row
