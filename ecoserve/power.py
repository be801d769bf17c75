"""How much a replica and a host draw.

Per accelerator, as a ratio of TDP, in each phase of the work:

    P = min(cap, P0 + a u_mem + b u_cmp + s q)

u_mem and u_cmp are the used shares of peak bandwidth and of the peak compute at the precision, q
the sequences x layers that one accelerator takes a step further per second: the attention, sampling
and launch work that grows with the batch and shows in neither utilisation. A replica that does
both phases draws their mean over time, so energy splits into prefill and decode without remainder.
Parameters stand in the catalog's ``power_parameters`` (:mod:`ecoserve.power_calibration` fits
them), host figures in ``host_power``. All watts here are drawn inside the box; :func:`wall_w` adds
the losses of the power supplies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecoserve.catalog import Catalog
from ecoserve.performance import (
    PREFILL_INTERFERENCE,
    Replica,
    decode_step_s,
    mean_context_tokens,
    prefill_flop,
    prefill_s,
    weight_bytes_read,
)
from ecoserve.rows import Accelerator, PowerParameters, Server

Array = NDArray[np.float64]
PowerPhase = Literal["prefill", "decode", "mixed"]
GB_PER_TB = 1000.0
COMPUTE_FULL_RATIO = 0.45
"""Share of the peak compute, at the precision, at which matrix products draw the cap.

Operator tables of H200 and GB200: products longer than 0.1 ms reach the limit from 0.3 to 0.6 of
the bf16 peak and from 0.3 to 0.5 of the fp8 and 4-bit peaks. It fixes b = (cap - P0) / 0.45.
"""
SLOWEST_CLOCK_RATIO = 0.3
"""Lowest core clock that a power cap may ask for, of the clock without a cap (assumed)."""
BISECTIONS = 50
NEWTON_STEPS = 12


@dataclass(frozen=True, slots=True)
class Utilisation:
    """What one accelerator of a replica does; arrays of any one shape."""

    memory: Array
    """Share of the peak bandwidth, 0 to 1."""
    compute: Array
    """Share of the dense peak at the precision, 0 to 1."""
    sequence_layers_per_s: Array
    """batch x layers / (tp x step): sequences a layer carries one token further, per second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerModel:
    """The parameters of a family on one accelerator of it."""

    params: PowerParameters
    tdp_w: float
    idle_w: float

    @property
    def floor_ratio(self) -> float:
        """P0, never below what the accelerator draws idle."""
        return max(self.params.p0_ratio, self.idle_w / self.tdp_w)


def power_model(accelerator: Accelerator, catalog: Catalog) -> PowerModel:
    """Its family's power parameters on its own TDP and idle draw."""
    return PowerModel(
        params=catalog.power_on(accelerator), tdp_w=accelerator.tdp_w, idle_w=accelerator.idle_w
    )


def accelerator_w(model: PowerModel, use: Utilisation) -> Array:
    """Watts of one accelerator at work at the given utilisations."""
    return model.tdp_w * np.minimum(model.params.cap_ratio, _uncapped_ratio(model, use))


def is_measured(
    params: PowerParameters, replica: Replica, phase: PowerPhase, precision: str, use: Utilisation
) -> NDArray[np.bool_]:
    """Whether the fit has seen this phase and precision, and utilisations like these.

    Mixtures of experts count as unseen: their kernels draw more or less than utilisation says.
    """
    is_dense = replica.expert_bytes == 0
    seen = is_dense and phase in params.phases and precision in params.precisions
    memory = (use.memory >= params.u_mem_min) & (use.memory <= params.u_mem_max)
    compute = (use.compute >= params.u_cmp_min) & (use.compute <= params.u_cmp_max)
    return np.asarray(memory & compute & seen)


