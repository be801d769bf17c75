from dataclasses import replace
from typing import Any

import pytest

from app import figures, figures_traffic
from app.figures import Chart
from app.text import KILOGRAMS, TONNES, WORD_JOINER, mass_unit, number, percent, plain
from ecoserve.plan import CarbonPart, FleetEntry, HourlySeries, Plan, SiteDay, Status
from ecoserve.rows import LengthBucket, LengthMix

BASELINE = "the fleet chosen for cost, as sold"
FLAT_DAY = (10.0,) * 24
PARTS = (
    ("operational", "accelerator", "accelerators", 60_000.0),
    ("operational", "host", "dram", 20_000.0),
    ("operational", "facility", "overhead", 10_000.0),
    ("embodied", "accelerator", "dies", 7_000.0),
    ("embodied", "host", "dram", 3_000.0),
)


def make_plan(scale: float = 1.0, **overrides: Any) -> Plan:
    parts = tuple(
        CarbonPart(kind=kind, side=side, part=part, workload="chat", kgco2e_per_year=scale * kg)  # type: ignore[arg-type]
        for kind, side, part, kg in PARTS
    )
    values: dict[str, Any] = {
        "engine_version": "0", "catalog_version": "0", "scenario_fingerprint": "0",
        "status": Status.OPTIMAL, "gap": 0.0, "bound": 1.0, "objective": 1.0,
        "objective_name": "kg/day", "fleet": (), "pools": (), "carbon_parts": parts,
        "cost_parts": (),
        "site_days": (SiteDay(site="here", pue=1.1, hourly=HourlySeries(
            gco2e_per_kwh=FLAT_DAY, it_power_kw=FLAT_DAY,
            online_it_power_kw=FLAT_DAY, offline_it_power_kw=FLAT_DAY,
        )),),
            "sunk_kgco2e_per_year": 0.0,
        "direct_kgco2e_per_year": None, "market_kgco2e_per_year": None,
        "output_tokens_per_year": 1e9, "slo": (), "blocked": (), "notes": (),
    }  # fmt: skip
    return Plan(**{**values, **overrides})


def compared() -> Chart:
    return figures.plan_against_baseline(make_plan(), make_plan(2.0), BASELINE)


def annotation_texts(chart: Chart) -> list[str]:
    return [a.text for a in chart.figure.layout.annotations]


def words(text: str) -> str:
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_title_states_the_finding_with_its_number_and_its_reason():
    assert words(compared().title) == (
        "50.0 % less carbon than the fleet chosen for cost, as sold: "
        "100 t less, 60.0 t of it electricity of the accelerators"
    )


def test_title_says_more_where_the_plan_emits_more():
    title = figures.saving_title(make_plan(1.2), make_plan(), "the baseline")
    assert words(title).startswith("20.0 % more carbon than the baseline")


def test_title_counts_in_times_where_the_plan_emits_more_than_double():
    title = figures.saving_title(make_plan(12.7), make_plan(), "the baseline")
    assert words(title).startswith("12.7 times the carbon of the baseline: 1,170 t more, 702 t of")


def test_title_tells_a_gain_larger_than_the_whole_difference():
    ours = make_plan(carbon_parts=make_plan(0.5).carbon_parts[:1] + make_plan(1.3).carbon_parts[1:])
    title = figures.saving_title(ours, make_plan(), "x")
    assert words(title).endswith("18.0 t less, with 30.0 t less electricity of the accelerators")


def at(site: str, scale: float) -> Plan:
    """Servers at one site, drawing what :func:`make_plan` does, on a grid ``scale`` as dirty."""
    entry = FleetEntry(site=site, server="s", variant="full", count=1, on_by_hour=(1,) * 24)
    electricity = tuple(
        replace(part, kgco2e_per_year=scale * part.kgco2e_per_year)
        if part.kind == "operational"
        else part
        for part in make_plan().carbon_parts
    )
    return make_plan(fleet=(entry,), carbon_parts=electricity)


def test_title_credits_the_grid_where_only_the_site_is_another():
    # 90 t of electricity from the same kWh (10 kW x 1.1 x 8,760 h) on a tenth of the intensity
    title = words(figures.saving_title(at("north", 0.1), at("home", 1.0), "x"))
    assert title.endswith("81.0 t less, 81.0 t of it by the grid, 93 instead of 934 gCO2e/kWh")
    same_place = words(figures.saving_title(at("home", 0.1), at("home", 1.0), "x"))
    assert same_place.endswith("54.0 t of it electricity of the accelerators")


def test_title_claims_nothing_for_a_tie():
    assert figures.saving_title(make_plan(), make_plan(), "x") == "As much carbon as x"


def test_totals_stand_on_the_bars():
    texts = annotation_texts(compared())
    assert "<b>100 t</b><br>90.0 operational,<br>10.0 embodied" in texts
    assert "<b>200 t</b><br>180 operational,<br>20.0 embodied" in texts


