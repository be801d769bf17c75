"""Reduce: the host of a server that one buys, trimmed to the DRAM and SSD that serving needs."""

from __future__ import annotations

import math
from dataclasses import replace

from ecoserve.catalog import Catalog
from ecoserve.errors import Problem, ScenarioError
from ecoserve.rows import Host, HostVariant, Server

SOLDERED_DRAM = ("lpddr5x",)
"""DRAM that comes with the CPU and cannot be left out."""


def trimmed(server: Server, variant: HostVariant, catalog: Catalog) -> Server:
    """The server with the DRAM and SSD of the variant's rule, never more than it has.

    Both are a base plus a part per GB of accelerator memory. DRAM is rounded up so that every
    memory channel holds one module of the same size, the variant's smallest times a power of two;
    soldered DRAM stays as it is. SSD comes in whole drives. Raises :class:`ScenarioError` for a
    rented server: its provider sells it as it is.
    """
    if server.offer != "purchase":
        fix = f"{server.name} is rented as it is; host variants are for servers that one buys"
        raise ScenarioError([Problem(server.id, fix)])
    accelerator = catalog.accelerator(server.accelerator_id)
    memory_gb = server.n_accelerators * accelerator.memory_gb
    dram_gb = _dram_gb(memory_gb, catalog.host(server.host_id), variant, server.dram_gb)
    ssd_gb = min(server.ssd_gb, _ssd_gb(memory_gb, variant))
    return replace(server, dram_gb=dram_gb, ssd_gb=ssd_gb)


def _dram_gb(memory_gb: float, host: Host, variant: HostVariant, installed_gb: float) -> float:
    if host.cpu.memory_type in SOLDERED_DRAM:
        return installed_gb
    needed_gb = variant.dram_base_gb + variant.dram_gb_per_accelerator_gb * memory_gb
    channels = host.sockets * host.cpu.memory_channels
    full_gb = channels * variant.dram_module_gb
    while full_gb < needed_gb:
        full_gb *= 2.0
    return min(installed_gb, full_gb)


def _ssd_gb(memory_gb: float, variant: HostVariant) -> float:
    needed_gb = variant.ssd_base_gb + variant.ssd_gb_per_accelerator_gb * memory_gb
    return math.ceil(needed_gb / variant.ssd_drive_gb) * variant.ssd_drive_gb
