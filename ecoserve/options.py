"""What could serve what: every (workload, accelerator, tp, precision, role) that fits and keeps up.

An option's operating point for a length bucket is the largest batch that keeps TPOT, fits in memory
and stays within the engine's limit; the load of a request is the replica-seconds it then occupies:
``OSL period/B`` in mixed pools, ``t_prefill`` in prefill pools, ``OSL t_step/B`` in decode pools.
Latencies are judged with a margin equal to the error band of the option's parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ecoserve.catalog import Catalog
from ecoserve.cost import rental_date
from ecoserve.demand import WorkloadDemand
from ecoserve.performance import (
    MAX_NUM_SEQS,
    PREFILL_INTERFERENCE,
    Replica,
    accelerator_replica,
    decode_step_s,
    host_replica,
    kv_batch_limit,
    mean_context_tokens,
    prefill_s,
)
from ecoserve.plan import Role
from ecoserve.power import (
    PowerModel,
    accelerator_w,
    busy_power,
    cpu_pool_w,
    decode_utilisation,
    is_measured,
    prefill_utilisation,
)
from ecoserve.rows import Accelerator, Llm, Provenance, Server
from ecoserve.scenario import Hardware, Precision, Scenario
from ecoserve.units import BYTES_PER_GB

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

HOST_STACK = "cpu"
"""The stack id of the host CPU parameter rows."""
TP_DEGREES = (1, 2, 4, 8)
PRECISIONS: tuple[str, ...] = get_args(Precision)
BITS_PER_BYTE = 8.0
KV_LINK_EFFICIENCY = 0.8
"""Share of the NIC bandwidth that KV transfer between pools may use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One LLM set up on some accelerators, or on the CPU sockets of one kind of server."""

    llm_id: str
    accelerator_id: str
    """Empty for a host CPU pool."""
    server_id: str
    """Only for a host CPU pool: the server whose sockets serve."""
    tp: int
    precision: str
    replica: Replica
    provenance: Provenance
    id: str = field(init=False)
    """Letters, digits, ``_`` and ``.`` only: it becomes part of row and column names."""

    def __post_init__(self) -> None:
        where = self.accelerator_id or f"cpu.{self.server_id}"
        object.__setattr__(self, "id", f"{self.llm_id}.{where}.tp{self.tp}.{self.precision}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One workload on one device in one role; arrays have shape (buckets,)."""

    workload: str
    workload_index: int
    device: Device
    role: Role
    fits: Mask
    """Memory holds the model and at least one request."""
    keeps_tpot: Mask
    """TPOT within its limit, margin included, at some batch >= 1 (true for prefill)."""
    batch: Array
    load_s: Array
    """Replica-seconds per request."""
    dynamic_w: Array
    """Watts of a busy replica above idle, inside the box."""
    busy_w: Array
    """Watts of one busy accelerator or socket."""
    fitted: Mask
    """Whether the power lies within the fitted range."""
    own_ttft_s: Array
    """TTFT without waiting: prefill, one step, KV transfer; 0 for decode pools."""
    queued_s: Array
    """Service time in front of the queue: prefill, stretched where decode runs beside it."""
    tpot_s: Array
    """Predicted, without margin; 0 for prefill pools."""
    unloaded_s: Array
    """This role's share of TTFT + (OSL-1) TPOT at batch 1."""
    kv_bytes: Array
    """KV moved per request between pools; 0 for mixed ones."""
    pool_id: str = field(init=False)
    """Names the pool: workloads of one LLM share it."""
    id: str = field(init=False)
    """Names the columns of this pair."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "pool_id", f"{self.device.id}.{self.role}")
        object.__setattr__(self, "id", f"{self.pool_id}.w{self.workload_index}")


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


def plannable(accelerator: Accelerator, stack: str, catalog: Catalog) -> bool:
    """Whether its speed with this stack and its power are known, at some precision it runs."""
    return accelerator.family in catalog.power_parameters and any(
        accelerator.rate_tflops(precision) is not None
        and catalog.has_serving(accelerator.family, stack, precision)
        for precision in PRECISIONS
    )


def services(
    scenario: Scenario, catalog: Catalog, demands: Sequence[WorkloadDemand]
) -> tuple[Service, ...]:
    """Every pair the hardware has parameters for, by id; ``fits`` masks what does not fit."""
    servers = allowed_servers(scenario, catalog)
    found: list[Service] = []
    for llm in {demand.llm.id: demand.llm for demand in demands}.values():
        for device in _accelerator_devices(llm, servers, scenario.hardware.stack, catalog):
            kv_gb_per_s = _kv_gb_per_s(device, servers)
            for demand in demands:
                if demand.llm.id == llm.id and device.precision in demand.workload.precisions:
                    found += _accelerator_services(
                        device, demand, catalog, kv_gb_per_s, scenario.levers.phases_apart
                    )
    if scenario.levers.reuse:
        found += _host_services(servers, catalog, demands)
    return tuple(sorted(found, key=lambda s: s.id))


def _accelerator_devices(
    llm: Llm, servers: Sequence[Server], stack: str, catalog: Catalog
) -> Iterator[Device]:
    for accelerator_id in sorted({server.accelerator_id for server in servers}):
        accelerator = catalog.accelerator(accelerator_id)
        if not plannable(accelerator, stack, catalog):
            continue
        largest = max(s.n_accelerators for s in servers if s.accelerator_id == accelerator_id)
        for precision in PRECISIONS:
            known = catalog.has_serving(accelerator.family, stack, precision)
            if accelerator.rate_tflops(precision) is None or not known:
                continue
            params = catalog.serving(accelerator.family, stack, precision)
            for tp in TP_DEGREES:
                if tp <= min(accelerator.max_tp, largest):
                    yield Device(
                        llm_id=llm.id, accelerator_id=accelerator_id, server_id="", tp=tp,
                        precision=precision, provenance=params.provenance,
                        replica=accelerator_replica(llm, accelerator, tp, precision, params),
                    )  # fmt: skip


def _kv_gb_per_s(device: Device, servers: Sequence[Server]) -> float:
    """NIC bandwidth behind one replica, of the slowest server with its accelerator."""
    shares = [
        nic_gb_per_s(s) * device.tp / s.n_accelerators
        for s in servers
        if s.accelerator_id == device.accelerator_id and s.n_accelerators >= device.tp
    ]
    return KV_LINK_EFFICIENCY * min(shares)


def nic_gb_per_s(server: Server) -> float:
    """All NICs of a server together."""
    return server.n_nics * server.nic_gbps / BITS_PER_BYTE


def _accelerator_services(
    device: Device,
    demand: WorkloadDemand,
    catalog: Catalog,
    kv_gb_per_s: float,
    phases_apart: bool,
) -> list[Service]:
    accelerator = catalog.accelerator(device.accelerator_id)
    found = [_decoding_service(device, demand, accelerator, catalog, "mixed", kv_gb_per_s)]
    if phases_apart:
        found.append(_prefill_service(device, demand, accelerator, catalog, kv_gb_per_s))
        found.append(_decoding_service(device, demand, accelerator, catalog, "decode", kv_gb_per_s))
    return found


def _decoding_service(
    device: Device,
    demand: WorkloadDemand,
    accelerator: Accelerator,
    catalog: Catalog,
    role: Literal["mixed", "decode"],
    kv_gb_per_s: float,
) -> Service:
    """A mixed or a decode pool at its operating point."""
    replica, isl, osl = device.replica, demand.isl_tokens, demand.osl_tokens
    prefill = prefill_s(replica, isl)
    interference = prefill * PREFILL_INTERFERENCE / osl if role == "mixed" else np.zeros_like(isl)
    before_first_s = prefill if role == "mixed" else np.zeros_like(isl)
    point = operating_point(replica, demand, interference, before_first_s)
    period = point.step_s + point.batch * interference
    power = PowerModel(
        params=catalog.power(accelerator.family), tdp_w=accelerator.tdp_w, idle_w=accelerator.idle_w
    )
    use = decode_utilisation(replica, point.batch, isl, osl, period, prefills=role == "mixed")
    busy = busy_power(power, replica, point.batch, isl, osl, prefills=role == "mixed")
    busy_w = busy.mean_w
    first_step = decode_step_s(replica, np.ones_like(isl), mean_context_tokens(isl, osl))
    mixed = role == "mixed"
    return Service(
        workload=demand.workload.name, workload_index=demand.index, device=device, role=role,
        fits=point.fits, keeps_tpot=point.keeps_tpot, batch=point.batch,
        load_s=osl * period / point.batch,
        dynamic_w=device.tp * (busy_w - accelerator.idle_w), busy_w=busy_w,
        fitted=is_measured(power.params, replica, role, device.precision, use),
        own_ttft_s=prefill + point.step_s if mixed else np.zeros_like(isl),
        queued_s=prefill * period / (point.batch * interference) if mixed else np.zeros_like(isl),
        tpot_s=point.step_s + (point.batch - 1) * interference,
        unloaded_s=(prefill if mixed else 0.0) + (osl - 1) * first_step,
        kv_bytes=np.zeros_like(isl) if mixed else replica.kv_bytes_per_token * isl,
    )  # fmt: skip


def _prefill_service(
    device: Device,
    demand: WorkloadDemand,
    accelerator: Accelerator,
    catalog: Catalog,
    kv_gb_per_s: float,
) -> Service:
    replica, isl = device.replica, demand.isl_tokens
    duration = prefill_s(replica, isl)
    kv_bytes = replica.kv_bytes_per_token * isl
    power = PowerModel(
        params=catalog.power(accelerator.family), tdp_w=accelerator.tdp_w, idle_w=accelerator.idle_w
    )
    use = prefill_utilisation(replica, isl, duration)
    busy_w = accelerator_w(power, use)
    transfer = kv_bytes / (kv_gb_per_s * BYTES_PER_GB) if kv_gb_per_s > 0 else np.inf * isl
    fits = (kv_batch_limit(replica, isl, np.zeros_like(isl)) >= 1) & np.isfinite(transfer)
    return Service(
        workload=demand.workload.name, workload_index=demand.index, device=device, role="prefill",
        fits=fits, keeps_tpot=np.ones(len(isl), dtype=bool), batch=np.ones_like(isl),
        load_s=duration, dynamic_w=device.tp * (busy_w - accelerator.idle_w), busy_w=busy_w,
        fitted=is_measured(power.params, replica, "prefill", device.precision, use),
        own_ttft_s=duration + transfer, queued_s=duration,
        tpot_s=np.zeros_like(isl), unloaded_s=duration + transfer, kv_bytes=kv_bytes,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """The chosen batch per bucket (at least 1, so that the figures are always defined)."""

    fits: Mask
    keeps_tpot: Mask
    batch: Array
    step_s: Array


def operating_point(
    replica: Replica, demand: WorkloadDemand, interference_s: Array, before_first_s: Array
) -> OperatingPoint:
    """Largest batch within memory and, for online workloads, within TPOT and TTFT with the margin.

    Shape (buckets,) both: ``interference_s``, what each other sequence adds to a token;
    ``before_first_s``, what comes before a request's first step in this pool. TTFT only counts
    where a batch of one would keep it.
    """
    isl, osl = demand.isl_tokens, demand.osl_tokens
    limit = kv_batch_limit(replica, isl, osl)
    batches = np.arange(1.0, MAX_NUM_SEQS + 1)[:, None]
    steps = decode_step_s(replica, batches, mean_context_tokens(isl, osl)[None, :])
    allowed = batches <= np.maximum(limit, 1.0)
    if demand.workload.slo is not None:
        margin, slo = 1.0 + replica.params.error_band, demand.workload.slo
        in_time = (steps + (batches - 1) * interference_s) * margin <= slo.tpot_s
        starts = (before_first_s + steps) * margin <= slo.ttft_s
        allowed &= starts | ~starts[0]
    else:
        in_time = np.ones_like(steps, dtype=bool)
    chosen = np.maximum((allowed & in_time).sum(axis=0), 1)  # all hold on a prefix of the batches
    return OperatingPoint(
        fits=limit >= 1,
        keeps_tpot=in_time[0],
        batch=chosen.astype(float),
        step_s=steps[chosen - 1, np.arange(len(isl))],
    )


def _host_services(
    servers: Sequence[Server], catalog: Catalog, demands: Sequence[WorkloadDemand]
) -> list[Service]:
    """Offline workloads on the CPU sockets of each kind of server, whole requests."""
    found: list[Service] = []
    if catalog.host_power_value("cpu_spare_ratio") <= 0:
        return found
    for server in servers:
        host = catalog.host(server.host_id)
        if not catalog.has_serving(host.cpu.family, HOST_STACK, "bf16"):
            continue
        params = catalog.serving(host.cpu.family, HOST_STACK, "bf16")
        sockets = host_sockets(server, catalog)
        for demand in demands:
            if demand.is_online or "bf16" not in demand.workload.precisions:
                continue
            replica = host_replica(demand.llm, host, server.dram_gb / sockets, params)
            device = Device(
                llm_id=demand.llm.id, accelerator_id="", server_id=server.id, tp=1,
                precision="bf16", replica=replica, provenance=params.provenance,
            )  # fmt: skip
            found.append(_host_service(device, demand, cpu_pool_w(server, catalog)))
    return found


def host_sockets(server: Server, catalog: Catalog) -> float:
    """CPU sockets behind the server's vCPUs; a slice of a host has a fraction of them."""
    host = catalog.host(server.host_id)
    return host.sockets * server.vcpus / host.vcpus


