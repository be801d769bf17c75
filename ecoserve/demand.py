"""Traffic as the planner sees it: length buckets with a mean rate and a shape over the day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecoserve.catalog import Catalog
from ecoserve.rows import LengthMix, Llm, RateProfile
from ecoserve.scenario import Scenario
from ecoserve.scenario_parts import Workload
from ecoserve.units import HOURS_PER_DAY, HOURS_PER_YEAR, SECONDS_PER_HOUR

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadDemand:
    """One workload cut into length buckets.

    ``isl_tokens``, ``osl_tokens`` and ``rate_rps`` have shape (buckets,); ``hourly_ratio`` has
    shape (24,) by local hour with mean 1, so the rate of bucket b at hour h of the mean day is
    ``rate_rps[b] * hourly_ratio[h]``. ``peak_ratio``, shape (24,), is the same for the busiest day
    of the week at each hour, which capacity must hold; the two agree for profiles of one day.
    """

    index: int
    """Position among the scenario's workloads."""
    workload: Workload
    llm: Llm
    isl_tokens: Array
    osl_tokens: Array
    rate_rps: Array
    hourly_ratio: Array
    peak_ratio: Array

    @property
    def is_online(self) -> bool:
        """Latency-bound; otherwise deadline-bound."""
        return self.workload.kind == "online"

    @property
    def fraction(self) -> Array:
        """Share of the requests in each bucket, shape (buckets,)."""
        share: Array = self.rate_rps / self.rate_rps.sum()
        return share

    @property
    def output_tokens_per_year(self) -> float:
        """All tokens generated in a year of mean days."""
        per_second = float(self.rate_rps @ self.osl_tokens)
        return per_second * SECONDS_PER_HOUR * HOURS_PER_YEAR

    def slice_name(self, bucket: int) -> str:
        """How a bucket is named to people: workload and mean lengths."""
        isl, osl = self.isl_tokens[bucket], self.osl_tokens[bucket]
        return f"{self.workload.name}, {isl:.0f} tokens in, {osl:.0f} out"


def workload_demands(scenario: Scenario, catalog: Catalog) -> tuple[WorkloadDemand, ...]:
    """All workloads with traffic, in the scenario's order; those at rate 0 are left out."""
    offset_h = catalog.region(scenario.site.region).utc_offset_h
    rates = _mean_rates_rps(scenario, catalog)
    return tuple(
        _demand(index, rate_rps, offset_h, scenario, catalog)
        for index, rate_rps in enumerate(rates)
        if rate_rps > 0
    )


def hourly_rates_rps(scenario: Scenario, catalog: Catalog) -> dict[str, Array]:
    """Requests/s of every workload by local hour, shape (24,) each."""
    return {
        demand.workload.name: demand.rate_rps.sum() * demand.hourly_ratio
        for demand in workload_demands(scenario, catalog)
    }


def local_ratio(profile: RateProfile, utc_offset_h: int) -> Array:
    """The profile on the site's clock, divided by its own mean; shape (days, 24).

    Hour h at the site is hour ``h - (site offset - profile offset)`` on the profile's clock.
    """
    ratio = np.asarray(profile.hourly_ratio, dtype=float)
    local: Array = np.roll(ratio / ratio.mean(), utc_offset_h - profile.utc_offset_h)
    return local.reshape(-1, HOURS_PER_DAY)


def _demand(
    index: int, rate_rps: float, utc_offset_h: int, scenario: Scenario, catalog: Catalog
) -> WorkloadDemand:
    workload = scenario.workloads[index]
    buckets = [b for b in catalog.length_mix(workload.mix).buckets if b.fraction > 0]
    fraction = np.array([b.fraction for b in buckets])
    days = local_ratio(catalog.rate_profile(workload.profile), utc_offset_h)
    return WorkloadDemand(
        index=index,
        workload=workload,
        llm=catalog.llm(workload.llm),
        isl_tokens=np.array([b.isl_tokens for b in buckets]),
        osl_tokens=np.array([b.osl_tokens for b in buckets]),
        rate_rps=rate_rps * fraction / fraction.sum(),
        hourly_ratio=days.mean(axis=0),
        peak_ratio=days.max(axis=0),
    )


def _mean_rates_rps(scenario: Scenario, catalog: Catalog) -> list[float]:
    """Mean requests/s per workload; a token share s of the total T = fixed / (1 - sum of s)."""
    mixes = [catalog.length_mix(w.mix) for w in scenario.workloads]
    fixed = sum(
        (w.rate_rps or 0.0) * _tokens_per_request(mix)
        for w, mix in zip(scenario.workloads, mixes, strict=True)
    )
    total_tokens_per_s = fixed / (1.0 - sum(w.token_share or 0.0 for w in scenario.workloads))
    return [
        w.rate_rps
        if w.rate_rps is not None
        else (w.token_share or 0.0) * total_tokens_per_s / _tokens_per_request(mix)
        for w, mix in zip(scenario.workloads, mixes, strict=True)
    ]


def _tokens_per_request(mix: LengthMix) -> float:
    return mix.mean_isl_tokens + mix.mean_osl_tokens


def hours_from_arrival(deadline_h: int) -> NDArray[np.bool_]:
    """Which hours may run work that arrived in an hour, on a cyclic day; shape (24, 24).

    Work arriving in hour h runs in hours h ... h + deadline - 1.
    """
    delay = (np.arange(HOURS_PER_DAY)[None, :] - np.arange(HOURS_PER_DAY)[:, None]) % HOURS_PER_DAY
    return np.asarray(delay < deadline_h)
