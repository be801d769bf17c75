"""Which measured points speak about which serving parameters."""

from __future__ import annotations

from collections.abc import Sequence

from ecoserve.catalog import Catalog
from ecoserve.errors import CatalogError, MissingDataError
from ecoserve.fitting import CPU_STACK, priors_of, start_of
from ecoserve.performance import compute_tflops
from ecoserve.points import MeasuredPoint, is_weight_only, precision_id, stack_id
from ecoserve.prediction import Setup, setup_of
from ecoserve.rows import CalibrationPlan

MIN_POINTS = 5


def plan_of(catalog: Catalog, family: str, stack: str, precision: str) -> CalibrationPlan:
    """The plan of a key; raises :class:`MissingDataError` where there is none."""
    found = catalog.calibration_plans.get(f"{family}/{stack}/{precision}")
    if found is None:
        raise MissingDataError(f"no calibration plan for {family} with {stack} at {precision}")
    return found


def points_of(
    points: Sequence[MeasuredPoint], catalog: Catalog, plan: CalibrationPlan
) -> tuple[tuple[Setup, ...], tuple[str, ...]]:
    """The points of a plan's key that the model can speak about, and why not of the others.

    Points of other keys are passed over in silence, as are all-reduces: latency and bandwidth of
    links are figures of the accelerator.
    """
    base = start_of(plan, priors_of(plan))
    found: list[Setup] = []
    left_out: list[str] = []
    for point in points:
        if not _has_key(point, catalog, plan):
            continue
        try:
            if point.latency_s is None:
                raise MissingDataError("no latency")
            _check_arithmetic(point, catalog)
            found.append(setup_of(point, catalog, base))
        except CatalogError as error:
            left_out.append(f"{point.model} on {point.hardware}, {point.phase}: {error}")
    dense = [setup for setup in found if setup.replica.expert_bytes == 0.0]
    if len(dense) >= MIN_POINTS and len(dense) < len(found):
        left_out.append(f"{len(found) - len(dense)} points of mixtures of experts")
        found = dense
    return tuple(found), tuple(left_out)


def _check_arithmetic(point: MeasuredPoint, catalog: Catalog) -> None:
    """A share of the peak means something else where products run at another rate than plans'."""
    if point.hardware in catalog.measured_cpus or not is_weight_only(point.precision):
        return
    accelerator, precision = catalog.accelerator(point.hardware), precision_id(point.precision)
    if compute_tflops(accelerator, precision) > accelerator.bf16_tflops:
        raise MissingDataError(
            f"{point.precision} multiplies at 16 bits, {precision} in plans natively"
        )


def _has_key(point: MeasuredPoint, catalog: Catalog, plan: CalibrationPlan) -> bool:
    if point.phase == "allreduce":
        return False
    try:
        key = key_of(point, catalog)
    except CatalogError:
        return False
    return key == (plan.family, plan.stack, plan.precision)


def key_of(point: MeasuredPoint, catalog: Catalog) -> tuple[str, str, str]:
    """Family, stack and precision of a point; raises :class:`CatalogError` for what is unknown."""
    precision = precision_id(point.precision)
    cpu = catalog.measured_cpus.get(point.hardware)
    if cpu is not None:
        return cpu.family, CPU_STACK, precision
    if not point.stack.strip():
        raise MissingDataError("no stack")
    return catalog.accelerator(point.hardware).family, stack_id(point.stack), precision
