"""Charts of the catalog: titles with their numbers, bars that add up, marks for what is assumed."""

import pytest

from app import figures_catalog as figures
from app import figures_embodied, figures_footprints
from app.figures import Chart
from app.figures_catalog import CoefficientBand, QualityCount
from app.figures_embodied import Breakdown, BreakdownPart
from app.figures_footprints import FootprintPoint, SplitLine
from app.text import KILOGRAMS, TONNES


def words(text: str) -> str:
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ")


def shown_text(chart: Chart) -> str:
    """Title and subtitle on one line."""
    title = chart.figure.layout.title
    return f"{title.text} {title.subtitle.text}".replace("<br>", " ")


def part(name: str, side: str, kg: float, assumed: bool = False) -> BreakdownPart:
    return BreakdownPart(name, side, kg, 0.5 * kg, 2 * kg, assumed)


PCF = Breakdown(
    "pcf",
    (
        part("dies", "accelerator", 200),
        part("dies", "accelerator", 100, assumed=True),
        part("DRAM", "host", 500),
        part("fans", "host", 200),
    ),
)
PAPER = Breakdown("paper", (part("dies", "accelerator", 50), part("NICs", "host", 150)))


def test_sets_stand_side_by_side_with_the_finding_in_the_title():
    chart = figures_embodied.embodied_under_sets("8 x H100", [PCF, PAPER], "pcf", KILOGRAMS)
    assert words(chart.title) == (
        "8 x H100: 1,000 kg under pcf, 70 % of it the host; 200 kg under paper"
    )
    bars = [trace for trace in chart.figure.data if trace.type == "bar"]
    assert sum(bar.x[0] for bar in bars) == pytest.approx(1000)
    assert sum(bar.x[1] for bar in bars) == pytest.approx(200)
    assert words(chart.alt).count("kgCO2e") == 2


def test_a_part_of_two_coefficients_is_one_and_assumed_where_either_is():
    assert [(p.part, p.kgco2e, p.assumed) for p in PCF.ranked()] == [
        ("dies", 300, True),
        ("DRAM", 500, False),
        ("fans", 200, False),
    ]
    chart = figures_embodied.embodied_under_sets("x", [PCF, PAPER], "pcf", KILOGRAMS)
    shapes = {bar.name: bar.marker.pattern.shape for bar in chart.figure.data if bar.type == "bar"}
    assert shapes["accelerator: dies"] == ("/", "")
    assert shapes["host: DRAM"] == ("", "")


def test_the_whole_has_its_interval():
    chart = figures_embodied.embodied_under_sets("x", [PCF, PAPER], "pcf", TONNES)
    [marks] = [trace for trace in chart.figure.data if trace.type == "scatter"]
    assert list(marks.x) == pytest.approx([1.0, 0.2])
    assert list(marks.error_x.array) == pytest.approx([1.0, 0.2])
    assert list(marks.error_x.arrayminus) == pytest.approx([0.5, 0.1])
    assert "<b>1.00 t</b><br>0.500 to 2.00" in [
        words(a.text) for a in chart.figure.layout.annotations
    ]


def test_accelerators_have_the_full_tone_and_hosts_half_of_it():
    chart = figures_embodied.embodied_under_sets("x", [PCF], "pcf", KILOGRAMS)
    colours = {bar.name: bar.marker.color for bar in chart.figure.data if bar.type == "bar"}
    assert colours == {
        "accelerator: dies": "#0072B2",
        "host: DRAM": "#80B8D8",
        "host: fans": "#80B8D8",
    }
    tiles = figures_embodied.embodied_map("x", PCF, KILOGRAMS).figure.data[0]
    on_map = dict(zip(tiles.ids, tiles.marker.colors, strict=True))
    assert (on_map["accelerator/dies"], on_map["host/DRAM"]) == ("#0072B2", "#80B8D8")
    assert "strong: accelerators, pale: host" in shown_text(chart)


def test_one_accelerator_names_its_largest_part():
    card = Breakdown("pcf", (part("memory", "accelerator", 60), part("dies", "accelerator", 40)))
    chart = figures_embodied.embodied_under_sets("H100", [card], "pcf", KILOGRAMS)
    assert words(chart.title) == "H100: 100 kg under pcf, 60 % of it memory"


def test_map_has_a_tile_per_part_that_adds_up_by_side():
    chart = figures_embodied.embodied_map("a server", PCF, KILOGRAMS)
    assert words(chart.title) == (
        "The largest single part under pcf: DRAM of the host, 50 % of a server"
    )
    tiles = chart.figure.data[0]
    size = dict(zip(tiles.ids, tiles.values, strict=True))
    assert size == {
        "accelerator": 300, "host": 700, "accelerator/dies": 300, "host/DRAM": 500,
        "host/fans": 200,
    }  # fmt: skip
    hatched = dict(zip(tiles.ids, tiles.marker.pattern.shape, strict=True))
    assert [name for name, shape in hatched.items() if shape] == ["accelerator/dies"]
    assert "assumed" in dict(zip(tiles.ids, tiles.text, strict=True))["accelerator/dies"]