def decode_utilisation(
    replica: Replica,
    batch: Array,
    isl: Array,
    osl: Array,
    period_s: Array,
    *,
    prefills: bool,
    cached_ratio: Array | float = 0.0,
) -> Utilisation:
    """Over a step period of ``batch`` sequences; with ``prefills`` their prompts' work too.

    ``cached_ratio`` of a prompt comes from the prefix cache and is not computed again.

    KV reads spread over min(tp, n_kv) accelerators: beyond, each holds a copy of its own.
    """
    kv = batch * mean_context_tokens(isl, osl) * replica.kv_bytes_per_token
    read = weight_bytes_read(replica, batch) / replica.tp + kv / replica.kv_shards
    flop = replica.flop_per_token * batch
    if prefills:
        flop = flop + batch / osl * prefill_flop(replica, isl, cached_ratio)
    layers = batch * replica.layers / (replica.tp * period_s)
    return _utilisation(replica, read, flop / replica.tp, period_s, layers)


def prefill_utilisation(
    replica: Replica, isl: Array, duration_s: Array, cached_ratio: Array | float = 0.0
) -> Utilisation:
    """While prompts of ``isl`` tokens are prefilled one after another, each in ``duration_s``."""
    read = weight_bytes_read(replica, isl * (1.0 - cached_ratio)) / replica.tp
    flop = prefill_flop(replica, isl, cached_ratio) / replica.tp
    return _utilisation(replica, read, flop, duration_s, np.zeros_like(duration_s))


def _utilisation(
    replica: Replica, read_bytes: Array, flop: Array, duration_s: Array, layers_per_s: Array
) -> Utilisation:
    return Utilisation(
        np.minimum(read_bytes / (replica.bytes_per_s * duration_s), 1.0),
        np.minimum(flop / (replica.flop_per_s * duration_s), 1.0),
        layers_per_s,
    )


def _uncapped_ratio(model: PowerModel, use: Utilisation) -> Array:
    params = model.params
    core = params.b_ratio * use.compute + params.sequence_layer_s * use.sequence_layers_per_s
    return model.floor_ratio + params.a_ratio * use.memory + core


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyPower:
    """A replica at work, phase by phase; arrays of one shape."""

    tp: int
    step_s: Array
    decode_w: Array
    """Per accelerator while it decodes."""
    prefill_s: Array
    """Seconds of prefill per decode step; 0 where prefill runs elsewhere."""
    prefill_w: Array
    """Per accelerator while it prefills."""

    @property
    def period_s(self) -> Array:
        """From one decode step to the next, the prefill between them included."""
        return self.step_s + self.prefill_s

    @property
    def mean_w(self) -> Array:
        """Per accelerator, mean over time."""
        energy = self.step_s * self.decode_w + self.prefill_s * self.prefill_w
        return energy / self.period_s


@dataclass(frozen=True, slots=True)
class Pace:
    """How long one phase of the work takes and what it draws; arrays of one shape."""

    seconds: Array
    watts: Array
    """Per accelerator, while it lasts."""


def step_pace(
    model: PowerModel,
    replica: Replica,
    batch: Array,
    isl: Array,
    osl: Array,
    power_cap_ratio: float = 1.0,
) -> Pace:
    """One decode step of ``batch`` sequences under a power cap; shapes broadcast."""
    step = decode_step_s(replica, batch, mean_context_tokens(isl, osl))
    use = decode_utilisation(replica, batch, isl, osl, step, prefills=False)
    return _paced(model, use, step, power_cap_ratio)


def step_s(
    model: PowerModel,
    replica: Replica,
    batch: Array,
    isl: Array,
    osl: Array,
    power_cap_ratio: float = 1.0,
) -> Array:
    """Seconds of :func:`step_pace`, without its watts where no cap makes them matter."""
    if power_cap_ratio >= 1.0:
        return decode_step_s(replica, batch, mean_context_tokens(isl, osl))
    return step_pace(model, replica, batch, isl, osl, power_cap_ratio).seconds


def prefill_pace(
    model: PowerModel,
    replica: Replica,
    isl: Array,
    cached_ratio: Array | float = 0.0,
    power_cap_ratio: float = 1.0,
) -> Pace:
    """The prefill of one prompt under a power cap; shape of ``isl``."""
    duration = prefill_s(replica, isl, cached_ratio)
    use = prefill_utilisation(replica, isl, duration, cached_ratio)
    return _paced(model, use, duration, power_cap_ratio)