def test_segments_of_a_bar_add_up_to_its_total():
    bars = compared().figure.data
    assert sum(bar.x[0] for bar in bars) == pytest.approx(100.0)
    assert sum(bar.x[1] for bar in bars) == pytest.approx(200.0)


def test_every_part_of_the_account_has_a_segment():
    drawn = {(segment.kind, segment.side) for segment in figures.SEGMENTS}
    assert {(kind, side) for kind, side, _, _ in PARTS} <= drawn


def test_one_colour_per_concept():
    colours = {bar.name: bar.marker.color for bar in compared().figure.data}
    assert colours["operational, accelerators"] == "#E69F00"
    assert colours["embodied, accelerators"] == "#0072B2"
    assert colours["embodied, hosts"] == "rgba(0,114,178,0.5)"
    assert "#009E73" in compared().figure.data[0].y[0]


def test_bars_start_at_zero():
    assert compared().figure.layout.xaxis.range[0] == 0


def test_grounds_are_transparent_and_the_title_is_in_the_download():
    chart = compared()
    assert chart.figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert chart.figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert chart.title in chart.figure.layout.title.text.replace("<br>", " ")
    assert figures.CONFIG["displaylogo"] is False


def test_description_tells_what_the_picture_shows():
    alt = words(compared().alt)
    assert "This plan: 100 tCO2e a year, 90.0 t operational and 10.0 t embodied" in alt


def test_parts_are_ranked_and_named():
    chart = figures.carbon_by_part(make_plan())
    assert list(chart.figure.data[0].x) == [60.0, 20.0, 10.0, 7.0, 3.0]
    assert words(chart.title) == (
        "60.0 % of the total is accelerator: accelerators (operational), the largest part"
    )


def test_bars_of_the_parts_sum_to_the_total():
    plan = make_plan()
    chart = figures.carbon_by_part(plan, shown=3)
    assert chart.figure.data[0].y[-1] == "2 others"
    assert sum(chart.figure.data[0].x) == pytest.approx(plan.kgco2e_per_year / 1000)


def test_plan_without_a_baseline_still_has_its_picture():
    assert words(figures.plan_alone(make_plan()).title).startswith("90.0 % of the carbon")


def test_offline_work_is_hatched_and_online_is_not():
    chart = figures_traffic.hourly_rates({"chat": [1.0] * 23 + [5.0]}, {"summaries": [2.0] * 24})
    online, offline = chart.figure.data
    assert online.marker.pattern.shape is None
    assert offline.marker.pattern.shape == "/"
    assert chart.title == "The busiest hour is 23:00 with 7.00 requests/s"


def test_histogram_title_has_the_means():
    def bucket(isl: float, osl: float, fraction: float) -> LengthBucket:
        return LengthBucket(
            isl_lo_tokens=isl - 50, isl_hi_tokens=isl + 50, osl_lo_tokens=0, osl_hi_tokens=500,
            fraction=fraction, isl_tokens=isl, osl_tokens=osl,
        )  # fmt: skip

    mix = LengthMix(
        id="m", source_id="s", quality="measured", name="Mix",
        buckets=(bucket(100, 20, 0.5), bucket(300, 40, 0.5)),
    )  # fmt: skip
    chart = figures_traffic.length_histogram(mix)
    assert chart.title == "A mean request brings 200 tokens and gets 30.0 back"
    assert sum(map(sum, chart.figure.data[0].z)) == pytest.approx(100.0)


def test_intensity_names_the_cleanest_and_the_dirtiest_hour():
    hourly = [200.0] * 24
    hourly[12], hourly[20] = 100.0, 400.0
    chart = figures_traffic.intensity_by_hour(hourly, assumed=False)
    assert words(chart.title) == "At 12:00 a kWh carries 75.0 % less carbon than at 20:00"


def test_own_intensity_is_hatched():
    chart = figures_traffic.intensity_by_hour([17.0] * 24, assumed=True)
    assert chart.figure.data[0].marker.pattern.shape == "/"
    assert "moving work in time saves nothing" in chart.title


def test_names_cannot_carry_markup_into_a_chart():
    chart = figures_traffic.hourly_rates({"a & b": [1.0] * 24}, {})
    assert "a &amp; b" in annotation_texts(chart)[0]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.012345, "0.0123"), (9.996, "10.0"), (98_765, "98,800"), (-5.5, "−5.50")],
)
def test_numbers_have_three_significant_digits(value: float, shown: str):
    assert number(value) == shown


def test_mass_is_in_kilograms_or_tonnes_once_per_view():
    assert mass_unit(9_000.0) is KILOGRAMS
    assert mass_unit(10_000.0) is TONNES
    assert words(TONNES.text(12_340.0)) == "12.3 t"
    assert words(percent(0.3149)) == "31.5 %"


def test_text_for_markdown_loses_its_meaning():
    assert plain("![x](http://a)") == rf"\!\[x\]\(http\:{WORD_JOINER}\/\/a\)"
