"""The parameters that suit measured points best, from what is known before the points.

    minimise  sum_i rho(ln predicted_i - ln measured_i) + s sum_p ((ln p - ln p0) / width_p)^2

with rho the soft-L1 loss at a scale of 10 % and a prior per parameter, worth
:data:`PRIOR_POINTS` points, from micro-benchmarks of single operators or from a neighbouring key.
``t0`` and the latency of an all-reduce are fixed by the plan: points do not tell them from
``t_layer``. ``mfu_decode`` is fixed below batch 128, where it does not show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from ecoserve.performance import Replica
from ecoserve.point_latency import Work, latency_of
from ecoserve.points import Load, MeasuredPoint, Phase
from ecoserve.prediction import Setup, stacked
from ecoserve.rows import CalibrationPlan, ServingParameters

Array = NDArray[np.float64]

LOSS_SCALE = 0.1
"""Relative error beyond which a point counts linearly, not by its square."""
PRIOR_POINTS = 3.0
SLOW_SIDE = 0.6
"""Share of the mean TTFTs under a closed loop that a fit must not undercut."""
LARGE_BATCH = 128
"""From here on compute shows in a decode step."""
MIN_SPLIT_PREFILLS = 10
"""Isolated prefills over several accelerators that the reached bus bandwidth needs."""
IDENTIFIED_RATIO = 0.5
"""A parameter is identified when the points narrow its prior to this share of the width."""
SLOW_START = 0.1
"""Second start of a descent: mfu at this share of its prior, for stacks whose products are slow."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What is known of a parameter before the points: centre, width of its logarithm, bounds."""

    centre: float
    width: float
    low: float
    high: float


PRIORS = {
    "mbu": Prior(0.85, 0.08, 0.1, 1.0),
    "mbu_kv": Prior(0.78, 0.15, 0.03, 1.0),
    "mfu_decode": Prior(0.65, 0.15, 0.01, 1.0),
    "mfu_prefill": Prior(0.55, 0.2, 0.01, 1.0),
    "t_layer_s": Prior(60e-6, 0.6, 1e-6, 5e-3),
    "t_seq_s": Prior(50e-6, 0.6, 1e-7, 5e-3),
    "t_request_s": Prior(15e-3, 0.6, 1e-4, 1.0),
    "bus_ratio": Prior(1.0, 0.7, 0.02, 1.0),
}
"""Efficiencies from products and attention measured alone on A100 to B200, overheads from the range
of published serving stacks."""
NARROW_PRIORS = {
    "mfu_decode": Prior(0.5, 0.15, 0.01, 1.0),
    "mfu_prefill": Prior(0.5, 0.2, 0.01, 1.0),
}
"""For weights of 8 bits and fewer, whose kernels do not reach the nominal peak."""
CPU_PRIORS = {
    "mbu": Prior(0.75, 0.15, 0.1, 1.0),
    "mbu_kv": Prior(0.28, 0.3, 0.03, 1.0),
    "mfu_decode": Prior(0.2, 0.4, 0.01, 1.0),
    "mfu_prefill": Prior(0.2, 0.4, 0.01, 1.0),
    "t_layer_s": Prior(10e-6, 0.6, 1e-7, 5e-3),
    "t_seq_s": Prior(50e-6, 0.6, 1e-7, 5e-3),
    "t_request_s": Prior(15e-3, 0.6, 1e-4, 1.0),
    "bus_ratio": Prior(1.0, 0.3, 0.02, 1.0),
}
"""Sockets: bandwidth as the usual stream tests reach it, sustained rates of the matrix units."""
CPU_STACK = "cpu"


def priors_of(
    plan: CalibrationPlan,
    neighbour: ServingParameters | None = None,
    layers: ServingParameters | None = None,
) -> dict[str, Prior]:
    """The priors of a plan's key, centred on a neighbour's parameters if given.

    Without one, that of ``mfu_prefill`` on the rate which ``layers`` reach.
    """
    known = CPU_PRIORS if plan.stack == CPU_STACK else PRIORS
    if plan.stack != CPU_STACK and plan.precision != "bf16":
        known = {**known, **NARROW_PRIORS}
    if neighbour is None:
        if layers is None:
            return known
        prefill = replace(known["mfu_prefill"], centre=layers.mfu_decode)
        return {**known, "mfu_prefill": prefill}
    return {
        name: replace(prior, centre=min(max(getattr(neighbour, name), prior.low), prior.high))
        for name, prior in known.items()
    }


