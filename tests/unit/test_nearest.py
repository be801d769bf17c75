"""The nearest latency limits: kept by the hardware, and the next stricter ones are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ecoserve.catalog import Catalog
from ecoserve.errors import InfeasibleError
from ecoserve.nearest import nearest_limits, ways_out
from ecoserve.planner import plan_fleet
from ecoserve.scenario import Scenario
from ecoserve.structure import is_servable
from tests.builders import BIG, BIG_SERVER, mix, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()


def servable(catalog: Catalog) -> Callable[[Scenario], bool]:
    return lambda scenario: is_servable(scenario, catalog)


def asking(ttft_s: float, tpot_s: float, **more: Any) -> Scenario:
    return tiny_scenario(online(slo={"ttft_s": ttft_s, "tpot_s": tpot_s}, **more))


def is_kept(ttft_s: float, tpot_s: float) -> bool:
    try:
        plan_fleet(asking(ttft_s, tpot_s), CATALOG, "quick")
    except InfeasibleError:
        return False
    return True


@pytest.mark.parametrize(("ttft_s", "tpot_s"), [(2.0, 0.001), (0.001, 0.05), (0.001, 0.001)])
def test_the_nearest_limits_are_kept_and_the_next_stricter_ones_are_not(
    ttft_s: float, tpot_s: float
) -> None:
    found = nearest_limits("chat", asking(ttft_s, tpot_s), CATALOG, servable(CATALOG))
    assert found is not None
    assert (found.ttft_s == ttft_s, found.tpot_s == tpot_s) == (ttft_s > 1, tpot_s > 0.01)
    assert is_kept(found.ttft_s, found.tpot_s)
    if found.ttft_s != ttft_s:
        assert not is_kept(found.ttft_s / 1.1, found.tpot_s)
    if found.tpot_s != tpot_s:
        assert not is_kept(found.ttft_s, found.tpot_s / 1.1)


def test_the_nearest_pace_is_that_of_a_step_alone_with_its_margin() -> None:
    # 0.495 ms of weights and 1.71 ms of overheads on four Big, and the band of their parameters.
    band = CATALOG.serving("big_family", "vllm_v1", "bf16").error_band
    found = nearest_limits("chat", asking(2.0, 0.001), CATALOG, servable(CATALOG))
    assert found is not None
    assert 0.00221 * (1.0 + band) <= found.tpot_s + 1e-5 < 0.00221 * (1.0 + band) + 1.1e-4


def test_the_error_names_them_once() -> None:
    with pytest.raises(InfeasibleError) as caught:
        plan_fleet(asking(0.001, 0.05), CATALOG, "quick")
    found = nearest_limits("chat", asking(0.001, 0.05), CATALOG, servable(CATALOG))
    assert found is not None
    way = f"The nearest targets that the hardware keeps: chat: TTFT {1000 * found.ttft_s:.3g} ms"
    assert str(caught.value).endswith(way)


def test_no_limit_is_named_where_limits_are_not_in_the_way() -> None:
    catalog = tiny_catalog(mix("giant", (1.0, 2e8, 200.0)))
    giant = asking(2.0, 0.05, mix="giant")
    assert nearest_limits("chat", giant, catalog, servable(catalog)) is None
    assert ways_out(("chat",), giant, catalog, servable(catalog)) == ""


@pytest.mark.parametrize(("ttft_s", "tpot_s"), [(0.1, 0.001), (0.08, 0.004)])
def test_both_limits_are_kept_by_one_pool_at_once(ttft_s: float, tpot_s: float) -> None:
    """One accelerator starts quickly, the other goes on quickly; none does both."""
    starts = replace(BIG, id="starts", bf16_tflops=500.0, fp8_tflops=None, memory_gb_per_s=150.0)
    goes_on = replace(BIG, id="goes_on", bf16_tflops=12.0, fp8_tflops=None)
    cards = [replace(card, max_tp=1) for card in (starts, goes_on)]
    servers = [replace(BIG_SERVER, id=f"own_{c.id}", accelerator_id=c.id) for c in cards]
    catalog = tiny_catalog(*cards, *servers)

    def asked(ttft_s: float, tpot_s: float) -> Scenario:
        return tiny_scenario(
            online(rate_rps=2.0, slo={"ttft_s": ttft_s, "tpot_s": tpot_s, "percentile": 0.9}),
            hardware={"accelerators": ["starts", "goes_on"]},
            levers={"phases_apart": False},
        )

    with pytest.raises(InfeasibleError):
        plan_fleet(asked(ttft_s, tpot_s), catalog, "quick")
    found = nearest_limits("chat", asked(ttft_s, tpot_s), catalog, servable(catalog))
    assert found is not None
    plan_fleet(asked(found.ttft_s, found.tpot_s), catalog, "quick")
    with pytest.raises(InfeasibleError):
        plan_fleet(asked(found.ttft_s / 1.1, found.tpot_s / 1.1), catalog, "quick")