def _paced(model: PowerModel, use: Utilisation, seconds: Array, power_cap_ratio: float) -> Pace:
    """Without a cap the accelerator's own limit is in the measured times already."""
    if power_cap_ratio >= 1.0:
        return Pace(seconds, accelerator_w(model, use))
    capped = capped_power(model, use, power_cap_ratio)
    return Pace(seconds * capped.slowdown, capped.watts)


def busy_power(
    model: PowerModel,
    replica: Replica,
    batch: Array,
    isl: Array,
    osl: Array,
    *,
    prefills: bool,
    cached_ratio: Array | float = 0.0,
    power_cap_ratio: float = 1.0,
) -> BusyPower:
    """A replica that decodes ``batch`` sequences and, with ``prefills``, their prompts too.

    Shapes broadcast; ``batch`` >= 1.
    """
    step = step_pace(model, replica, batch, isl, osl, power_cap_ratio)
    if not prefills:
        nothing = np.zeros_like(step.seconds)
        return BusyPower(
            tp=replica.tp, step_s=step.seconds, decode_w=step.watts,
            prefill_s=nothing, prefill_w=nothing,
        )  # fmt: skip
    prefill = prefill_pace(model, replica, isl, cached_ratio, power_cap_ratio)
    per_step = PREFILL_INTERFERENCE * batch / osl * prefill.seconds
    return BusyPower(
        tp=replica.tp,
        step_s=step.seconds,
        decode_w=step.watts,
        prefill_s=per_step,
        prefill_w=np.broadcast_to(prefill.watts, per_step.shape),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEnergy:
    """Accelerator energy of one request over all accelerators of the replica, idle included."""

    prefill_j: Array
    decode_j: Array
    osl_tokens: Array

    @property
    def prefill_j_per_output_token(self) -> Array:
        """Share of the prefill in the energy of an output token."""
        return self.prefill_j / self.osl_tokens

    @property
    def decode_j_per_output_token(self) -> Array:
        """Share of the decode steps in the energy of an output token."""
        return self.decode_j / self.osl_tokens

    @property
    def j_per_output_token(self) -> Array:
        """Both phases."""
        return self.prefill_j_per_output_token + self.decode_j_per_output_token


def request_energy(busy: BusyPower, batch: Array, osl: Array) -> RequestEnergy:
    """What each of ``batch`` sequences costs: the period shared by them, OSL times."""
    steps = busy.tp * osl / batch
    return RequestEnergy(
        prefill_j=steps * busy.prefill_s * busy.prefill_w,
        decode_j=steps * busy.step_s * busy.decode_w,
        osl_tokens=osl,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLoad:
    """A replica that gets a part of what it could serve; arrays of shape (slices,)."""

    batch: Array
    """Mean sequences running while any runs, >= 1."""
    busy_ratio: Array
    """Share of the time in which any sequence runs."""
    mean_w: Array
    """Per accelerator, idle time included."""


def part_load(
    model: PowerModel,
    replica: Replica,
    planned_batch: Array,
    isl: Array,
    osl: Array,
    load_ratio: Array,
    *,
    prefills: bool,
    cached_ratio: Array | float = 0.0,
    power_cap_ratio: float = 1.0,
) -> PartLoad:
    """Power at ``load_ratio`` (0 to 1) of the requests that ``planned_batch`` serves.

    Shape (slices,) all. This is what a router that spreads requests over replicas gets: the batch
    shrinks until its throughput is the load's (Little's law), steps shorten less than the batch,
    so energy falls by less than the load. Below the throughput of one sequence the replica idles
    in between. A router that packs instead fills replicas to ``planned_batch`` and leaves the
    others idle, for which power is proportional to the load: ``idle + load (busy - idle)``. That
    is what plans count with (:mod:`ecoserve.account`).
    """

    per_sequence = np.zeros_like(isl)
    if prefills:
        prefill = prefill_pace(model, replica, isl, cached_ratio, power_cap_ratio)
        per_sequence = PREFILL_INTERFERENCE * prefill.seconds / osl

    def requests_at(batch: Array) -> Array:
        """Sequences per period, in proportion to requests per second."""
        step = step_s(model, replica, batch, isl, osl, power_cap_ratio)
        return np.asarray(batch / (step + batch * per_sequence))

    wanted = load_ratio * requests_at(planned_batch)
    low, high = np.ones_like(planned_batch), planned_batch.astype(float)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        enough = requests_at(middle) >= wanted
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    busy = busy_power(
        model, replica, high, isl, osl, prefills=prefills, cached_ratio=cached_ratio,
        power_cap_ratio=power_cap_ratio,
    )  # fmt: skip
    busy_ratio = np.minimum(wanted / requests_at(high), 1.0)
    mean_w = model.idle_w + busy_ratio * (busy.mean_w - model.idle_w)
    return PartLoad(batch=high, busy_ratio=busy_ratio, mean_w=mean_w)


@dataclass(frozen=True, slots=True)
class CappedPower:
    """Work under a power cap; arrays of one shape."""

    watts: Array
    """Per accelerator."""
    slowdown: Array
    """Time under the cap over time without, >= 1."""


def can_be_capped(model: PowerModel, power_cap_ratio: float) -> bool:
    """Whether anything runs under this cap: it lies above the floor P0."""
    return power_cap_ratio >= 1.0 or power_cap_ratio > model.floor_ratio


def capped_power(model: PowerModel, use: Utilisation, power_cap_ratio: float) -> CappedPower:
    """The same work with the accelerator limited to ``power_cap_ratio`` of its TDP.

    Assumed, not measured: the core clock f falls, the memory's does not. Compute and per-sequence
    energy go with f^2 (voltage follows frequency), and the part of the time in which compute is
    the limit, u_cmp over ``COMPUTE_FULL_RATIO``, stretches by 1/f; memory-bound work keeps its
    pace. Where the lowest clock is still too much, everything slows until the energy above P0
    fits. Raises ValueError for a cap at or below P0, under which nothing runs.
    """
    floor, limit = model.floor_ratio, min(power_cap_ratio, model.params.cap_ratio)
    if limit <= floor:
        raise ValueError(f"power cap {power_cap_ratio:g} of TDP is not above the floor {floor:g}")
    free = np.minimum(_uncapped_ratio(model, use), model.params.cap_ratio)
    memory = np.minimum(model.params.a_ratio * use.memory, free - floor)
    bound = np.minimum(use.compute / COMPUTE_FULL_RATIO, 1.0)

    rest, room = free - floor - memory, limit - floor
    is_over = free > limit

    def stretch(clock: Array) -> Array:
        return 1.0 + bound * (1.0 / clock - 1.0)

    # At the cap, memory + rest f^2 = room stretch(f): a cubic in f, convex and rising from 1 down
    # to its root, so that Newton's steps fall towards it and stop at the lowest clock.
    clock = np.ones_like(free)
    linear = memory - room * (1.0 - bound)
    for _ in range(NEWTON_STEPS):
        excess = rest * clock**3 + linear * clock - room * bound
        slope = np.where(is_over, 3.0 * rest * clock**2 + linear, 1.0)
        step = np.where(is_over, excess / slope, 0.0)
        clock = np.maximum(clock - step, SLOWEST_CLOCK_RATIO)
    needed = (memory + rest * clock**2) / stretch(clock)
    slower = np.maximum(needed / room, 1.0)
    return CappedPower(model.tdp_w * np.minimum(floor + needed, limit), stretch(clock) * slower)


def host_on_w(server: Server, catalog: Catalog) -> float:
    """Watts of the host while the server is on and feeds its accelerators, they excluded."""
    return host_w(server, catalog, 1.0)


def host_w(server: Server, catalog: Catalog, load_ratio: float) -> float:
    """Watts of the host at ``load_ratio`` (0 idle, 1 planned) of its accelerators' work.

    CPU from idle to what serving takes, fans and NICs times the share of the host; DRAM and SSD as
    rented. CPUs and DRAM also lose in their voltage regulators. ``n_nics`` counts those of the
    machine.
    """
    host, value = catalog.host(server.host_id), catalog.host_power_value
    idle, busy = value("cpu_idle_ratio"), value("cpu_busy_ratio")
    cpu_ratio = idle + load_ratio * value("cpu_serving_utilisation") * (busy - idle)
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
