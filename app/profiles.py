"""What one replica would do as its batch grows, accelerator by accelerator."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.figures_evidence import ProfileCurve, ProfilePoint
from ecoserve.catalog import Catalog
from ecoserve.errors import EcoServeError, InfeasibleError
from ecoserve.offers import PRECISIONS
from ecoserve.options import TP_DEGREES
from ecoserve.profile import ServingProfile, profile_at_batch, profile_at_slo
from ecoserve.profile_query import ProfileQuery
from ecoserve.rows import Accelerator

GROWTH = 1.15
"""From one batch of a curve to the next, where they are not neighbours."""


@dataclass(frozen=True, slots=True)
class NoCurve:
    """Why an accelerator has no curve."""

    name: str
    reason: str


def short_name(accelerator: Accelerator) -> str:
    """An accelerator's name without its vendor and its memory."""
    return re.sub(r" \d+ GB$", "", accelerator.name.removeprefix(f"{accelerator.vendor} "))


def accelerator_labels(catalog: Catalog) -> dict[str, str]:
    """What accelerators are called where one is chosen, by id; no two alike.

    The short name; with its memory where another has the same; with its id where that is no help.
    Rows of the user's own do not change what ours are called.
    """
    rows = catalog.accelerators.values()
    ours = [row for row in rows if ("accelerators", row.id) not in catalog.overlay_rows]
    yours = [row for row in rows if ("accelerators", row.id) in catalog.overlay_rows]
    counts = Counter(short_name(row) for row in ours)
    labels: dict[str, str] = {}
    for row in (*ours, *yours):
        short, long = short_name(row), row.name.removeprefix(f"{row.vendor} ")
        taken = set(labels.values())
        fits = [short] if counts[short] < 2 else []
        free = [label for label in (*fits, long) if label not in taken]
        labels[row.id] = free[0] if free else f"{long} ({row.id})"
    return labels


def nearest_tp(catalog: Catalog, accelerator_id: str, tp: int) -> int:
    """``tp``, or the most accelerators of this kind that serve one model together if fewer."""
    most = catalog.accelerator(accelerator_id).max_tp
    return max(degree for degree in TP_DEGREES if degree <= min(tp, most))


def profile_curve(
    catalog: Catalog, query: ProfileQuery, name: str, ttft_s: float, tpot_s: float
) -> ProfileCurve | NoCurve:
    """The replica of a query from batch 1 to the last that fits, and its point within the limits.

    ``ttft_s`` and ``tpot_s`` are the limits. Gives the reason where not even one request fits.
    """
    accelerator = catalog.accelerator(query.accelerator_id)
    if query.tp > accelerator.max_tp:
        return NoCurve(name, f"at most {accelerator.max_tp} of it serve one model together")
    try:
        profiles = list(_until_full(catalog, query))
    except EcoServeError as error:
        return NoCurve(name, str(error))
    last = profiles[-1]
    return ProfileCurve(
        name=name,
        tp=query.tp,
        points=tuple(_point(profile) for profile in profiles),
        chosen=_within(catalog, query, ttft_s, tpot_s),
        error_band=last.error_band,
        provenance=last.provenance,
        power_provenance=last.power_provenance,
        ends_by="the engine's limit" if last.batch == query.max_num_seqs else "memory",
    )


def _until_full(catalog: Catalog, query: ProfileQuery) -> Iterator[ServingProfile]:
    """Rising batches up to exactly the largest that fits."""
    fits = profile_at_batch(catalog, query, 1)
    yield fits
    for batch in _batches(query.max_num_seqs)[1:]:
        try:
            fits = profile_at_batch(catalog, query, batch)
        except InfeasibleError:
            last = _largest(catalog, query, fits, batch)
            if last is not fits:
                yield last
            return
        yield fits


def _batches(most: int) -> list[int]:
    batches = [1]
    while batches[-1] < most:
        batches.append(min(max(batches[-1] + 1, round(GROWTH * batches[-1])), most))
    return batches


def _largest(
    catalog: Catalog, query: ProfileQuery, fits: ServingProfile, too_many: int
) -> ServingProfile:
    """The last profile that fits, between one that does and a batch that does not."""
    while too_many - fits.batch > 1:
        middle = (fits.batch + too_many) // 2
        try:
            fits = profile_at_batch(catalog, query, middle)
        except InfeasibleError:
            too_many = middle
    return fits


def _within(
    catalog: Catalog, query: ProfileQuery, ttft_s: float, tpot_s: float
) -> ProfilePoint | None:
    try:
        return _point(profile_at_slo(catalog, query, ttft_s, tpot_s))
    except InfeasibleError:
        return None


def _point(profile: ServingProfile) -> ProfilePoint:
    return ProfilePoint(
        batch=profile.batch,
        tpot_s=profile.tpot_s,
        ttft_s=profile.ttft_s,
        tokens_per_s=profile.tokens_per_s,
        power_w=profile.power_w,
        j_per_token=profile.j_per_token,
        prefill_j_per_token=profile.prefill_j_per_token,
        power_fitted=profile.power_fitted,
        memory_gb=profile.memory_gb,
        bound_by=profile.bound_by,
    )


def profiled_accelerators(catalog: Catalog, stack: str) -> list[str]:
    """Accelerators whose speed with this stack and whose power are known, newest first."""
    known = [
        row
        for row in catalog.accelerators.values()
        if row.family in catalog.power_parameters
        and any(catalog.has_serving(row.family, stack, precision) for precision in PRECISIONS)
    ]
    return [row.id for row in sorted(known, key=lambda row: (-row.launch_year, row.name))]


def smallest_tp(catalog: Catalog, query: ProfileQuery) -> int | None:
    """The least number of accelerators that hold the model and one request; None where none do."""
    accelerator = catalog.accelerator(query.accelerator_id)
    for tp in TP_DEGREES:
        if tp <= accelerator.max_tp:
            try:
                profile_at_batch(catalog, replace(query, tp=tp), 1)
            except EcoServeError:
                continue
            return tp
    return None
