"""What could serve what: every (workload, accelerator, tp, precision, role) that fits and keeps up.

A precision is offered where the accelerator runs it and the catalog has parameters for it with the
stack; a power cap, only where the scenario asks for it, is one more variant of each.

An option's operating point for a length bucket is the largest batch that keeps TPOT, fits in memory
and stays within the engine's limit; the load of a request is the replica-seconds it then occupies:
``OSL period/B`` in mixed pools, ``t_prefill`` in prefill pools, ``OSL t_step/B`` in decode pools.
Latencies are judged with a margin equal to the error band of the option's parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ecoserve.catalog import Catalog
from ecoserve.demand import WorkloadDemand
from ecoserve.offers import (
    allowed_servers,
    host_sockets,
    host_variants,
    kv_precision_on,
    nic_gb_per_s,
    offered_precisions,
    usable_servers,
)
from ecoserve.operating_point import operating_point
from ecoserve.performance import (
    PREFILL_INTERFERENCE,
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
    busy_power,
    can_be_capped,
    cpu_pool_w,
    decode_utilisation,
    is_measured,
    power_model,
    prefill_pace,
    prefill_utilisation,
    step_s,
)
from ecoserve.rows import Accelerator, Llm, Server
from ecoserve.scenario import Scenario
from ecoserve.scenario_parts import Hardware
from ecoserve.service import Device, Service
from ecoserve.units import BYTES_PER_GB

HOST_STACK = "cpu"
"""The stack id of the host CPU parameter rows."""
TP_DEGREES = (1, 2, 4, 8)
KV_LINK_EFFICIENCY = 0.8
"""Share of the NIC bandwidth that KV transfer between pools may use."""


def services(
    scenario: Scenario, catalog: Catalog, demands: Sequence[WorkloadDemand]
) -> tuple[Service, ...]:
    """Every pair the hardware has parameters for, by id; ``fits`` masks what does not fit."""
    here = _services_here(scenario, catalog, demands)
    return tuple(sorted(_at_sites(here, scenario), key=lambda s: s.id))


def _at_sites(here: Sequence[Service], scenario: Scenario) -> Iterator[Service]:
    """The services at every site their workload may be served at.

    A request served elsewhere waits for the network as well; its tokens then stream.
    """
    for service in here:
        workload = scenario.workloads[service.workload_index]
        for index, site in enumerate(scenario.sites):
            if workload.sites is not None and site.name not in workload.sites:
                continue
            starts = service.role in ("mixed", "prefill") and workload.kind == "online"
            trip = site.round_trip_s if starts else 0.0
            yield replace(service, site=index, own_ttft_s=service.own_ttft_s + trip)


def _services_here(
    scenario: Scenario, catalog: Catalog, demands: Sequence[WorkloadDemand]
) -> list[Service]:
    """The services of one site, before the network."""
    servers = usable_servers(scenario, catalog)
    seqs = scenario.hardware.max_num_seqs
    found: list[Service] = []
    for llm in {demand.llm.id: demand.llm for demand in demands}.values():
        mine = [demand for demand in demands if demand.llm.id == llm.id]
        accepted = {name for demand in mine for name in demand.workload.precisions}
        for device in _accelerator_devices(llm, servers, scenario.hardware, catalog, accepted):
            site = _Place(
                device=device,
                power=power_model(catalog.accelerator(device.accelerator_id), catalog),
                kv_gb_per_s=_kv_gb_per_s(device, servers),
                max_num_seqs=seqs,
            )
            for demand in mine:
                if device.precision in demand.workload.precisions:
                    found += _accelerator_services(site, demand, scenario.levers.phases_apart)
    if scenario.levers.reuse:
        found += _host_services(_host_kinds(scenario, catalog), catalog, demands, seqs)
    return found


def _host_kinds(scenario: Scenario, catalog: Catalog) -> list[tuple[str, Server]]:
    """(variant, server) of every kind whose sockets offline work could use."""
    kinds = [("", server) for server in usable_servers(scenario, catalog)]
    for server in allowed_servers(scenario, catalog):
        kinds += host_variants(server, scenario, catalog)
    return kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A device with all that its services need to know beside the workload."""

    device: Device
    power: PowerModel
    kv_gb_per_s: float
    max_num_seqs: int