def _host_service(device: Device, demand: WorkloadDemand, socket_w: float) -> Service:
    replica, isl, osl = device.replica, demand.isl_tokens, demand.osl_tokens
    prefill = prefill_s(replica, isl)
    point = operating_point(replica, demand, prefill / osl, prefill)
    zeros, all_true = np.zeros_like(isl), np.ones(len(isl), dtype=bool)
    return Service(
        workload=demand.workload.name, workload_index=demand.index, device=device, role="host_cpu",
        fits=point.fits, keeps_tpot=all_true, batch=point.batch,
        load_s=osl * point.step_s / point.batch + prefill,
        dynamic_w=np.full_like(isl, socket_w), busy_w=np.full_like(isl, socket_w),
        fitted=~all_true, own_ttft_s=zeros, queued_s=zeros,
        tpot_s=point.step_s, unloaded_s=zeros, kv_bytes=zeros,
    )  # fmt: skip


def undominated(found: Sequence[Service]) -> tuple[Service, ...]:
    """Drops devices that another of the same accelerator and LLM beats at everything.

    A device goes when one of no larger tp serves all its buckets, in every role and workload, with
    no more accelerator-seconds, energy or latency: any plan with it is no worse without it, replica
    by replica, because the smaller group fits wherever the larger one did.
    """
    by_device: dict[str, dict[tuple[str, Role], Service]] = {}
    for service in found:
        pairs = by_device.setdefault(service.device.id, {})
        pairs[service.workload, service.role] = service
    groups: dict[tuple[str, str, str], list[str]] = {}
    for device_id, pairs in by_device.items():
        device = next(iter(pairs.values())).device
        key = (device.llm_id, device.accelerator_id, device.server_id)
        groups.setdefault(key, []).append(device_id)
    dropped = {
        worse
        for device_ids in groups.values()
        for worse in device_ids
        for better in device_ids
        if better != worse
        and _beats(by_device[better], by_device[worse])
        and not (worse < better and _beats(by_device[worse], by_device[better]))
    }
    return tuple(service for service in found if service.device.id not in dropped)


def _beats(
    better: Mapping[tuple[str, Role], Service], worse: Mapping[tuple[str, Role], Service]
) -> bool:
    return all(pair in better and _serves_no_worse(better[pair], worse[pair]) for pair in worse)


def _serves_no_worse(better: Service, worse: Service) -> bool:
    if better.device.tp > worse.device.tp:
        return False
    if not (worse.fits <= better.fits).all():
        return False
    where = worse.fits
    pace = better.keeps_tpot >= worse.keeps_tpot
    space = better.device.tp * better.load_s <= worse.device.tp * worse.load_s
    replicas = better.device.replica.params.error_band <= worse.device.replica.params.error_band
    energy = better.dynamic_w * better.load_s <= worse.dynamic_w * worse.load_s
    latency = (better.own_ttft_s <= worse.own_ttft_s) & (better.queued_s <= worse.queued_s)
    latency &= better.unloaded_s <= worse.unloaded_s
    return bool(replicas and (pace & space & energy & latency)[where].all())
