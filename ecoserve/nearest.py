"""The nearest latency limits that some allowed hardware keeps, where nobody keeps those asked for.

Tried, not derived: queues and batches depend on the limits themselves. A limit that can stay stays;
where neither can, TPOT is loosened first, as far as it must be with any TTFT, then TTFT.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ecoserve.catalog import Catalog
from ecoserve.demand import workload_demands
from ecoserve.latency import eligibility
from ecoserve.options import services
from ecoserve.scenario import Scenario, read_scenario
from ecoserve.scenario_parts import Slo

Serves = Callable[[Scenario], bool]
LOOSEST_TTFT_S, LOOSEST_TPOT_S = 600.0, 60.0
"""What a scenario may ask for at most."""
STEPS_PER_DECADE = 90
"""Limits of two digits: 1.0, 1.1, ... 9.9."""


def nearest_limits(
    workload: str, scenario: Scenario, catalog: Catalog, serves: Serves
) -> Slo | None:
    """The nearest targets of one online workload that the hardware keeps, were it the only one.

    ``ttft_s`` and ``tpot_s`` as asked or rounded up to two digits; None where limits are not what
    stands in the way, as for a model that fits nowhere. ``serves`` says whether servers can be
    shared out so that a scenario is served: where no option keeps both limits by itself, both are
    loosened alike until some do.
    """
    slo = next(w.slo for w in scenario.workloads if w.name == workload)
    if slo is None:
        return None

    def kept(ttft_s: float, tpot_s: float) -> bool:
        asked = _alone(workload, scenario, ttft_s, tpot_s)
        demands = workload_demands(asked, catalog)
        options = services(asked, catalog, demands)
        return not eligibility(options, demands, asked.policy, {}).blocked

    if not kept(LOOSEST_TTFT_S, LOOSEST_TPOT_S):
        return None
    ttft_s, tpot_s = slo.ttft_s, slo.tpot_s
    if kept(ttft_s, LOOSEST_TPOT_S):
        tpot_s = _least(lambda limit: kept(ttft_s, limit), tpot_s, LOOSEST_TPOT_S)
    else:
        tpot_s = _least(lambda limit: kept(LOOSEST_TTFT_S, limit), tpot_s, LOOSEST_TPOT_S)
        ttft_s = _least(lambda limit: kept(limit, tpot_s), ttft_s, LOOSEST_TTFT_S)

    def loosened(steps: int) -> tuple[float, float]:
        return _loosened(ttft_s, steps), _loosened(tpot_s, steps)

    def served(steps: int) -> bool:
        return serves(_alone(workload, scenario, *loosened(steps)))

    if served(0):
        return Slo(ttft_s=ttft_s, tpot_s=tpot_s, percentile=slo.percentile)
    if not served(STEPS_PER_DECADE):
        return None
    low, high = 0, STEPS_PER_DECADE
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if served(middle) else (middle, high)
    ttft_s, tpot_s = loosened(high)
    return Slo(ttft_s=ttft_s, tpot_s=tpot_s, percentile=slo.percentile)


def ways_out(workloads: Sequence[str], scenario: Scenario, catalog: Catalog, serves: Serves) -> str:
    """The nearest targets of these workloads, to add to an error; empty where there are none."""
    told = []
    for workload in workloads:
        found = nearest_limits(workload, scenario, catalog, serves)
        asked = next(w.slo for w in scenario.workloads if w.name == workload)
        if found is not None and asked is not None:
            changed = [
                f"{name} {1000 * now:.3g} ms"
                for name, now, then in (
                    ("TTFT", found.ttft_s, asked.ttft_s),
                    ("TPOT", found.tpot_s, asked.tpot_s),
                )
                if now != then
            ]
            told.append(f"{workload}: {' and '.join(changed)}")
    return f". The nearest targets that the hardware keeps: {'; '.join(told)}" if told else ""


def _alone(workload: str, scenario: Scenario, ttft_s: float, tpot_s: float) -> Scenario:
    """The scenario with this workload only, under other limits."""
    data = scenario.model_dump(mode="json")
    (mine,) = (row for row in data["workloads"] if row["name"] == workload)
    mine["slo"] |= {"ttft_s": ttft_s, "tpot_s": tpot_s}
    return read_scenario(data | {"workloads": [mine]})


def _least(kept: Callable[[float], bool], asked: float, loosest: float) -> float:
    """The least limit of two digits from ``asked`` on that is kept; ``loosest`` is."""
    if kept(asked):
        return asked
    low, high = _step(asked), _step(loosest)
    while high - low > 1:
        middle = (low + high) // 2
        if kept(_limit(middle)):
            high = middle
        else:
            low = middle
    return _limit(high)


def _loosened(limit: float, steps: int) -> float:
    """So many two-digit numbers further; itself for none."""
    return _limit(_step(limit) + steps) if steps else limit


def _step(limit: float) -> int:
    """The place of the two-digit number at or below a limit.

    >>> _limit(_step(0.0123)), _limit(_step(0.0123) + 1), _limit(_step(9.9) + 1)
    (0.012, 0.013, 10.0)
    """
    decade = math.floor(math.log10(limit) + 1e-12)
    return STEPS_PER_DECADE * decade + math.floor(10 * limit / 10.0**decade + 1e-9) - 10


def _limit(step: int) -> float:
    decade, digits = divmod(step, STEPS_PER_DECADE)
    return round((10 + digits) * 10.0 ** (decade - 1), 1 - decade if decade < 1 else 0)
