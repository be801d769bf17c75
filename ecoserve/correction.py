"""Local correction: predictions times what measurements of the very same configuration say of them.

Points of one key (model, hardware, tp, stack, precision, phase, load) span a grid of log batch and
log tokens. Inside it the logarithm of measured over predicted latency is interpolated linearly:
over triangles where the points span an area, along the line where they lie on one, and at the
point itself where there is only one. Outside nothing is corrected.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator

from ecoserve.catalog import Catalog
from ecoserve.errors import CatalogError, MissingDataError
from ecoserve.point_latency import latency_of
from ecoserve.points import MeasuredPoint, kv_precision_of, precision_id, stack_id
from ecoserve.prediction import Prediction, Setup, Unpredicted, predict, setup_of, stacked

Array = NDArray[np.float64]
GridKey = tuple[str, str, int, str, str, str, str]
"""LLM, hardware, tp, stack, precision, phase and load, as ids of ours."""

ON_THE_LINE = 0.02
"""Distance in logarithms within which a place counts as on a line or at a point: 2 %."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Places of shape (points, 2), log batch and log tokens, and log measured / predicted there."""

    places: Array
    log_ratios: Array

    def ratio(self, batch: float, tokens: float) -> float | None:
        """Measured over predicted latency at a place inside the grid, else None."""
        value = float(self.ratios(np.array([batch]), tokens)[0])
        return None if math.isnan(value) else value

    def ratios(self, batch: Array, tokens: float) -> Array:
        """The same for batches of shape (n,) at one length; NaN outside the grid."""
        return np.exp(self._at(batch, tokens)[0])

    def ratios_and_spreads(self, batch: Array, tokens: float) -> tuple[Array, Array]:
        """Ratios, and how far the neighbours' lie from them at most, 0.1 = 10 %.

        Shape (n,) each; NaN outside the grid.
        """
        value, low, high = self._at(batch, tokens)
        return np.exp(value), np.maximum(np.expm1(high - value), -np.expm1(low - value))

    def _at(self, batch: Array, tokens: float) -> tuple[Array, Array, Array]:
        """Logarithm of the ratio, and the least and largest of those it is interpolated from."""
        lengths = np.full_like(batch, max(tokens, 1.0), dtype=float)
        place = np.log(np.stack([batch, lengths], axis=1))
        centre = self.places.mean(axis=0)
        offsets = self.places - centre
        _, spans, axes = np.linalg.svd(offsets, full_matrices=False)
        spread = np.abs(offsets @ axes.T).max(axis=0)
        if len(spans) < 2 or spread[1] <= ON_THE_LINE:
            return _on_line(offsets @ axes[0], self.log_ratios, place - centre, axes[0])
        found = LinearNDInterpolator(self.places, self.log_ratios)
        corners = self.log_ratios[found.tri.simplices[found.tri.find_simplex(place)]]
        return np.ravel(found(place)), corners.min(axis=1), corners.max(axis=1)


def _on_line(
    along: Array, log_ratios: Array, offsets: Array, axis: Array
) -> tuple[Array, Array, Array]:
    position = offsets @ axis
    beside = np.linalg.norm(offsets - np.outer(position, axis), axis=1)
    outside = np.maximum(along.min() - position, position - along.max())
    order = np.argsort(along)
    along, log_ratios = along[order], log_ratios[order]
    value = np.interp(position, along, log_ratios)
    after = np.clip(np.searchsorted(along, position), min(1, len(along) - 1), len(along) - 1)
    pair = np.stack([log_ratios[after], log_ratios[np.maximum(after - 1, 0)]])
    off = (beside > ON_THE_LINE) | (outside > ON_THE_LINE)
    return np.where(off, np.nan, value), pair.min(axis=0), pair.max(axis=0)


@dataclass(frozen=True, slots=True)
class Corrections:
    """The measured grids, by key."""

    grids: dict[GridKey, Grid]

    def ratio(self, point: MeasuredPoint, catalog: Catalog) -> float | None:
        """Measured over predicted latency of a row like this; None outside what was measured."""
        try:
            setup = setup_of(point, catalog)
        except CatalogError:
            return None
        grid = self.grids.get(grid_key(point, catalog))
        return None if grid is None else grid.ratio(setup.batch, _tokens(setup))


