"""The method in words, every figure in it the constant that the engine computes with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources

from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt

from app.launch import LENGTH_STEP_TOKENS
from ecoserve import fit_points, power, power_calibration
from ecoserve.analysis.sensitivity import SPANS
from ecoserve.calibration import SMALLEST_BAND
from ecoserve.embodied import RACK_UNITS_OF_A_SERVER
from ecoserve.narrowing import NEAR
from ecoserve.objective import OWN_OPTIMUM_SLACK
from ecoserve.paper_claims import REGIONS
from ecoserve.request_log import BURST_MINUTES, MAX_SPAN_DAYS
from ecoserve.request_tally import LENGTH_EDGES
from ecoserve.runtime.deployment import CHUNK_TOKENS, SMALL_CHUNK_TOKENS
from ecoserve.runtime.offline import LEAD_S
from ecoserve.runtime.result import TOLERANCE
from ecoserve.runtime.sketch import RELATIVE_ERROR
from ecoserve.search import MUCH_OPEN
from ecoserve.structure import DUTY_PERIODS

TEMPLATE = resources.files("assets") / "methodology.md"
PAPER_REGION = "paper_"


def figures() -> Mapping[str, str]:
    """What stands where in the text, by the names it has there."""
    *others, last = (name.removeprefix(PAPER_REGION) for name in REGIONS)
    return {
        "length_edges": ", ".join(f"{edge:,.0f}" for edge in LENGTH_EDGES[1:6]),
        "most_tokens": f"{LENGTH_EDGES[-1]:,.0f}",
        "burst_minutes": f"{BURST_MINUTES}",
        "most_days": f"{MAX_SPAN_DAYS}",
        "day_parts": f"{DUTY_PERIODS}",
        "least_band": f"{100 * SMALLEST_BAND:g}",
        "speed_points": f"{fit_points.MIN_POINTS}",
        "power_points": f"{power_calibration.MIN_POINTS}",
        "power_floor": f"{power_calibration.FLOOR_RATIO:.2f}",
        "power_cap": f"{power_calibration.CAP_RATIO:g}",
        "compute_full": f"{power.COMPUTE_FULL_RATIO:g}",
        "rack_units": f"{RACK_UNITS_OF_A_SERVER:g}",
        "near_known": f"{100 * NEAR:g}",
        "much_open": f"{100 * MUCH_OPEN:g}",
        "own_optimum_slack": f"{100 * OWN_OPTIMUM_SLACK:g}",
        "paper_intensities": f"{', '.join(others)} and {last}",
        "sensitivity_span": "{:g} and {:g}".format(*SPANS["carbon intensity"]),
        "life_span": "{:g} and {:g}".format(*SPANS["host life"]),
        "context_step": f"{LENGTH_STEP_TOKENS:,}",
        "chunk_tokens": f"{CHUNK_TOKENS:,}",
        "small_chunk_tokens": f"{SMALL_CHUNK_TOKENS:,}",
        "lead_minutes": f"{LEAD_S / 60:g}",
        "replay_tolerance": f"{100 * TOLERANCE:g}",
        "quantile_error": f"{100 * RELATIVE_ERROR:g}",
    }


@lru_cache(maxsize=1)
def methodology() -> str:
    """The whole text, as Markdown."""
    # Markdown is no HTML: what is put in are the engine's own numbers
    environment = Environment(undefined=StrictUndefined, autoescape=False)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(figures())


def methodology_html() -> str:
    """The same for files that no Markdown reader opens; tags in it would be shown, not obeyed."""
    return MarkdownIt("commonmark", {"html": False}).enable("table").render(methodology())
