"""The trends that this project derives follow from its own model, as their notes say."""

from __future__ import annotations

import math

import pytest

from ecoserve.catalog import Catalog
from ecoserve.profile import profile_at_slo
from ecoserve.profile_query import ProfileQuery
from ecoserve.trends import RANGES, catalog_assumptions

YEARS = 4  # A100 of 2020 to B200 of 2024
MODELS = (("llama_3_1_8b", 1), ("llama_3_1_70b", 4), ("llama_3_1_70b", 8))
LENGTHS = ((1000, 250), (4000, 200), (500, 500))


def gains(catalog: Catalog) -> list[tuple[float, float]]:
    """Per case: tokens per joule and tokens per second and accelerator, B200 over A100."""
    found = []
    for llm, tp in MODELS:
        for isl, osl in LENGTHS:
            old, new = (
                profile_at_slo(
                    catalog,
                    ProfileQuery(
                        llm_id=llm, accelerator_id=accelerator, tp=tp, stack="vllm_v1",
                        precision="bf16", isl_tokens=isl, osl_tokens=osl,
                    ),
                    2.0,
                    0.05,
                )
                for accelerator in ("a100_sxm_80gb", "b200")
            )  # fmt: skip
            found.append((old.j_per_token / new.j_per_token, new.tokens_per_s / old.tokens_per_s))
    return found


def per_year(ratio: float) -> float:
    return float(ratio ** (1 / YEARS) - 1)


def mean(ratios: list[float]) -> float:
    return math.exp(sum(math.log(ratio) for ratio in ratios) / len(ratios))


def test_gains_of_accelerators_are_those_of_the_model(catalog: Catalog) -> None:
    energy, work = (list(side) for side in zip(*gains(catalog), strict=True))
    efficiency = catalog.trend("accelerator_efficiency_gain")
    assert efficiency.value == pytest.approx(per_year(mean(energy)), abs=0.015)
    assert efficiency.low == pytest.approx(per_year(min(energy)), abs=0.015)
    throughput = catalog.trend("accelerator_throughput_gain")
    assert throughput.value == pytest.approx(per_year(mean(work)), abs=0.015)
    assert throughput.high == pytest.approx(per_year(max(work)), abs=0.015)


def test_the_decline_of_making_is_the_makers_figure_over_two_years(catalog: Catalog) -> None:
    """0.50 against 0.66 gCO2e per exaflop."""
    decline = catalog.trend("accelerator_embodied_decline").value
    assert decline == pytest.approx(1 - (0.50 / 0.66) ** 0.5, abs=0.005)


def test_every_trend_is_within_what_a_study_takes(catalog: Catalog) -> None:
    assert set(RANGES) == set(catalog.trends)
    for name, (low, high) in RANGES.items():
        row = catalog.trend(name)
        assert low <= row.low <= row.high <= high
    assert catalog_assumptions(catalog).horizon_years == 10