def step_grid(
    catalog: Catalog, key: tuple[str, str, int, str, str], kv_precision: str = "bf16"
) -> Grid | None:
    """Measured over predicted times of a decode step alone; None where nothing was measured.

    ``key``: LLM, accelerator, tp, stack and precision, as ids; nothing is taken from another.
    """
    setups: list[Setup] = []
    for point in catalog.decode_points(*key):
        try:
            setups.append(setup_of(point, catalog))
        except MissingDataError:
            continue  # It has no prediction that could be corrected.
    setups = [s for s in setups if kv_precision_of(s.point) == kv_precision]
    if not setups:
        return None
    said = latency_of("decode", "isolated", *stacked(setups))
    places: dict[tuple[float, float], list[float]] = {}
    for setup, value in zip(setups, said, strict=True):
        assert setup.point.latency_s is not None
        ratio = math.log(setup.point.latency_s / float(value))
        places.setdefault(_place(setup), []).append(ratio)
    return _grid(places)


def corrections_from(points: Sequence[MeasuredPoint], catalog: Catalog) -> Corrections:
    """Grids of all points with a latency and a prediction."""
    found: dict[GridKey, dict[tuple[float, float], list[float]]] = {}
    for point in points:
        said = predict(point, catalog)
        if isinstance(said, Unpredicted) or not point.latency_s:
            continue
        setup = setup_of(point, catalog)
        ratios = found.setdefault(grid_key(point, catalog), {}).setdefault(_place(setup), [])
        ratios.append(math.log(point.latency_s / said.latency_s))
    return Corrections({key: _grid(places) for key, places in found.items()})


def _grid(places: dict[tuple[float, float], list[float]]) -> Grid:
    """Rows measured more than once count with their mean."""
    return Grid(np.array(list(places)), np.array([np.mean(v) for v in places.values()]))


def grid_key(point: MeasuredPoint, catalog: Catalog) -> GridKey:
    """Which grid a point belongs to; raises :class:`CatalogError` for what we do not know."""
    model = point.model if point.phase == "allreduce" else catalog.llm(point.model.lower()).id
    is_cpu = point.hardware in catalog.measured_cpus
    hardware = point.hardware if is_cpu else catalog.accelerator(point.hardware).id
    stack, precision = stack_id(point.stack), precision_id(point.precision)
    return model, hardware, point.tp, stack, precision, point.phase, point.convention.load


def _place(setup: Setup) -> tuple[float, float]:
    return math.log(setup.batch), math.log(max(_tokens(setup), 1.0))


def _tokens(setup: Setup) -> float:
    """The length that a row of this phase depends on."""
    return setup.context if setup.point.phase == "decode" else setup.isl + setup.osl / 2.0


def corrected(prediction: Prediction, latency_ratio: float | None) -> Prediction:
    """The prediction times the ratio; itself where there is none. Power stays as it is."""
    if latency_ratio is None:
        return prediction
    rate, energy = prediction.output_tokens_per_s, prediction.j_per_output_token
    return replace(
        prediction,
        latency_s=prediction.latency_s * latency_ratio,
        output_tokens_per_s=None if rate is None else rate / latency_ratio,
        j_per_output_token=None if energy is None else energy * latency_ratio,
    )


def corrected_predictions(
    points: Sequence[MeasuredPoint], catalog: Catalog
) -> tuple[Prediction | Unpredicted, ...]:
    """Predictions of ``points``, corrected by the catalog's measured points.

    A row under test that is one of the catalog's points is corrected by itself too.
    """
    corrections = corrections_from(catalog.measured_points, catalog)
    answers: list[Prediction | Unpredicted] = []
    for point in points:
        said = predict(point, catalog)
        if isinstance(said, Prediction):
            said = corrected(said, corrections.ratio(point, catalog))
        answers.append(said)
    return tuple(answers)
