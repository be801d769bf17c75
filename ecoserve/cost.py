"""USD of having a server: one price convention at a time.

Purchase: capital straight-line over each side's life plus colocation by rated power; electricity is
metered apart. Rental: the on-demand price, electricity included.
"""

from __future__ import annotations

from dataclasses import dataclass

from ecoserve.catalog import Catalog
from ecoserve.errors import MissingDataError
from ecoserve.power import nameplate_w
from ecoserve.rows import Server
from ecoserve.scenario_parts import Hardware
from ecoserve.units import hours_from_years, kw_from_w

GB_PER_TB = 1000.0
HOURS_PER_MONTH = 730.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCost:
    """USD per hour of one server, electricity excluded; the terms of its convention, others 0."""

    accelerators: float = 0.0
    hosts: float = 0.0
    colocation: float = 0.0
    rental: float = 0.0

    @property
    def usd_per_h(self) -> float:
        """Sum of the terms."""
        return self.accelerators + self.hosts + self.colocation + self.rental


def server_cost(server: Server, hardware: Hardware, catalog: Catalog) -> ServerCost:
    """What an hour of having this server costs under the scenario's convention."""
    if hardware.offer == "rental":
        price = catalog.rental_price(server.id, rental_date(hardware, catalog))
        if price is None:
            raise MissingDataError(f"{server.id} has no rental price of that year")
        return ServerCost(rental=price.usd_per_h)
    accelerator = catalog.accelerator(server.accelerator_id)
    cards_usd = server.n_accelerators * accelerator.capex_usd
    colocation = catalog.price_value("colocation_usd_per_kw_month") / HOURS_PER_MONTH
    return ServerCost(
        accelerators=cards_usd / hours_from_years(hardware.accelerator_years),
        hosts=host_capex_usd(server, catalog) / hours_from_years(hardware.host_years),
        colocation=kw_from_w(nameplate_w(server, catalog)) * colocation,
    )


def rental_date(hardware: Hardware, catalog: Catalog) -> str:
    """Year of the price list: the scenario's, else the provider's latest; "" without prices."""
    if hardware.price_date is not None:
        return hardware.price_date
    return max(catalog.rental_dates(hardware.provider or ""), default="")


def host_capex_usd(server: Server, catalog: Catalog) -> float:
    """The server without its accelerators: its share of the host, DRAM, SSD and NICs."""
    price = catalog.price_value
    shared = catalog.host(server.host_id).capex_usd + server.n_nics * price("nic_usd")
    rented = server.dram_gb * price("dram_usd_per_gb")
    rented += server.ssd_gb / GB_PER_TB * price("ssd_usd_per_tb")
    return shared * catalog.share_of_host(server) + rented
