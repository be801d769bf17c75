"""How much a replica and a host draw.

    P_gpu = min(cap TDP, P0 + a u_mem + b u_cmp^gamma)

with u_mem and u_cmp the used shares of peak bandwidth and peak compute. Parameters are ratios of
TDP from the catalog's ``power_parameters``; host figures come from ``host_power``. All watts here
are drawn inside the box; :func:`wall_w` adds the losses of the power supplies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecoserve.catalog import Catalog
from ecoserve.performance import (
    Replica,
    mean_context_tokens,
    prefill_flop,
    weight_bytes_read,
)
from ecoserve.rows import PowerParameters, Server

Array = NDArray[np.float64]
GB_PER_TB = 1000.0
MEASURED_PRECISION = "bf16"
"""Precision of the points behind ``power_parameters``."""


def accelerator_w(params: PowerParameters, tdp_w: float, u_mem: Array, u_cmp: Array) -> Array:
    """Watts of one accelerator at the given utilisations; broadcasts."""
    ratio = params.p0_ratio + params.a_ratio * u_mem + params.b_ratio * u_cmp**params.gamma
    return tdp_w * np.minimum(params.cap_ratio, ratio)


def is_measured(params: PowerParameters, precision: str, u_cmp: Array) -> NDArray[np.bool_]:
    """Whether a decoding or mixed replica's power lies within what the fit has seen.

    The fits rest on dense models at 16 bit that decode; pure prefill was never measured.
    """
    return np.asarray((u_cmp <= params.u_cmp_max) & (precision == MEASURED_PRECISION))


def decode_utilisation(
    replica: Replica, batch: Array, isl: Array, osl: Array, period_s: Array, *, prefills: bool
) -> tuple[Array, Array]:
    """(u_mem, u_cmp) over a step period of ``batch`` sequences; with ``prefills`` theirs too."""
    context = mean_context_tokens(isl, osl)
    read = weight_bytes_read(replica, batch) + batch * context * replica.kv_bytes_per_token
    tokens = batch * (1.0 + isl / osl) if prefills else batch
    u_mem = read / (replica.tp * replica.bytes_per_s * period_s)
    u_cmp = replica.flop_per_token * tokens / (replica.tp * replica.flop_per_s * period_s)
    return np.minimum(u_mem, 1.0), np.minimum(u_cmp, 1.0)


def prefill_utilisation(replica: Replica, isl: Array, duration_s: Array) -> tuple[Array, Array]:
    """(u_mem, u_cmp) while prompts are prefilled one after another."""
    u_mem = weight_bytes_read(replica, isl) / (replica.tp * replica.bytes_per_s * duration_s)
    u_cmp = prefill_flop(replica, isl) / (replica.tp * replica.flop_per_s * duration_s)
    return np.minimum(u_mem, 1.0), np.minimum(u_cmp, 1.0)


def host_on_w(server: Server, catalog: Catalog) -> float:
    """Watts of the host while the server is on and feeds its accelerators, they excluded.

    CPU between idle and busy, fans and NICs times the share of the host; DRAM and SSD as rented.
    CPUs and DRAM also lose in their voltage regulators. ``n_nics`` counts those of the machine.
    """
    host, value = catalog.host(server.host_id), catalog.host_power_value
    idle, busy = value("cpu_idle_ratio"), value("cpu_busy_ratio")
    cpu_ratio = idle + value("cpu_serving_utilisation") * (busy - idle)
    cpus = host.sockets * host.cpu.tdp_w * cpu_ratio * value("regulator_ratio")
    fans = value("fans_w_per_2u") * host.rack_units / 2
    shared = (cpus + fans + server.n_nics * value("nic_w")) * catalog.share_of_host(server)
    dram = server.dram_gb * value("dram_w_per_gb") * value("regulator_ratio")
    return shared + dram + server.ssd_gb / GB_PER_TB * value("ssd_w_per_tb")


def cpu_pool_w(server: Server, catalog: Catalog) -> float:
    """Extra watts of offline work that would keep one whole CPU socket busy."""
    host, value = catalog.host(server.host_id), catalog.host_power_value
    regulators = value("regulator_ratio")
    return host.cpu.tdp_w * regulators * (value("cpu_busy_ratio") - value("cpu_idle_ratio"))


def nameplate_w(server: Server, catalog: Catalog) -> float:
    """Watts at the wall with every accelerator at its TDP and every CPU busy."""
    host, accelerator = catalog.host(server.host_id), catalog.accelerator(server.accelerator_id)
    left = 1.0 - catalog.host_power_value("cpu_serving_utilisation")
    cpus = host.sockets * catalog.share_of_host(server) * left * cpu_pool_w(server, catalog)
    cards = server.n_accelerators * accelerator.tdp_w
    return wall_w(cards + host_on_w(server, catalog) + cpus, catalog)


def server_idle_w(server: Server, catalog: Catalog) -> float:
    """Watts at the wall of a server that is on and serves nothing."""
    accelerator = catalog.accelerator(server.accelerator_id)
    inside = host_on_w(server, catalog) + server.n_accelerators * accelerator.idle_w
    return wall_w(inside, catalog)


def wall_w(inside_w: float, catalog: Catalog) -> float:
    """IT power at the wall: what the box draws plus the losses of its power supplies."""
    return inside_w / catalog.host_power_value("psu_efficiency")
