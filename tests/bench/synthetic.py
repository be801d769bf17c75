"""Invented traffic and hardware of any size, in the formulation's own terms.

Speeds follow a roofline: prefill is bound by arithmetic, decode by the weights and the cache read
per step. No accelerator here is a product.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from ecoserve.demand import WorkloadDemand
from ecoserve.scenario_parts import Workload
from ecoserve.service import Device, Service
from ecoserve.terms import FleetTerms, ServerTerms, SiteTerms

HOURS = 24
TP = (1, 2, 4, 8)
SLOTS = 8
WEIGHTS_GB = (16.0, 70.0, 140.0)
TPOT_S, TTFT_S = 0.08, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large an instance is; every model has two online workloads and an offline one."""

    models: int
    buckets: int
    """Of each model, over its workloads."""
    options: int
    """Of each model: accelerators times tensor parallelism, those that hold the model."""
    phases_apart: bool = True
    rate_rps: float = 3000.0
    """Mean, of each model."""
    sites: int = 1


M24 = Size(models=1, buckets=100, options=30)
L1R = Size(models=3, buckets=200, options=40)
SIX_SITES = Size(models=3, buckets=200, options=40, sites=6)
WHOLE_ONLY = Size(models=1, buckets=100, options=30, phases_apart=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chip:
    id: str
    memory_gb: float
    gb_per_s: float
    tflops: float
    tdp_w: float
    idle_w: float
    usd_per_h: float
    embodied_kg: float


def synthetic_terms(size: Size, seed: int = 0) -> FleetTerms:
    """The terms of an instance; the same size and seed give the same."""
    rng = np.random.default_rng(seed)
    chips = _chips(rng, size)
    demands = [d for model in range(size.models) for d in _demands(rng, size, model)]
    services = [
        replace(service, site=site)
        for site in range(size.sites)
        for demand in demands
        for chip, tp in _devices(chips, size, demand.workload.llm)
        for service in _services(chip, tp, demand, size)
    ]
    return FleetTerms(
        demands=tuple(demands),
        services=tuple(services),
        masks={s.id: s.fits for s in services},
        on_time={s.id: (s.own_ttft_s <= TTFT_S).astype(float) for s in services},
        utilisation={s.pool_id: 0.8 for s in services},
        sites=tuple(_site(index) for index in range(size.sites)),
        servers=tuple(replace(_server(chip), site=i) for i in range(size.sites) for chip in chips),
        psu_efficiency=0.94,
        burst=1.1,
        min_replicas=1,
        shift=True,
    )


def _site(index: int) -> SiteTerms:
    """Sunny around noon, at another hour and to another degree at each site."""
    hour = (np.arange(HOURS) + 4 * index) % HOURS
    sun = np.exp(-(((hour - 13) / 4.0) ** 2))
    return SiteTerms(
        index=index, name=f"site{index}", pue=1.2 + 0.02 * index, usd_per_kwh=0.1 - 0.005 * index,
        kg_per_kwh=0.25 + 0.03 * index - (0.1 + 0.02 * index) * sun,
    )  # fmt: skip


def _chips(rng: np.random.Generator, size: Size) -> list[_Chip]:
    """Faster ones cost more, draw more and do more per watt, each with its own accidents."""
    n = -(-size.options // len(TP)) + 4
    chips = []
    for number, step in enumerate(np.linspace(0.0, 1.0, n)):
        luck = rng.uniform(0.7, 1.3, 6)
        scale = 20.0**step
        chips.append(
            _Chip(
                id=f"chip{number}", memory_gb=float(np.round(24 * 8**step * luck[0])),
                gb_per_s=300 * scale * luck[1], tflops=100 * scale * luck[2],
                tdp_w=90 * 10**step * luck[3], idle_w=20 * 6**step * luck[3],
                usd_per_h=0.4 * 12**step * luck[4], embodied_kg=40 * 5**step * luck[5],
            )
        )  # fmt: skip
    return chips


def _devices(chips: list[_Chip], size: Size, llm: str) -> list[tuple[_Chip, int]]:
    """As many as asked for, spread over the accelerators that hold the model."""
    weights = WEIGHTS_GB[int(llm.removeprefix("model"))]
    fitting = [(chip, tp) for tp in TP for chip in chips if 0.85 * tp * chip.memory_gb > weights]
    return fitting[: size.options]


def _server(chip: _Chip) -> ServerTerms:
    return ServerTerms(
        server_id=f"box_{chip.id}",
        accelerator_id=chip.id,
        n_accelerators=SLOTS,
        on_kw=(250.0 + SLOTS * chip.idle_w) / 940.0,
        embodied_kg_per_day=(1500.0 + SLOTS * chip.embodied_kg) / (365.0 * 4.0),
        usd_per_day=24.0 * (0.5 + SLOTS * chip.usd_per_h) / 4.0,
        spare_sockets=0.0,
        kv_gb_per_s=40.0,
        max_count=None,
    )


def _demands(rng: np.random.Generator, size: Size, model: int) -> list[WorkloadDemand]:
    parts = (("chat", 0.5, 0.4), ("code", 0.3, 0.4), ("batch", 0.2, 0.2))
    found = []
    for place, (name, share, of_buckets) in enumerate(parts):
        n = round(size.buckets * of_buckets)
        isl, osl = np.exp(rng.uniform(4.0, 8.5, n)), np.exp(rng.uniform(3.0, 7.0, n))
        mix = rng.dirichlet(np.full(n, 0.8)) + 0.02 / n
        found.append(
            WorkloadDemand(
                index=3 * model + place,
                workload=_workload(f"{name}{model}", f"model{model}", online=name != "batch"),
                llm=SimpleNamespace(id=f"model{model}"),  # type: ignore[arg-type]
                isl_tokens=isl, osl_tokens=osl,
                rate_rps=size.rate_rps * share * mix / mix.sum(),
                hourly_ratio=_profile(name), peak_ratio=_profile(name),
            )
        )  # fmt: skip
    return found


def _profile(name: str) -> Any:
    hour = np.arange(HOURS)
    if name == "batch":
        return np.ones(HOURS)
    peak = 14 if name == "chat" else 10
    shape = 1.0 + 0.6 * np.cos(2 * np.pi * (hour - peak) / HOURS)
    return shape / shape.mean()


def _workload(name: str, llm: str, *, online: bool) -> Workload:
    data: dict[str, Any] = {"name": name, "llm": llm, "mix": "synthetic", "rate_rps": 1.0}
    if online:
        data["slo"] = {"ttft_s": TTFT_S, "tpot_s": TPOT_S, "percentile": 0.9}
    else:
        data["kind"] = "offline"
    return Workload.model_validate(data)


def _services(chip: _Chip, tp: int, demand: WorkloadDemand, size: Size) -> list[Service]:
    roles = ("mixed", "prefill", "decode") if size.phases_apart else ("mixed",)
    return [_service(chip, tp, demand, role) for role in roles]


def _service(chip: _Chip, tp: int, demand: WorkloadDemand, role: Any) -> Service:
    weights = WEIGHTS_GB[int(demand.workload.llm.removeprefix("model"))]
    isl, osl = demand.isl_tokens, demand.osl_tokens
    pace = tp**0.9
    prefill_s = 0.02 + weights * isl / (1e3 * chip.tflops * 0.5 * pace)
    cache_gb = 1e-5 * weights * (isl + osl / 2) / 10.0
    room = 0.85 * tp * chip.memory_gb - weights
    read_s = chip.gb_per_s * 0.6 * pace
    in_memory = np.minimum(room / cache_gb, 256.0)
    in_time = np.maximum(TPOT_S * read_s - weights, 0.0) / cache_gb
    batch = np.maximum(np.minimum(in_memory, in_time if demand.is_online else in_memory), 1.0)
    step_s = (weights + batch * cache_gb) / read_s
    prefills, decodes = role != "decode", role != "prefill"
    dynamic_w = tp * (chip.tdp_w - chip.idle_w)
    zeros = np.zeros_like(isl)
    device = Device(
        llm_id=demand.llm.id, accelerator_id=chip.id, server_id="", tp=tp, precision="bf16",
        replica=None, provenance=None,  # type: ignore[arg-type]
    )  # fmt: skip
    return Service(
        workload=demand.workload.name, workload_index=demand.index, device=device, role=role,
        fits=in_memory >= 1.0, keeps_tpot=(weights + cache_gb) / read_s <= TPOT_S,
        batch=batch, bound_by=np.full(len(isl), "memory"),
        load_s=prefills * prefill_s + decodes * osl * step_s / batch,
        dynamic_w=dynamic_w * np.where(decodes, 0.7, 1.0) + zeros,
        busy_w=chip.tdp_w + zeros, fitted=np.ones(len(isl), dtype=bool),
        own_ttft_s=prefill_s if prefills else zeros, queued_s=prefill_s if prefills else zeros,
        tpot_s=step_s if decodes else zeros, unloaded_s=prefill_s + osl * step_s,
        kv_bytes=zeros if role == "mixed" else cache_gb * 1e9,
    )  # fmt: skip
