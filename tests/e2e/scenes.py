"""Scenarios for tests of pages: the page is tried there, not the solver."""

from __future__ import annotations

import ecoserve
from app.presets import load_presets
from ecoserve.analysis.edits import edited
from ecoserve.link import encode_link
from ecoserve.scenario import Scenario

DEFAULT_PRESET = "azure-chat-and-code"
SMALLEST_PRESET = "small-assistant"


def few_choices() -> Scenario:
    """The default preset with the one accelerator that its plan is made of: proven much sooner."""
    return edited(load_presets()[DEFAULT_PRESET], {"hardware.accelerators": ["b200"]})


def token(scenario: Scenario) -> str:
    """What stands behind ``?s=`` in a link to it, made with this engine."""
    return encode_link(scenario, load_presets(), ecoserve.__version__, "")
