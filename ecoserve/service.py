"""One workload on one device in one role: what the program chooses among."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecoserve.performance import Replica
from ecoserve.plan import Role
from ecoserve.rows import Provenance

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Words = NDArray[np.str_]


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
