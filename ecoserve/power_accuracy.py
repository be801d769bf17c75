"""How far power and energy are off where neither the speed nor the power fit saw the model.

What is tested is what plans use: :func:`ecoserve.power.busy_power` at predicted latencies. Speed
and power parameters are both fitted without the model, or without the accelerator, of a point.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ecoserve.calibration import fitted, layers_of
from ecoserve.catalog import Catalog
from ecoserve.fit_points import key_of, plan_of, points_of
from ecoserve.points import MeasuredPoint
from ecoserve.power_calibration import (
    PowerCoefficients,
    PowerPoint,
    fit_power,
    held_out_coefficients,
    model_of,
)
from ecoserve.power_rows import power_points_of
from ecoserve.prediction import Setup, at_work, decoding, setup_of
from ecoserve.rows import PowerPlan, ServingParameters

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Measured:
    """A point with a power, and what the power fit makes of it."""

    point: MeasuredPoint
    power: PowerPoint


def power_and_energy(catalog: Catalog) -> tuple[list[float], list[float]]:
    """Relative errors of watts and of energy per output token, each model held out of both fits.

    Of dense models on the families whose power has a fit of its own.
    """
    power: list[float] = []
    energy: list[float] = []
    for family in sorted(_own_families(catalog)):
        rows = _measured(catalog, family)
        coefficients = held_out_coefficients([row.power for row in rows], lambda p: p.model)
        speeds: dict[tuple[Key, str], ServingParameters] = {}
        for row, found in zip(rows, coefficients, strict=True):
            key, model = key_of(row.point, catalog), row.point.model
            if (key, model) not in speeds:
                speeds[key, model] = _speed_without_model(catalog, key, model)
            watts, joules = _errors(row, found, setup_of(row.point, catalog, speeds[key, model]))
            power.append(watts)
            energy.append(joules)
    return power, energy


def unseen_power(catalog: Catalog) -> list[float]:
    """Relative errors of watts on families that the power fit has not seen, speed transferred from
    another family under the same stack."""
    errors: list[float] = []
    for plan in _borrowing(catalog):
        joint = [row.power for family in plan.families for row in _measured(catalog, family)]
        rows = _measured(catalog, plan.id)
        found = fit_power(joint).coefficients if rows else None
        speeds: dict[Key, ServingParameters] = {}
        for row in rows:
            assert found is not None
            key = key_of(row.point, catalog)
            if key not in speeds:
                speeds[key] = _speed_of_others(catalog, key)
            own = _setup_with(row.point, catalog, speeds[key])
            errors.append(_errors(row, found, own)[0])
    return errors


def _own_families(catalog: Catalog) -> set[str]:
    return {plan.id for plan in catalog.power_plans.values() if plan.families == (plan.id,)}


def _borrowing(catalog: Catalog) -> Iterator[PowerPlan]:
    return (p for _, p in sorted(catalog.power_plans.items()) if p.id not in p.families)


def _measured(catalog: Catalog, family: str) -> list[_Measured]:
    """The family's points with a power that the form can use."""
    found: list[_Measured] = []
    for point in catalog.measured_points:
        rows = power_points_of([point], catalog).by_family.get(family, ())
        found += [_Measured(point, row) for row in rows]
    return found


def _speed_without_model(catalog: Catalog, key: Key, model: str) -> ServingParameters:
    plan = plan_of(catalog, *key)
    setups = points_of(catalog.measured_points, catalog, plan)[0]
    kept = [setup for setup in setups if setup.point.model != model]
    return fitted(kept, plan, layers_of(catalog, plan), model)


def _speed_of_others(catalog: Catalog, key: Key) -> ServingParameters:
    """Fitted to the other families that were measured under the key's stack and precision."""
    kept: list[Setup] = []
    plans = []
    for _, plan in sorted(catalog.calibration_plans.items()):
        if plan.family != key[0] and (plan.stack, plan.precision) == key[1:]:
            found = points_of(catalog.measured_points, catalog, plan)[0]
            kept += found
            plans += [plan] if found else []
    return fitted(kept, plans[0], layers_of(catalog, plans[0]))


def _setup_with(point: MeasuredPoint, catalog: Catalog, speed: ServingParameters) -> Setup:
    setup = setup_of(point, catalog)
    own = setup.replica.params
    fixed = replace(speed, allreduce_latency_s=own.allreduce_latency_s, t0_s=own.t0_s)
    return replace(setup, replica=replace(setup.replica, params=fixed))


def _errors(row: _Measured, coefficients: PowerCoefficients, setup: Setup) -> tuple[float, float]:
    """Of watts and of energy per output token."""
    busy = at_work(model_of(coefficients, row.power.tdp_w), setup)
    watts = float(busy.mean_w[0])
    joules = row.power.tp * watts * float(busy.period_s[0]) / decoding(setup)
    return watts / row.power.accelerator_w - 1.0, joules / row.power.j_per_output_token - 1.0
