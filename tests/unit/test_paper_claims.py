"""The paper's claims on the tiny world: cells, shares and ratios, and what is said of them."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from app.figures_paper import paper_savings
from app.reports_paper import keys, paper_claims_report, steps_of
from app.text import NARROW_SPACE
from ecoserve.comparison import Wishes, compare_plans
from ecoserve.paper_claims import CLAIMS, PaperClaims, paper_claims_record, scene, try_claims
from tests.builders import offline, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
REGION = tiny_scenario().site.region
SCENARIO = tiny_scenario(online(), offline(), levers={"reduce": True, "park": True})
SETS = tuple(CATALOG.coefficient_sets)


@pytest.fixture(scope="module")
def claims() -> PaperClaims:
    return try_claims(SCENARIO, CATALOG, "quick", regions=(REGION,))


def test_there_is_a_cell_for_every_intensity_and_set(claims: PaperClaims):
    assert [(r.region, r.coefficients) for r in claims.results] == [(REGION, n) for n in SETS]
    assert claims.results[0].gco2e_per_kwh == CATALOG.region(REGION).gco2e_per_kwh


def test_a_cell_says_what_a_comparison_of_its_scene_does(claims: PaperClaims):
    here = scene(SCENARIO, REGION, SETS[-1])
    wishes = Wishes(baselines=("cost", "energy", "performance", "splitwise"), what_ifs=False)
    alone = compare_plans(here, CATALOG, "quick", wishes=wishes)
    result = claims.results[-1]
    assert result.savings == pytest.approx(alone.savings)
    assert result.kgco2e_per_year == pytest.approx(alone.plans["ecoserve"].kgco2e_per_year)
    first, last = alone.waterfall[0], alone.waterfall[-1]
    taken = sum(lever.share for lever in result.levers)
    assert taken == pytest.approx(1 - last.kgco2e_per_year / first.kgco2e_per_year)
    assert [lever.step for lever in result.levers] == [s.step for s in alone.waterfall[1:]]


def test_a_ratio_is_the_others_carbon_over_ours(claims: PaperClaims):
    result = replace(claims.results[0], savings={"cost": 0.47})
    assert result.ratio("cost") == pytest.approx(1 / 0.53)


def test_the_workers_change_no_answer(claims: PaperClaims):
    assert try_claims(SCENARIO, CATALOG, "quick", regions=(REGION,), workers=2) == claims


def test_progress_is_counted_to_the_end():
    seen: list[tuple[int, int, str]] = []
    try_claims(
        SCENARIO, CATALOG, "quick", lambda *told: seen.append(told),
        regions=(REGION,), coefficients=SETS[:1],
    )  # fmt: skip
    assert [(done, most) for done, most, _ in seen] == [(0, 1), (1, 1)]
    assert seen[-1][2] == "done"


def test_published_figures_are_told_with_where_they_were_seen():
    assert [claim.text for claim in CLAIMS] == ["47 %", "1.4 to 2.2 times", "16 %"]
    assert all(claim.seen for claim in CLAIMS)


def test_programs_get_every_cell(claims: PaperClaims):
    record = paper_claims_record(claims, 1.5)
    assert {row["source_id"] for row in record["published"]} == {"ecoserve_paper"}
    cell = record["results"][0]
    assert set(cell["ratios"]) == set(cell["savings"])
    assert {"share", "range", "within_gap", "usd_per_h", "step"} == set(cell["levers"][0])


def test_people_get_tables_and_who_cannot_serve(claims: PaperClaims):
    result = replace(claims.results[0], blocked={"splitwise": "memory: too little"})
    told = replace(claims, results=(result, *claims.results[1:]))
    console = Console(width=220, file=io.StringIO())
    for part in paper_claims_report(told, "tried"):
        console.print(part)
    text = console.file.getvalue()
    assert "47 %" in text
    assert "Splitwise cannot serve the scene: memory: too little" in text
    assert all(step in text for step in steps_of(claims))
    assert f"{100 * result.savings['cost']:.3g}" in text.replace(NARROW_SPACE, " ")


def test_the_chart_has_a_panel_per_set_and_the_published_line(claims: PaperClaims):
    chart = paper_savings(claims, keys(claims))
    assert len(chart.figure.data) == len(SETS) * len(keys(claims))
    assert [shape.y0 for shape in chart.figure.layout.shapes] == [47.0] * len(SETS)
    best, key = claims.largest_saving(SETS[0])
    assert best.savings[key] == max(best.savings.values())
    assert chart.title.startswith("Published: up to 47.0")