def _accelerator_devices(
    llm: Llm,
    servers: Sequence[Server],
    hardware: Hardware,
    catalog: Catalog,
    accepted: Set[str],
) -> Iterator[Device]:
    for accelerator_id in sorted({server.accelerator_id for server in servers}):
        accelerator = catalog.accelerator(accelerator_id)
        largest = max(s.n_accelerators for s in servers if s.accelerator_id == accelerator_id)
        most = min(accelerator.max_tp, largest)
        kv_precision = kv_precision_on(accelerator, hardware.kv_precision)
        for precision in offered_precisions(accelerator, hardware.stack, catalog):
            if precision not in accepted:
                continue
            params = catalog.serving_on(accelerator, hardware.stack, precision)
            caps = _possible_caps(accelerator, hardware, catalog)
            for tp in (tp for tp in TP_DEGREES if tp <= most):
                replica = accelerator_replica(llm, accelerator, tp, precision, params, kv_precision)
                for cap in caps:
                    yield Device(
                        llm_id=llm.id, accelerator_id=accelerator_id, server_id="", tp=tp,
                        precision=precision, kv_precision=kv_precision, power_cap_ratio=cap,
                        provenance=params.provenance, replica=replica,
                    )  # fmt: skip


def _possible_caps(
    accelerator: Accelerator, hardware: Hardware, catalog: Catalog
) -> tuple[float, ...]:
    """The caps asked for that leave the accelerator something to work with."""
    power = power_model(accelerator, catalog)
    return tuple(cap for cap in hardware.power_cap_ratios if can_be_capped(power, cap))


def _kv_gb_per_s(device: Device, servers: Sequence[Server]) -> float:
    """NIC bandwidth behind one replica, of the slowest server with its accelerator."""
    shares = [
        nic_gb_per_s(s) * device.tp / s.n_accelerators
        for s in servers
        if s.accelerator_id == device.accelerator_id and s.n_accelerators >= device.tp
    ]
    return KV_LINK_EFFICIENCY * min(shares)


def _accelerator_services(
    place: _Place, demand: WorkloadDemand, phases_apart: bool
) -> list[Service]:
    found = [_decoding_service(place, demand, "mixed")]
    if phases_apart:
        found.append(_prefill_service(place, demand))
        found.append(_decoding_service(place, demand, "decode"))
    return found


def _decoding_service(
    place: _Place, demand: WorkloadDemand, role: Literal["mixed", "decode"]
) -> Service:
    """A mixed or a decode pool at its operating point."""
    device, power, mixed = place.device, place.power, role == "mixed"
    replica, cap = device.replica, device.power_cap_ratio
    isl, osl, cached = demand.isl_tokens, demand.osl_tokens, demand.workload.prefix_cache_hit
    nothing = np.zeros_like(isl)
    prefill = prefill_pace(power, replica, isl, cached, cap).seconds if mixed else nothing
    interference = prefill * PREFILL_INTERFERENCE / osl
    start = replica.params.t_request_s + prefill if mixed else nothing
    point = operating_point(
        replica, demand, interference, start, place.max_num_seqs,
        lambda batch: step_s(power, replica, batch, isl, osl, cap),
    )  # fmt: skip
    busy = busy_power(
        power, replica, point.batch, isl, osl, prefills=mixed, cached_ratio=cached,
        power_cap_ratio=cap,
    )  # fmt: skip
    period, busy_w = busy.period_s, busy.mean_w
    use = decode_utilisation(
        replica, point.batch, isl, osl, period, prefills=mixed, cached_ratio=cached
    )
    measured = is_measured(power.params, replica, role, device.precision, use)
    return Service(
        workload=demand.workload.name, workload_index=demand.index, device=device, role=role,
        fits=point.fits, keeps_tpot=point.keeps_tpot, batch=point.batch, bound_by=point.bound_by,
        load_s=osl * period / point.batch,
        dynamic_w=device.tp * (busy_w - power.idle_w), busy_w=busy_w,
        fitted=measured & (cap >= 1.0),
        own_ttft_s=start + point.step_s if mixed else nothing,
        queued_s=prefill * period / (point.batch * interference) if mixed else nothing,
        tpot_s=point.step_s + (point.batch - 1) * interference,
        unloaded_s=start + (osl - 1) * step_s(power, replica, np.ones_like(isl), isl, osl, cap),
        kv_bytes=nothing if mixed else replica.kv_bytes_per_token * isl,
    )  # fmt: skip


