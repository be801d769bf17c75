"""Published footprints beside ours, in the tiny world.

Four Big without a host: 4 x 113.6592506 = 454.6370024 kg, 4 x 40 = 160 of it memory. With the big
host, 500 GB, 5,000 GB and two NICs: 499.5534660 more.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from app.reports import verdict
from ecoserve.catalog import Catalog, coefficient_id
from ecoserve.footprints import FootprintCheck, check_footprints
from ecoserve.rows import FootprintLine, ProductFootprint
from tests.builders import COEFFICIENTS, ROW, tiny_catalog

CARDS_KG, HOST_KG = 454.6370024, 499.5534660
# The same coefficients under the names of the sets that the comparison knows.
SETS = tuple(
    replace(row, id=coefficient_id(name, row.item, row.key), set=name)
    for name in ("paper", "pcf")
    for row in COEFFICIENTS
)


def line(label: str, part: str, kgco2e: float) -> FootprintLine:
    return FootprintLine(
        id=f"board/{label}", footprint_id="board", label=label, part=part, kgco2e=kgco2e, **ROW
    )


BOARD = ProductFootprint(
    id="board", name="Four Big", kind="manufacturer", boundary="cradle to gate", trust="A",
    kgco2e=500.0, low=500.0, high=500.0, accelerator_id="big", n_accelerators=4, host_id=None,
    dram_gb=0.0, ssd_gb=0.0, n_nics=0, fitted_sets=("pcf",), note="",
    lines=(
        line("screws", "connectors", 3.0), line("DRAM stacks", "memory", 200.0),
        line("plugs", "connectors", 6.0),
    ), **ROW,
)  # fmt: skip


def world(*footprints: ProductFootprint) -> Catalog:
    return tiny_catalog(*SETS, *footprints, without=[row.id for row in COEFFICIENTS])


def checks(*footprints: ProductFootprint) -> dict[tuple[str, str], FootprintCheck]:
    found = check_footprints(world(*footprints))
    return {(check.footprint.id, check.coefficients): check for check in found}


def test_ours_stands_beside_the_published_figure_for_every_set():
    found = checks(BOARD)
    assert set(found) == {("board", "paper"), ("board", "pcf")}
    check = found["board", "pcf"]
    assert check.ours_kgco2e == pytest.approx(CARDS_KG)
    assert check.ratio == pytest.approx(0.9092740)
    assert check.within_our_band
    assert not check.within_published_band


@pytest.mark.parametrize("fitted", [(), ("pcf",), ("paper",), ("paper", "pcf")])
def test_in_sample_are_the_sets_that_were_fitted(fitted: tuple[str, ...]):
    found = checks(replace(BOARD, fitted_sets=fitted))
    in_sample = {name for name in ("paper", "pcf") if found["board", name].in_sample}
    assert in_sample == set(fitted)


def test_the_band_tells_how_wide_it_is():
    # Big runs from 47.4419241 to 372.3970330
    check = checks(BOARD)["board", "pcf"]
    assert check.band_ratio == pytest.approx(7.8495369)
    assert replace(check, low_kgco2e=0.0).band_ratio == math.inf


def test_the_report_says_how_wide_the_band_is_and_who_is_in_sample():
    [paper, pcf] = checks(BOARD).values()
    assert verdict(paper) == "in our band (high 7.8 x low)"
    assert verdict(pcf) == "in our band (high 7.8 x low), in sample"
    off = replace(paper, low_kgco2e=600.0, high_kgco2e=900.0)
    assert verdict(off) == "outside our band (high 1.5 x low)"


def test_lines_of_one_part_are_added_up_largest_first_for_pcf_alone():
    found = checks(BOARD)
    assert found["board", "paper"].lines == ()
    memory, connectors = found["board", "pcf"].lines
    assert (memory.part, memory.published_kgco2e, memory.ours_kgco2e) == ("memory", 200.0, 160.0)
    assert connectors.labels == ("plugs", "screws")
    assert (connectors.published_kgco2e, connectors.ours_kgco2e) == (9.0, 8.0)


def test_a_host_and_what_is_in_it_count():
    hosted: dict[str, Any] = {"host_id": "big_host", "dram_gb": 500.0, "ssd_gb": 5000.0}
    node = replace(BOARD, id="node", n_nics=2, lines=(), **hosted)
    host = replace(node, id="host", accelerator_id=None, n_accelerators=0)
    found = checks(node, host)
    assert found["node", "pcf"].ours_kgco2e == pytest.approx(CARDS_KG + HOST_KG)
    assert found["host", "pcf"].ours_kgco2e == pytest.approx(HOST_KG)


def test_a_calculator_is_compared_with_paper_alone_and_within_its_rounding():
    printed = replace(BOARD, id="c", kind="calculator", kgco2e=454.6, low=454.55, high=454.65)
    wrong = replace(printed, id="d", kgco2e=455.0, low=454.95, high=455.05)
    found = checks(printed, wrong)
    assert set(found) == {("c", "paper"), ("d", "paper")}
    assert found["c", "paper"].within_published_band
    assert not found["d", "paper"].within_published_band


def test_a_figure_outside_our_band_is_told():
    # Big runs from 4 x 47.4419241 to 4 x 372.3970330
    found = checks(
        replace(BOARD, id="low", kgco2e=189.0), replace(BOARD, id="high", kgco2e=1490.0),
        replace(BOARD, id="inside", kgco2e=190.0),
    )  # fmt: skip
    inside = [found[name, "pcf"].within_our_band for name in ("low", "high", "inside")]
    assert inside == [False, False, True]


def test_the_most_telling_come_first():
    teardown = replace(BOARD, id="a", kind="teardown")
    hosted = replace(BOARD, id="b", host_id="big_host")
    order = [check.footprint.id for check in check_footprints(world(teardown, hosted, BOARD))]
    assert order == ["board", "board", "b", "b", "a", "a"]
