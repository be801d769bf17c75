"""What Reuse is worth: host CPUs beside accelerators, token by token, and on which grid it pays.

A CPU socket that is there anyway pays only its own extra watts. The same work on an accelerator
pays the accelerator's extra watts, and at most the replica-seconds of a whole server: its standing
draw and its making. CPU work saves carbon below the intensity at which the two are equal,

    I* = making / (PUE (CPU energy - accelerator energy - standing energy))     per token,

and only where the accelerator time it frees is really not bought: I* is the most one can hope for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecoserve.analysis.edits import INTENSITY, edited, for_carbon
from ecoserve.catalog import Catalog
from ecoserve.demand import WorkloadDemand, workload_demands
from ecoserve.embodied import server_footprint
from ecoserve.offers import allowed_servers, host_sockets
from ecoserve.operational import site_pue
from ecoserve.options import services
from ecoserve.planner import Effort
from ecoserve.power import server_idle_w, wall_w
from ecoserve.questions import Progress, Question, Runner, serially
from ecoserve.rows import Server
from ecoserve.scenario import Scenario
from ecoserve.service import Service
from ecoserve.units import SECONDS_PER_HOUR, g_from_kg

Array = NDArray[np.float64]
J_PER_KWH = 3.6e6
CLEANEST_G_PER_KWH = 1.0
DIRTIEST_G_PER_KWH = 1000.0
HALVINGS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ReuseBreakEven:
    """One offline workload on the CPUs of one kind of server, beside the best accelerator."""

    server: str
    workload: str
    sockets: float
    """Of one server, before what serving itself needs."""
    tokens_per_s: float
    """Output tokens of one busy socket."""
    j_per_token: float
    """At the wall, above idle, of a CPU."""
    accelerator: str
    """The one with the least energy above idle for this workload."""
    accelerator_j_per_token: float
    break_even_g_per_kwh: float
    """The highest intensity at which it could pay; infinite where it could on any grid."""
    served_share: float
    """Share of the workload's requests that fit a socket's memory."""

    @property
    def sentence(self) -> str:
        """The row in words."""
        told = (
            f"{self.workload} on the CPUs of {self.server}: {self.tokens_per_s:.3g} tokens/s a "
            f"socket, {self.j_per_token:.3g} J a token against {self.accelerator_j_per_token:.3g} "
            f"on {self.accelerator}"
        )
        if math.isinf(self.break_even_g_per_kwh):
            return f"{told}; it could pay on any grid where it saves whole servers"
        return f"{told}; it could pay below {self.break_even_g_per_kwh:.3g} gCO2e/kWh at most"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReuseEntry:
    """From which intensity downwards plans really use host CPUs."""

    enters_below_g_per_kwh: float | None
    """None where not even the cleanest grid tried makes it pay."""
    cleanest_g_per_kwh: float
    dirtiest_g_per_kwh: float

    @property
    def sentence(self) -> str:
        """The finding in words; no promise."""
        if self.enters_below_g_per_kwh is None:
            return (
                f"Reuse never enters: not even at {self.cleanest_g_per_kwh:g} gCO2e/kWh does the "
                f"plan run offline work on host CPUs"
            )
        if self.enters_below_g_per_kwh >= self.dirtiest_g_per_kwh:
            return f"Reuse is in the plan up to {self.dirtiest_g_per_kwh:g} gCO2e/kWh"
        return f"Reuse enters the plan below about {self.enters_below_g_per_kwh:.3g} gCO2e/kWh"


def reuse_break_even(scenario: Scenario, catalog: Catalog) -> tuple[ReuseBreakEven, ...]:
    """Every offline workload on every allowed server whose CPUs can run it, the best first.

    At the users' own site, on hosts with all their DRAM.
    """
    asked = edited(scenario, {"levers.reuse": True})
    demands = {demand.workload.name: demand for demand in workload_demands(asked, catalog)}
    found = [s for s in services(asked, catalog, tuple(demands.values())) if s.site == 0]
    servers = {server.id: server for server in allowed_servers(asked, catalog)}
    rows = []
    for service in found:
        on_full_host = service.role == "host_cpu" and not service.device.variant
        if on_full_host and service.fits.any():
            rivals = [s for s in found if s.workload == service.workload and s.role == "mixed"]
            demand = demands[service.workload]
            rows.append(_row(service, rivals, demand, servers, asked, catalog))
    return tuple(sorted(rows, key=lambda row: (-row.break_even_g_per_kwh, row.j_per_token)))


def reuse_entry(
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort = "interactive",
    *,
    run: Runner = serially,
    on_progress: Progress | None = None,
) -> ReuseEntry:
    """Plans on ever dirtier grids until host CPUs leave the plan, by halving the range."""
    asked = edited(for_carbon(scenario), {"levers.reuse": True})

    def used_at(intensity: float) -> bool:
        question = Question(
            scenario=edited(asked, {INTENSITY: intensity}),
            label=f"{intensity:.3g} g/kWh",
        )
        (answer,) = run([question], catalog, effort, on_progress)
        return any(pool.role == "host_cpu" for pool in answer.expect().pools)

    low, high = CLEANEST_G_PER_KWH, DIRTIEST_G_PER_KWH
    enters: float | None = None
    if used_at(low):
        enters = high if used_at(high) else _last_used(low, high, used_at)
    return ReuseEntry(
        enters_below_g_per_kwh=enters, cleanest_g_per_kwh=low, dirtiest_g_per_kwh=high
    )


def _last_used(low: float, high: float, used_at: Callable[[float], bool]) -> float:
    """Between an intensity at which it is used and one at which it is not, by halving the ratio."""
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if used_at(middle) else (low, middle)
    return math.sqrt(low * high)


def _row(
    service: Service,
    rivals: Sequence[Service],
    demand: WorkloadDemand,
    servers: Mapping[str, Server],
    scenario: Scenario,
    catalog: Catalog,
) -> ReuseBreakEven:
    where = service.fits
    cpu_j, cpu_s = _per_token(service, demand, where, catalog)
    able = [rival for rival in rivals if (rival.fits >= where).all()]
    costs = [_per_token(rival, demand, where, catalog) for rival in able]
    best = min(range(len(able)), key=lambda i: costs[i][0], default=None)
    pue = site_pue(scenario.site, catalog)
    corners = [
        _corner(rival, seconds, cpu_j - joules, pue, servers, scenario, catalog)
        for rival, (joules, seconds) in zip(able, costs, strict=True)
    ]
    return ReuseBreakEven(
        server=service.device.server_id,
        workload=service.workload,
        sockets=host_sockets(servers[service.device.server_id], catalog),
        tokens_per_s=1.0 / cpu_s,
        j_per_token=cpu_j,
        accelerator="" if best is None else able[best].device.accelerator_id,
        accelerator_j_per_token=math.nan if best is None else costs[best][0],
        break_even_g_per_kwh=min(corners, default=math.inf),
        served_share=float(demand.fraction[where].sum()),
    )


def _per_token(
    service: Service, demand: WorkloadDemand, where: NDArray[np.bool_], catalog: Catalog
) -> tuple[float, float]:
    """(J at the wall above idle, busy replica-seconds) of an output token, over these buckets."""
    busy = demand.rate_rps[where] * service.load_s[where]
    tokens = float(demand.rate_rps[where] @ demand.osl_tokens[where])
    joules = wall_w(float(busy @ service.dynamic_w[where]), catalog)
    return joules / tokens, float(busy.sum()) / tokens


def _corner(
    rival: Service,
    seconds: float,
    more_j: float,
    pue: float,
    servers: Mapping[str, Server],
    scenario: Scenario,
    catalog: Catalog,
) -> float:
    """I* against one accelerator, on the server with the least making a replica-second."""
    hardware, set_id = scenario.hardware, scenario.policy.coefficients
    headroom = scenario.policy.headroom
    corners = []
    for server in servers.values():
        if server.accelerator_id != rival.device.accelerator_id:
            continue
        if server.n_accelerators < rival.device.tp:
            continue
        share = seconds * rival.device.tp / server.n_accelerators / (1.0 - headroom)
        made = server_footprint(server.id, set_id, catalog)
        per_h = made.total_kgco2e_per_h(hardware.accelerator_years, hardware.host_years)
        making_g = g_from_kg(per_h) / SECONDS_PER_HOUR * share
        dearer_j = more_j - share * server_idle_w(server, catalog)
        dear_kwh = pue * dearer_j / J_PER_KWH
        corners.append(making_g / dear_kwh if dear_kwh > 0 else math.inf)
    return min(corners, default=math.inf)