def _prefill_service(place: _Place, demand: WorkloadDemand) -> Service:
    device, power = place.device, place.power
    replica, cap = device.replica, device.power_cap_ratio
    isl, cached = demand.isl_tokens, demand.workload.prefix_cache_hit
    pace = prefill_pace(power, replica, isl, cached, cap)
    kv_bytes = replica.kv_bytes_per_token * isl
    use = prefill_utilisation(replica, isl, pace.seconds, cached)
    link = place.kv_gb_per_s * BYTES_PER_GB
    transfer = kv_bytes / link if link > 0 else np.inf * isl
    fits = (kv_batch_limit(replica, isl, np.zeros_like(isl)) >= 1) & np.isfinite(transfer)
    own = replica.params.t_request_s + pace.seconds + transfer
    measured = is_measured(power.params, replica, "prefill", device.precision, use)
    return Service(
        workload=demand.workload.name, workload_index=demand.index, device=device, role="prefill",
        fits=fits, keeps_tpot=np.ones(len(isl), dtype=bool), batch=np.ones_like(isl),
        bound_by=np.full(len(isl), "one_prompt"), load_s=pace.seconds,
        dynamic_w=device.tp * (pace.watts - power.idle_w), busy_w=pace.watts,
        fitted=measured & (cap >= 1.0), own_ttft_s=own, queued_s=pace.seconds,
        tpot_s=np.zeros_like(isl), unloaded_s=own, kv_bytes=kv_bytes,
    )  # fmt: skip


def _host_services(
    kinds: Sequence[tuple[str, Server]],
    catalog: Catalog,
    demands: Sequence[WorkloadDemand],
    max_num_seqs: int,
) -> list[Service]:
    """Offline workloads on the CPU sockets of each kind of server, whole requests."""
    found: list[Service] = []
    if catalog.host_power_value("cpu_spare_ratio") <= 0:
        return found
    for variant, server in kinds:
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
                llm_id=demand.llm.id, accelerator_id="", server_id=server.id, variant=variant, tp=1,
                precision="bf16", replica=replica, provenance=params.provenance,
            )  # fmt: skip
            found.append(_host_service(device, demand, cpu_pool_w(server, catalog), max_num_seqs))
    return found


def _host_service(
    device: Device, demand: WorkloadDemand, socket_w: float, max_num_seqs: int
) -> Service:
    replica, isl, osl = device.replica, demand.isl_tokens, demand.osl_tokens
    prefill = prefill_s(replica, isl, demand.workload.prefix_cache_hit)
    point = operating_point(
        replica, demand, prefill / osl, prefill, max_num_seqs,
        lambda batch: decode_step_s(replica, batch, mean_context_tokens(isl, osl)),
    )  # fmt: skip
    zeros, all_true = np.zeros_like(isl), np.ones(len(isl), dtype=bool)
    return Service(
        workload=demand.workload.name, workload_index=demand.index, device=device, role="host_cpu",
        fits=point.fits, keeps_tpot=all_true, batch=point.batch, bound_by=point.bound_by,
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
    by_device: dict[tuple[int, str], dict[tuple[str, Role], Service]] = {}
    for service in found:
        pairs = by_device.setdefault((service.site, service.device.id), {})
        pairs[service.workload, service.role] = service
    groups: dict[tuple[int, str, str, str, str], list[tuple[int, str]]] = {}
    for place, pairs in by_device.items():
        device = next(iter(pairs.values())).device
        alike = (device.llm_id, device.accelerator_id, device.server_id, device.variant)
        groups.setdefault((place[0], *alike), []).append(place)
    dropped = {
        worse
        for places in groups.values()
        for worse in places
        for better in places
        if better != worse
        and _beats(by_device[better], by_device[worse])
        and not (worse < better and _beats(by_device[worse], by_device[better]))
    }
    return tuple(s for s in found if (s.site, s.device.id) not in dropped)


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
    replicas = better.device.replica.error_band <= worse.device.replica.error_band
    energy = better.dynamic_w * better.load_s <= worse.dynamic_w * worse.load_s
    latency = (better.own_ttft_s <= worse.own_ttft_s) & (better.queued_s <= worse.queued_s)
    latency &= better.unloaded_s <= worse.unloaded_s
    return bool(replicas and (pace & space & energy & latency)[where].all())
