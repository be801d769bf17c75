"""The nearest latency limits: kept by the hardware, and the next stricter ones are not."""

from __future__ import annotations

from typing import Any

import pytest

from ecoserve.errors import InfeasibleError
from ecoserve.nearest import nearest_limits, ways_out
from ecoserve.planner import plan_fleet
from ecoserve.scenario import Scenario
from tests.builders import mix, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()


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
    found = nearest_limits("chat", asking(ttft_s, tpot_s), CATALOG)
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
    found = nearest_limits("chat", asking(2.0, 0.001), CATALOG)
    assert found is not None
    assert 0.00221 * (1.0 + band) <= found.tpot_s + 1e-5 < 0.00221 * (1.0 + band) + 1.1e-4


def test_the_error_names_them_once() -> None:
    with pytest.raises(InfeasibleError) as caught:
        plan_fleet(asking(0.001, 0.05), CATALOG, "quick")
    found = nearest_limits("chat", asking(0.001, 0.05), CATALOG)
    assert found is not None
    way = f"The nearest targets that the hardware keeps: chat: TTFT {1000 * found.ttft_s:.3g} ms"
    assert str(caught.value).endswith(way)


def test_no_limit_is_named_where_limits_are_not_in_the_way() -> None:
    catalog = tiny_catalog(mix("giant", (1.0, 2e8, 200.0)))
    giant = asking(2.0, 0.05, mix="giant")
    assert nearest_limits("chat", giant, catalog) is None
    assert ways_out(("chat",), giant, catalog) == ""
