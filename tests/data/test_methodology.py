"""The methodology page against what the engine computes with: its figures, its rows, its keys."""

from __future__ import annotations

import re

import pytest

from app.methodology import TEMPLATE, figures, methodology, methodology_html
from ecoserve.analysis.sensitivity import SPANS
from ecoserve.baselines import SPLITWISE_TWO
from ecoserve.catalog import Catalog

TEXT = " ".join(methodology().split())


def test_every_figure_is_put_in_where_the_text_asks_for_it() -> None:
    asked = re.findall(r"\{\{ (\w+) \}\}", TEMPLATE.read_text(encoding="utf-8"))
    assert sorted(set(asked)) == sorted(figures())
    assert "{{" not in TEXT


@pytest.mark.parametrize(
    "sentence",
    [
        "the catalog's cells (25, 100, 250, 500, 1,000 tokens, then doubling)",
        "above 10,000,000 tokens, or the time lies more than 400 days from the first",
        "the floor (0.30 of TDP), the cap (0.985)",
        "costs more than 3 % above a known answer",
        "the least-carbon plan within 0.5 % of its own optimum",
        "at 17, 261 and 501 gCO2e/kWh",
        "in chunks of 8,192 tokens (2,048 below 70 GiB of memory and on A100s)",
        "A difference of more than 10 % from the promise",
        "intensity, rates and latency limits by 0.8 and 1.25, lifetimes by 0.75 and 1.5",
        f"| `{SPLITWISE_TWO}` |",
    ],
)
def test_it_reads_as_it_was_meant_to(sentence: str) -> None:
    assert sentence in TEXT


def test_as_html_its_tables_are_tables_and_no_tag_is_left_to_the_reader() -> None:
    page = methodology_html()
    assert page.count("<table>") == 2
    assert "<strong>What is decided.</strong>" in page
    assert "&lt;accelerator&gt;" in page


def test_inputs_that_move_together_move_alike() -> None:
    assert SPANS["carbon intensity"] == SPANS["request rates"] == SPANS["latency limits"]
    assert SPANS["accelerator life"] == SPANS["host life"]


def test_the_coefficients_it_names_are_those_of_the_catalog(catalog: Catalog) -> None:
    table = TEXT.partition("| part | how | coefficients |")[2].partition("Each part belongs")[0]
    named = set(re.findall(r"`([a-z0-9_]+)`", table))
    assert named - set(catalog.coefficient_sets) == {
        row.item for row in catalog.embodied_coefficients.values()
    }
