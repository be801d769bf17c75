"""The methodology page against what the engine computes with: its figures, its rows, its keys."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from app.launch import LENGTH_STEP_TOKENS
from ecoserve import power, power_calibration
from ecoserve.analysis.sensitivity import SPANS
from ecoserve.baselines import SPLITWISE_TWO
from ecoserve.calibration import SMALLEST_BAND
from ecoserve.catalog import Catalog
from ecoserve.embodied import RACK_UNITS_OF_A_SERVER
from ecoserve.fit_points import MIN_POINTS
from ecoserve.narrowing import NEAR
from ecoserve.objective import OWN_OPTIMUM_SLACK
from ecoserve.paper_claims import REGIONS
from ecoserve.request_log import BURST_MINUTES, MAX_SPAN_DAYS
from ecoserve.request_tally import LENGTH_EDGES
from ecoserve.structure import DUTY_PERIODS

TEXT = " ".join((resources.files("assets") / "methodology.md").read_text(encoding="utf-8").split())
WORDS = {3: "three", 5: "five", 10: "ten"}
CELLS = ", ".join(f"{edge:,.0f}" for edge in LENGTH_EDGES[1:6])


@pytest.mark.parametrize(
    "sentence",
    [
        f"the catalog's cells ({CELLS} tokens, then doubling)",
        f"the busiest {WORDS[BURST_MINUTES]} minutes over the mean of the busiest sixty",
        f"the time lies more than {MAX_SPAN_DAYS} days from the first",
        f"above {WORDS[round(LENGTH_EDGES[-1] / 1e6)]} million tokens",
        f"cut into at most {WORDS[DUTY_PERIODS]} stretches",
        f"(never below {100 * SMALLEST_BAND:g} %)",
        f"Speed is fitted from {MIN_POINTS} rows",
        f"power from {power_calibration.MIN_POINTS} decode or end-to-end rows",
        f"the floor ({power_calibration.FLOOR_RATIO:.2f} of TDP)",
        f"the cap ({power_calibration.CAP_RATIO:g})",
        f"draws the cap from {power.COMPUTE_FULL_RATIO:g} of the peak",
        f"| {RACK_UNITS_OF_A_SERVER:g}U of height",
        f"costs more than {100 * NEAR:g} % above a known answer",
        f"the least-carbon plan within {100 * OWN_OPTIMUM_SLACK:g} % of its own optimum",
        "at {}, {} and {} gCO2e/kWh".format(*(name.removeprefix("paper_") for name in REGIONS)),
        "intensity, rates and latency limits by {:g} and {:g}".format(*SPANS["carbon intensity"]),
        "lifetimes by {:g} and {:g}".format(*SPANS["host life"]),
        f"| `{SPLITWISE_TWO}` |",
        f"rounded up to {LENGTH_STEP_TOKENS:,} tokens",
    ],
)
def test_figures_of_the_method_are_those_of_the_engine(sentence: str) -> None:
    assert sentence in TEXT


def test_inputs_that_move_together_move_alike() -> None:
    assert SPANS["carbon intensity"] == SPANS["request rates"] == SPANS["latency limits"]
    assert SPANS["accelerator life"] == SPANS["host life"]


def test_the_coefficients_it_names_are_those_of_the_catalog(catalog: Catalog) -> None:
    table = TEXT.partition("| part | how | coefficients |")[2].partition("Each part belongs")[0]
    named = set(re.findall(r"`([a-z0-9_]+)`", table))
    assert named - set(catalog.coefficient_sets) == {
        row.item for row in catalog.embodied_coefficients.values()
    }