def point(product: str, published: float, ours: float, fitted: bool = False) -> FootprintPoint:
    return FootprintPoint(
        product=product, set_id="pcf", published_kgco2e=published,
        published_low_kgco2e=published, published_high_kgco2e=published, kgco2e=ours,
        low_kgco2e=ours / 2, high_kgco2e=ours * 1.5, in_sample=fitted,
    )  # fmt: skip


def test_checks_leave_what_was_fitted_out_of_the_finding():
    points = [point("a", 100, 100, fitted=True), point("b", 100, 80), point("c", 100, 50)]
    chart = figures_footprints.published_against_ours(
        [*points, point("d", 100, 60)], ["pcf"], "pcf"
    )
    assert chart.title == (
        "Set pcf has 1 of the 3 published footprints it was not fitted to within its band, "
        "typically high 3.0 x low; typically it gives 0.600 times the published figure"
    )
    [heading] = [note.text for note in chart.figure.layout.annotations]
    assert heading == "<b>pcf</b>: 0 of 3 not<br>fitted within 10%"
    published, ours = chart.figure.data
    assert set(published.marker.symbol.split()) == {"diamond-open"}
    assert list(ours.marker.symbol) == ["circle-open", "circle", "circle", "circle"]
    assert list(ours.error_x.arrayminus) == pytest.approx([50, 40, 25, 30])
    assert chart.figure.layout.xaxis.type == "log"
    assert "logarithmic" in chart.figure.layout.title.subtitle.text


def test_split_names_the_part_that_differs_most():
    chart = figures_footprints.published_split(
        "HGX", "pcf", [SplitLine("dies", 300, 340), SplitLine("memory", 500, 490)]
    )
    assert chart.title == (
        "HGX: 830 kg under pcf beside 800 published; the split differs most in dies, 340 beside 300"
    )
    assert list(chart.figure.data[0].x) == [500, 300]
    assert list(chart.figure.data[1].x) == [490, 340]


def test_quality_shares_fill_every_bar_and_begin_with_the_assumed():
    rows = [
        QualityCount("hosts", {"measured": 0, "manufacturer": 1, "modelled": 0, "assumed": 3}),
        QualityCount("llms", {"measured": 2, "manufacturer": 2, "modelled": 1, "assumed": 1}),
    ]
    chart = figures.quality_shares(rows)
    assert words(chart.title) == (
        "Of 10 figures 20 % are measured, 30 % a manufacturer's, 10 % modelled and 40 % assumed, "
        "most of all in hosts"
    )
    bars = chart.figure.data
    assert bars[0].name == "assumed"
    assert bars[0].marker.pattern.shape == "/"
    assert bars[0].x[0] == pytest.approx(75)
    assert [sum(bar.x[i] for bar in bars) for i in range(2)] == pytest.approx([100, 100])


def band(item: str, set_id: str, value: float, assumed: bool = False) -> CoefficientBand:
    return CoefficientBand(
        item=item, unit="kg/GB", set_id=set_id, value=value, low=value / 2, high=value * 2,
        assumed=assumed,
    )  # fmt: skip


def test_coefficients_are_ranked_by_disagreement_around_the_chosen_set():
    bands = [
        band("memory", "pcf", 0.8), band("memory", "paper", 0.4),
        band("DRAM", "pcf", 1.0, assumed=True), band("DRAM", "paper", 0.25),
        band("zero", "pcf", 0.0), band("only paper", "paper", 1.0),
    ]  # fmt: skip
    chart = figures.coefficient_bands(bands, "pcf")
    assert chart.title == (
        "The sets disagree most on DRAM: 0.250 kg/GB under paper, 1.00 under pcf, 4.0 times"
    )
    assert list(chart.figure.layout.yaxis.ticktext) == ["DRAM, 1.00 kg/GB", "memory, 0.800 kg/GB"]
    paper, pcf = chart.figure.data
    assert list(paper.x) == pytest.approx([0.5, 0.25])
    assert list(pcf.x) == pytest.approx([1, 1])
    assert list(pcf.marker.symbol) == ["circle", "circle-open"]


def test_names_cannot_carry_markup_into_a_chart():
    bad = Breakdown("pcf", (part("<b>x</b>", "host", 10),))
    chart = figures_embodied.embodied_map("<i>s</i>", bad, KILOGRAMS)
    assert "<b>x</b>" not in chart.figure.data[0].labels
    assert "&lt;i&gt;" in chart.figure.layout.title.text
