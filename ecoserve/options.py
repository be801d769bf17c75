"""What could serve what: every (workload, accelerator, tp, precision, role) that fits and keeps up.

A precision is offered where the accelerator runs it and the catalog has parameters for it with the
stack; a power cap, only where the scenario asks for it, is one more variant of each.

An option's operating point for a length bucket is the largest batch that keeps TPOT, fits in memory
and stays within the engine's limit; the load of a request is the replica-seconds it then occupies:
``OSL period/B`` in mixed pools, ``t_prefill`` in prefill pools, ``OSL t_step/B`` in decode pools.
Latencies are judged with a margin equal to the error band of the option's parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ecoserve.catalog import Catalog
from ecoserve.cost import rental_date
from ecoserve.demand import WorkloadDemand
from ecoserve.performance import (
    PREFILL_INTERFERENCE,
    Replica,
    accelerator_replica,
    compute_tflops,
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
from ecoserve.rows import Accelerator, Llm, Provenance, Server
from ecoserve.scenario import Hardware, KvPrecision, Precision, Scenario
from ecoserve.units import BYTES_PER_GB
from ecoserve.variants import trimmed

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Words = NDArray[np.str_]

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
    variant: str = ""
    """Of that server's host, where it is not the one on the price list."""
    tp: int
    precision: str
    kv_precision: str = "bf16"
    power_cap_ratio: float = 1.0
    """Of TDP; 1 without a cap of the operator's."""
    replica: Replica
    provenance: Provenance
    id: str = field(init=False)
    """Letters, digits, ``_`` and ``.`` only: it becomes part of row and column names."""

    def __post_init__(self) -> None:
        host = ".".join(part for part in (self.server_id, self.variant) if part)
        where = self.accelerator_id or f"cpu.{host}"
        parts = [self.llm_id, where, f"tp{self.tp}", self.precision]
        if self.kv_precision != "bf16":
            parts.append(f"kv_{self.kv_precision}")
        if self.power_cap_ratio < 1.0:
            parts.append(f"cap{100 * self.power_cap_ratio:.6g}")
        object.__setattr__(self, "id", ".".join(parts))


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
    bound_by: Words
    """What keeps the batch from being larger, in the words of :data:`~ecoserve.plan.BatchBound`."""
    load_s: Array
    """Replica-seconds per request."""
    dynamic_w: Array
    """Watts of a busy replica above idle, inside the box."""
    busy_w: Array
    """Watts of one busy accelerator or socket."""
    fitted: Mask
    """Whether the power lies within the fitted range."""
    own_ttft_s: Array
    """TTFT without waiting: front end, prefill, one step or KV transfer; 0 for decode pools."""
    queued_s: Array
    """Service time in front of the queue: prefill, stretched where decode runs beside it."""
    tpot_s: Array
    """Predicted, without margin; 0 for prefill pools."""
    unloaded_s: Array
    """This role's share of TTFT + (OSL-1) TPOT at batch 1."""
    kv_bytes: Array
    """KV moved per request between pools; 0 for mixed ones."""
    site: int = 0
    """Position of the site among the scenario's."""
    pool_id: str = field(init=False)
    """Names the pool: workloads of one LLM share it."""
    id: str = field(init=False)
    """Names the columns of this pair."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "pool_id", at_site(f"{self.device.id}.{self.role}", self.site))
        object.__setattr__(self, "id", f"{self.pool_id}.w{self.workload_index}")


def at_site(name: str, site: int) -> str:
    """A name made unique among sites; the users' own site adds nothing."""
    return f"{name}.s{site}" if site else name


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


def host_variants(server: Server, scenario: Scenario, catalog: Catalog) -> list[tuple[str, Server]]:
    """Reduce: (variant id, trimmed server) of a bought server, where anything is left out."""
    if not scenario.levers.reduce or server.offer != "purchase":
        return []
    found = [
        (variant_id, trimmed(server, catalog.host_variant(variant_id), catalog))
        for variant_id in scenario.hardware.host_variants
    ]
    return [(name, lean) for name, lean in found if lean != server]


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


def nic_gb_per_s(server: Server) -> float:
    """All NICs of a server together."""
    return server.n_nics * server.nic_gbps / BITS_PER_BYTE


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """The chosen batch per bucket (at least 1, so that the figures are always defined)."""

    fits: Mask
    keeps_tpot: Mask
    batch: Array
    bound_by: Words
    step_s: Array


def operating_point(
    replica: Replica,
    demand: WorkloadDemand,
    interference_s: Array,
    before_first_s: Array,
    max_num_seqs: int,
    step_of: Callable[[Array], Array],
) -> OperatingPoint:
    """Largest batch within memory and, for online workloads, within TPOT and TTFT with the margin.

    Shape (buckets,) all: ``interference_s``, what each other sequence adds to a token;
    ``before_first_s``, what comes before a request's first step in this pool; ``step_of`` gives
    the step of a batch. Where even one request alone would start late, it starts least late alone:
    a batch of one, so that a looser limit never lowers the throughput. Larger batches have longer
    steps, so the search halves the range.
    """
    limit = kv_batch_limit(replica, demand.isl_tokens, demand.osl_tokens, max_num_seqs)
    alone = np.ones_like(limit)
    chosen, keeps_tpot = np.maximum(limit, 1.0), np.ones(len(limit), dtype=bool)
    bound_by = np.where(limit >= max_num_seqs, "max_num_seqs", "memory")
    slo, margin = demand.workload.slo, 1.0 + replica.error_band
    if slo is not None:
        first = step_of(alone)
        keeps_tpot = first * margin <= slo.tpot_s
        starts = (before_first_s + first) * margin <= slo.ttft_s

        def paced(batch: Array, step: Array) -> Mask:
            return np.asarray((step + (batch - 1) * interference_s) * margin <= slo.tpot_s)

        def keeps(batch: Array) -> Mask:
            step = step_of(batch)
            return paced(batch, step) & ((before_first_s + step) * margin <= slo.ttft_s)

        chosen = largest_batch(keeps, np.where(keeps_tpot & starts, chosen, alone))
        one_more = chosen + 1.0
        late = np.where(paced(one_more, step_of(one_more)), "ttft", "tpot")
        bound_by = np.where(chosen < limit, late, bound_by)
    return OperatingPoint(
        fits=limit >= 1, keeps_tpot=keeps_tpot, batch=chosen, bound_by=bound_by,
        step_s=step_of(chosen),
    )  # fmt: skip


def largest_batch(keeps: Callable[[Array], Mask], limit: Array) -> Array:
    """The largest whole batch up to ``limit`` that ``keeps``, and 1 where there is none.

    Shape of ``limit``, whole numbers >= 1; what a batch keeps, every smaller one keeps.
    """
    low, high = np.where(keeps(limit), limit, 1.0), limit
    while (high - low > 1.0).any():
        middle = np.floor((low + high) / 2.0)
        kept = keeps(middle)
        low, high = np.where(kept, middle, low), np.where(kept, high, middle)
    return low


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


def host_sockets(server: Server, catalog: Catalog) -> float:
    """CPU sockets behind the server's vCPUs; a slice of a host has a fraction of them."""
    host = catalog.host(server.host_id)
    return host.sockets * server.vcpus / host.vcpus


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