def start_of(plan: CalibrationPlan, priors: Mapping[str, Prior]) -> ServingParameters:
    """The parameters of a plan's key at the centres of their priors."""
    centres: dict[str, Any] = {name: prior.centre for name, prior in priors.items()}
    return ServingParameters(
        id=plan.id, family=plan.family, stack=plan.stack, precision=plan.precision,
        allreduce_latency_s=plan.allreduce_latency_s, t0_s=plan.t0_s,
        overlap_norm=plan.overlap_norm, error_band=1.0, provenance="calibrated",
        source_id=plan.source_id, quality="modelled", note=plan.note, **centres,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Group:
    """Stacked points of one phase under one load."""

    phase: Phase
    load: Load
    replica: Replica
    work: Work
    measured_s: Array

    def predicted_s(self, params: ServingParameters) -> Array:
        replica = replace(self.replica, params=params)
        return latency_of(self.phase, self.load, replica, self.work)

    def log_errors(self, params: ServingParameters) -> Array:
        return np.log(self.predicted_s(params) / self.measured_s)


def best_parameters(
    setups: Sequence[Setup], plan: CalibrationPlan, priors: Mapping[str, Prior]
) -> tuple[ServingParameters, tuple[str, ...]]:
    """The best parameters, and which of them the points identify.

    Mean TTFT under a closed loop is mostly waiting, so those rows speak about ``t_request`` only,
    once the rest is known, and on the slow side.
    """
    queued = [setup for setup in setups if is_queued(setup.point)]
    plain = [setup for setup in setups if not is_queued(setup.point)]
    params = replace(start_of(plan, priors), overlap_norm=1.0)
    identified: tuple[str, ...] = ()
    if plain:
        free, groups = _free(plain), _groups(plain)
        params, identified = _descend(params, {name: priors[name] for name in free}, groups)
        if plan.overlap_norm != 1.0:
            # Hidden overheads have no slope: their sum with the rest is where to start from.
            params = replace(params, overlap_norm=plan.overlap_norm)
            params, identified = _descend(params, {name: priors[name] for name in free}, groups)
    if queued:
        (group,) = _groups(queued)
        waited = group.measured_s - group.predicted_s(replace(params, t_request_s=0.0))
        bounds = priors["t_request_s"]
        request = np.clip(np.quantile(waited, SLOW_SIDE), bounds.low, bounds.high)
        params = replace(params, t_request_s=float(request))
        identified += ("t_request_s",)
    return params, identified


def is_queued(point: MeasuredPoint) -> bool:
    """Whether a row shows a mean TTFT under a closed loop."""
    return point.phase == "prefill" and point.convention.load == "closed_loop"


def _free(setups: Sequence[Setup]) -> tuple[str, ...]:
    """Parameters that rows of these kinds can speak about."""
    phases = {setup.point.phase for setup in setups}
    if phases == {"linear_layer"}:
        return ("mbu", "mfu_decode", "t_layer_s")
    names = ["mbu", "t_layer_s"]
    if phases & {"decode", "e2e"}:
        names += ["mbu_kv", "t_seq_s"]
        if max(s.batch for s in setups if s.point.phase in ("decode", "e2e")) >= LARGE_BATCH:
            names.append("mfu_decode")
    if phases & {"prefill", "e2e"} or any(s.point.convention.load != "isolated" for s in setups):
        names.append("mfu_prefill")
    isolated = [setup for setup in setups if setup.point.phase == "prefill"]
    if isolated:
        names.append("t_request_s")
    if sum(setup.replica.tp > 1 for setup in isolated) >= MIN_SPLIT_PREFILLS:
        names.append("bus_ratio")
    return tuple(sorted(names))


def _descend(
    start: ServingParameters, priors: Mapping[str, Prior], groups: Sequence[_Group]
) -> tuple[ServingParameters, tuple[str, ...]]:
    free = tuple(priors)
    centre = np.log([prior.centre for prior in priors.values()])
    width = np.array([prior.width for prior in priors.values()])
    strength = LOSS_SCALE * np.sqrt(PRIOR_POINTS)

    def at(logs: Array) -> ServingParameters:
        return replace(start, **dict(zip(free, np.exp(logs).tolist(), strict=True)))

    def residuals(logs: Array) -> Array:
        params = at(logs)
        data = [group.log_errors(params) for group in groups]
        return np.concatenate([*data, strength * (logs - centre) / width])

    low = np.log([prior.low for prior in priors.values()])
    high = np.log([prior.high for prior in priors.values()])
    first = np.log([getattr(start, name) for name in free])
    slower = first + np.where([name.startswith("mfu") for name in free], np.log(SLOW_START), 0.0)
    runs = [
        least_squares(
            residuals, np.clip(logs, low + 1e-6, high - 1e-6), bounds=(low, high), loss="soft_l1",
            f_scale=LOSS_SCALE, xtol=1e-10, ftol=1e-10, gtol=1e-10,
        )
        for logs in (first, slower)
    ]  # fmt: skip
    found = min(runs, key=lambda run: float(f"{run.cost:.6g}"))
    return at(found.x), _identified(free, width, residuals, found.x)


def _identified(
    free: tuple[str, ...], width: Array, residuals: Callable[[Array], Array], logs: Array
) -> tuple[str, ...]:
    """Parameters whose logarithm is known much better than the width of its prior, by the
    curvature of the squared residuals at the optimum."""
    step = 1e-4
    units = step * np.eye(len(logs))
    moved = [residuals(logs + unit) - residuals(logs - unit) for unit in units]
    jacobian = np.array(moved).T / (2 * step * LOSS_SCALE)
    spread = np.sqrt(np.diag(np.linalg.inv(jacobian.T @ jacobian)))
    return tuple(
        name
        for name, now, before in zip(free, spread, width, strict=True)
        if now < IDENTIFIED_RATIO * before
    )


def _groups(setups: Sequence[Setup]) -> tuple[_Group, ...]:
    groups = []
    for key in sorted({(s.point.phase, s.point.convention.load) for s in setups}):
        mine = [s for s in setups if (s.point.phase, s.point.convention.load) == key]
        replica, work = stacked(mine)
        measured = [s.point.latency_s for s in mine]
        groups.append(_Group(*key, replica, work, np.array(measured, dtype=float)))
    return tuple(groups)


def relative_errors(setups: Sequence[Setup], params: ServingParameters) -> list[float]:
    """Relative error of each point, in order."""
    order: dict[int, float] = {}
    for key in sorted({(s.point.phase, s.point.convention.load) for s in setups}):
        mine = [s for s in setups if (s.point.phase, s.point.convention.load) == key]
        replica, work = stacked(mine)
        predicted = latency_of(*key, replace(replica, params=params), work)
        for setup, value in zip(mine, predicted, strict=True):
            assert setup.point.latency_s is not None
            order[id(setup)] = float(value) / setup.point.latency_s - 1.0
    return [order[id(setup)] for setup in setups]
