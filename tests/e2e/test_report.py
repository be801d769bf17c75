"""The plan's files as they leave the page and the terminal, and the report in a real Chromium."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from typer.testing import CliRunner

from app.cli import app
from app.presets import load_presets
from app.report_html import Occasion, report_html
from ecoserve import __version__
from ecoserve.link import encode_link
from tests.e2e.conftest import PAGE_LIMIT_MS
from tests.e2e.server import AppServer
from tests.unit.test_exports import ANSWER, CATALOG

PRESET = "small-assistant"
A4_PX = 688
"""Between margins of 14 mm, at 96 pixels to the inch."""


@pytest.fixture(autouse=True)
def _patient() -> Iterator[None]:
    expect.set_options(timeout=PAGE_LIMIT_MS)
    yield
    expect.set_options(timeout=5_000)


def opened(page: Page, file: Path) -> tuple[list[str], list[str]]:
    """Opens a file; the requests of the page and all that it complained about."""
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    return asked, said


def test_the_report_asks_nobody_and_runs_no_text(context: BrowserContext, tmp_path: Path):
    hostile = "<script>document.title='owned'</script><img src=http://example.org/x>"
    answer = ANSWER.renamed(hostile)
    file = tmp_path / "report.html"
    occasion = Occasion(made_on=hostile, link=f"https://here/?s={hostile}", other_sets=(hostile,))
    file.write_text(report_html(answer, CATALOG, load_presets(), occasion), encoding="utf-8")
    page = context.new_page()
    asked, said = opened(page, file)
    assert asked == [file.as_uri()]
    assert said == []
    assert page.title() != "owned"
    assert page.locator("img").count() == 0
    expect(page.get_by_text("<script>document.title").first).to_be_visible()
    page.emulate_media(media="print")
    page.set_viewport_size({"width": A4_PX, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= A4_PX


def test_the_page_hands_out_its_files_by_keyboard(app_server: AppServer, page: Page):
    presets = load_presets()
    token = encode_link(presets[PRESET], presets, __version__, "any")
    page.goto(f"{app_server.url}/?s={token}")
    menu = page.get_by_role("button", name="Download", exact=True)
    expect(menu).to_be_visible()
    expect(page.get_by_text("A better answer is being worked out")).to_have_count(0)
    expect(page.get_by_text("Embodied coefficients pcf. Planned")).to_be_visible()
    expect(page.get_by_text("so far by quick answers")).to_have_count(0)
    menu.focus()
    page.keyboard.press("Enter")
    files = {}
    for label in ("Report (HTML)", "Plan as CSV", "Plan as JSON", "Launch commands"):
        with page.expect_download() as caught:
            button = page.get_by_role("button", name=label)
            button.focus()
            page.keyboard.press("Enter")
        files[label] = Path(caught.value.path()).read_text(encoding="utf-8")
        fingerprint = caught.value.suggested_filename.split("-")[1]
        assert fingerprint in files[label]
    record = json.loads(files["Plan as JSON"])
    rows = list(csv.DictReader(io.StringIO(files["Plan as CSV"])))
    total = record["kgco2e_per_year"]["total"]
    assert float(rows[0]["kgco2e_per_year"]) == pytest.approx(total)
    assert sum(row["section"] == "fleet" for row in rows) == len(record["fleet"])
    assert files["Launch commands"].count("vllm serve ") == len(record["pools"])
    headline = page.get_by_role("heading", level=2).first.inner_text()
    assert headline.replace("%", " %").split(":")[0] in files["Report (HTML)"]
    assert "Planned anew with" in files["Report (HTML)"]
    assert f"{app_server.url}/?s=" in files["Report (HTML)"]


def test_the_terminal_writes_the_same_files(tmp_path: Path):
    names = ("plan.csv", "launch.json", "report.html")
    table, launch, report = (tmp_path / name for name in names)
    runner = CliRunner()
    quick = ("--effort", "quick")
    files = ("--csv", str(table), "--launch", str(launch), "--json")
    planned = runner.invoke(app, ["plan", PRESET, *quick, *files])
    assert planned.exit_code == 0, planned.output
    record = json.loads(planned.stdout)
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))
    assert float(rows[0]["kgco2e_per_year"]) == record["kgco2e_per_year"]["total"]
    pools = json.loads(launch.read_text(encoding="utf-8"))["pools"]
    assert [pool["replicas"] for pool in pools] == [pool["replicas"] for pool in record["pools"]]
    told = runner.invoke(app, ["report", PRESET, *quick, "--out", str(report)])
    assert told.exit_code == 0, told.output
    assert told.stdout.strip() == str(report)
    assert record["scenario_fingerprint"] in report.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "/nowhere/at/all.html"], "cannot write"),
        (["--out", "x.html", "--baseline", "cheapest"], "is unknown; choose of cost"),
    ],
)
def test_a_report_that_cannot_be_made_says_why(arguments: list[str], words: str):
    result = CliRunner().invoke(app, ["report", PRESET, "--effort", "quick", *arguments])
    assert result.exit_code == 2
    assert words in result.stderr
