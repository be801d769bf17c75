"""What may be bought or rented, what is owned, and what of it can be planned with."""

from __future__ import annotations

from typing import get_args

from ecoserve.catalog import Catalog
from ecoserve.cost import rental_date
from ecoserve.performance import compute_tflops
from ecoserve.rows import Accelerator, Server
from ecoserve.scenario import Scenario
from ecoserve.scenario_parts import Hardware, KvPrecision, Precision
from ecoserve.variants import trimmed

PRECISIONS: tuple[str, ...] = get_args(Precision)
BITS_PER_BYTE = 8.0


def offered_servers(hardware: Hardware, catalog: Catalog) -> tuple[Server, ...]:
    """Servers that can be bought, or are in the provider's price list, sorted by id."""
    servers = tuple(server for _, server in sorted(catalog.servers.items()))
    if hardware.offer == "purchase":
        return tuple(server for server in servers if server.offer == "purchase")
    date = rental_date(hardware, catalog)
    mine = (server for server in servers if server.provider_id == hardware.provider)
    return tuple(server for server in mine if catalog.rental_price(server.id, date) is not None)


def allowed_servers(scenario: Scenario, catalog: Catalog) -> tuple[Server, ...]:
    """Of the servers on offer those with an allowed accelerator, sorted by id."""
    allowed = set(scenario.hardware.accelerators or catalog.accelerators)
    offered = offered_servers(scenario.hardware, catalog)
    return tuple(server for server in offered if server.accelerator_id in allowed)


def stock_in_service(scenario: Scenario) -> dict[tuple[int, str], int]:
    """Owned servers by (site, server id) that their accelerators' life has not retired."""
    places = {site.name: index for index, site in enumerate(scenario.sites)}
    found: dict[tuple[int, str], int] = {}
    for row in scenario.hardware.stock:
        if row.age_years < scenario.hardware.accelerator_years:
            key = (0 if row.site is None else places[row.site], row.server)
            found[key] = found.get(key, 0) + row.count
    return found


def usable_servers(scenario: Scenario, catalog: Catalog) -> tuple[Server, ...]:
    """What may be bought or rented and what is owned, sorted by id."""
    servers = {server.id: server for server in allowed_servers(scenario, catalog)}
    for _, server_id in stock_in_service(scenario):
        servers[server_id] = catalog.server(server_id)
    return tuple(server for _, server in sorted(servers.items()))


def plannable(accelerator: Accelerator, stack: str, catalog: Catalog) -> bool:
    """Whether its speed with this stack and its power are known, at some precision it runs."""
    return bool(offered_precisions(accelerator, stack, catalog))


def offered_precisions(accelerator: Accelerator, stack: str, catalog: Catalog) -> tuple[str, ...]:
    """Weight formats it runs and whose speed with this stack is known; none without its power."""
    if accelerator.family not in catalog.power_parameters:
        return ()
    return tuple(
        precision
        for precision in PRECISIONS
        if runs(accelerator, precision)
        and catalog.has_serving(accelerator.family, stack, precision)
    )


def runs(accelerator: Accelerator, precision: str) -> bool:
    """Whether a model with weights in this format runs on it, widened to 16 bits if need be."""
    try:
        compute_tflops(accelerator, precision)
    except ValueError:
        return False
    return True


def kv_precision_on(accelerator: Accelerator, wanted: KvPrecision) -> KvPrecision:
    """The format of the KV cache: the one wanted where the hardware has it, else 16 bits."""
    return wanted if accelerator.rate_tflops(wanted) is not None else "bf16"


def host_variants(server: Server, scenario: Scenario, catalog: Catalog) -> list[tuple[str, Server]]:
    """Reduce: (variant id, trimmed server) of a bought server, where anything is left out."""
    if not scenario.levers.reduce or server.offer != "purchase":
        return []
    found = [
        (variant_id, trimmed(server, catalog.host_variant(variant_id), catalog))
        for variant_id in scenario.hardware.host_variants
    ]
    return [(name, lean) for name, lean in found if lean != server]


def nic_gb_per_s(server: Server) -> float:
    """All NICs of a server together."""
    return server.n_nics * server.nic_gbps / BITS_PER_BYTE


def host_sockets(server: Server, catalog: Catalog) -> float:
    """CPU sockets behind the server's vCPUs; a slice of a host has a fraction of them."""
    host = catalog.host(server.host_id)
    return host.sockets * server.vcpus / host.vcpus
