"""Scenarios side by side: figures, files and the chart's finding, against the plans' own totals."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from app.figures_compare import side_by_side
from app.safe_csv import RUNS
from app.side_by_side import Compared, as_csv, as_record, figure_rows, same_traffic, unlike_names
from ecoserve.planner import plan_fleet
from ecoserve.scenario import Scenario
from tests.builders import online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
TIGHT = online(slo={"ttft_s": 0.9, "tpot_s": 0.05, "percentile": 0.9})


def planned(name: str, scenario: Scenario) -> Compared:
    """With a plan that is taken for proven, so that its differences count."""
    plan = replace(plan_fleet(scenario, CATALOG, "quick"), gap=0.0)
    return Compared(name=name, scenario=scenario, plan=plan)


PLAIN = planned("plain", tiny_scenario())
DIRTY = planned("dirty", tiny_scenario(site={"pue": 2.0}))
MORE = planned("more", tiny_scenario(online(rate_rps=80.0)))
NONE = Compared(name="none", scenario=tiny_scenario(TIGHT), plan=None, reason="no server fits")


def test_totals_are_compared_where_the_traffic_is_the_same():
    assert same_traffic([PLAIN, DIRTY, NONE])
    assert not same_traffic([PLAIN, MORE])


def test_the_chart_names_who_emits_least_and_by_how_much():
    assert PLAIN.plan is not None
    assert DIRTY.plan is not None
    less = 100 * (1 - PLAIN.plan.kgco2e_per_year / DIRTY.plan.kgco2e_per_year)
    title = side_by_side([DIRTY, PLAIN]).title.replace("\u202f", " ")
    assert title.startswith("plain emits least, ")
    assert title.endswith(f"CO2e per year: {less:.1f} % less than dirty")
    assert side_by_side([PLAIN, DIRTY]).title.replace("\u202f", " ") == title


def test_the_bars_add_up_to_the_plans_totals():
    figure = side_by_side([PLAIN, DIRTY]).figure
    for i, one in enumerate((PLAIN, DIRTY)):
        assert one.plan is not None
        kg = sum(trace.x[i] for trace in figure.data)
        assert kg == pytest.approx(one.plan.kgco2e_per_year)


def test_other_traffic_is_compared_by_the_functional_unit():
    chart = side_by_side([PLAIN, MORE])
    assert "gCO2e per 1,000 output tokens" in chart.title
    assert MORE.plan is not None
    grams = sum(trace.x[1] for trace in chart.figure.data)
    assert grams == pytest.approx(MORE.plan.gco2e_per_functional_unit)


def test_a_scenario_without_a_plan_has_no_bar():
    assert len(side_by_side([PLAIN, NONE]).figure.data[0].x) == 1
    assert side_by_side([PLAIN, NONE]).title.startswith("plain: ")
    with pytest.raises(ValueError, match="no scenario has a plan"):
        side_by_side([NONE])


def test_as_much_is_not_called_less():
    twin = replace(PLAIN, name="twin")
    assert side_by_side([PLAIN, twin]).title.startswith("plain and twin emit as much")


def test_a_difference_that_the_search_left_open_is_said_to_be():
    assert DIRTY.plan is not None
    loose = replace(DIRTY, plan=replace(DIRTY.plan, gap=0.9))
    assert side_by_side([PLAIN, loose]).title.endswith("less than dirty, within the solver's gap")
    endless = replace(DIRTY, plan=replace(DIRTY.plan, gap=float("inf")))
    assert side_by_side([PLAIN, endless]).title.endswith("less than dirty")


def test_names_from_others_are_no_markup_in_the_chart():
    figure = side_by_side([replace(PLAIN, name="a & b"), DIRTY]).figure
    assert "a &amp; b" in figure.data[0].y[0]
    assert "a &amp; b" in figure.layout.title.text


def test_figures_stand_in_a_column_per_scenario():
    rows = {row["Figure"]: row for row in figure_rows([PLAIN, DIRTY, NONE], CATALOG)}
    assert rows["tCO2e per year, against the first"]["plain"] == ""
    assert rows["tCO2e per year, against the first"]["dirty"].startswith("+")
    assert rows["tCO2e per year"]["none"] == "no answer"
    assert rows["Latency targets"]["plain"] == "all hold"
    assert "gCO2e per 1,000 output tokens, against the first" not in rows
    other = {row["Figure"] for row in figure_rows([PLAIN, MORE], CATALOG)}
    assert "gCO2e per 1,000 output tokens, against the first" in other


def test_csv_has_a_row_per_scenario_with_its_fingerprint_versions_units_and_inputs():
    rows = list(csv.DictReader(io.StringIO(as_csv([PLAIN, DIRTY, NONE], CATALOG))))
    assert PLAIN.plan is not None
    assert [row["scenario"] for row in rows] == ["plain", "dirty", "none"]
    assert rows[0]["scenario_fingerprint"] == PLAIN.scenario.fingerprint()
    assert {row["catalog_version"] for row in rows} == {CATALOG.version}
    assert float(rows[0]["kgco2e_per_year"]) == pytest.approx(PLAIN.plan.kgco2e_per_year)
    assert rows[1]["input Site: PUE"] == "2"
    assert (rows[2]["kgco2e_per_year"], rows[2]["reason"]) == ("", "no server fits")


def test_no_cell_of_the_csv_is_a_formula():
    named = replace(PLAIN, name="-2+3+cmd", reason="=1+1")
    rows = list(csv.reader(io.StringIO(as_csv([named], CATALOG))))
    assert "'-2+3+cmd" in rows[1]
    assert not [cell for cell in rows[1] if cell.startswith(RUNS)]


def test_json_holds_scenarios_plans_and_differences():
    record = json.loads(json.dumps(as_record([PLAIN, DIRTY, NONE], CATALOG), allow_nan=False))
    assert record["differences"][0]["path"] == ["workloads", "chat", "slo", "ttft_s"]
    assert record["scenarios"][2]["plan"] is None
    total = record["scenarios"][0]["plan"]["kgco2e_per_year"]["total"]
    assert PLAIN.plan is not None
    assert total == pytest.approx(PLAIN.plan.kgco2e_per_year)
    assert "seconds" not in record["scenarios"][0]["plan"]


def test_no_two_scenarios_are_called_the_same():
    a, b = tiny_scenario(), tiny_scenario(online(rate_rps=9.0))
    renamed = b.model_copy(update={"name": "tiny (2)"})
    names = unlike_names([a, renamed, b, b])
    assert len(set(names)) == 4
    assert names[:2] == ["tiny", "tiny (2)"]
