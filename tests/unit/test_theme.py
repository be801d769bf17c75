"""The colours of the pages have the contrast that people need to read them (WCAG 2, AA)."""

from __future__ import annotations

from pathlib import Path

import pytest

import app
from app.serve import THEME

READABLE = 4.5


def luminance(colour: str) -> float:
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: object, other: object) -> float:
    dark, light = sorted((luminance(str(one)), luminance(str(other))))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("ground", ["backgroundColor", "secondaryBackgroundColor"])
@pytest.mark.parametrize("ink", ["textColor", "primaryColor", "linkColor"])
def test_words_stand_out_from_every_ground(mode: str, ground: str, ink: str) -> None:
    assert contrast(THEME[f"theme.{mode}.{ink}"], THEME[f"theme.{mode}.{ground}"]) >= READABLE


def test_no_button_has_white_words_on_an_accent_too_light_for_them() -> None:
    """The accent is text on dark grounds, and so too light for the white of a primary button."""
    assert contrast(THEME["theme.dark.primaryColor"], "#FFFFFF") < READABLE
    sources = Path(app.__file__).parent.rglob("*.py")
    assert not [path.name for path in sources if 'type="primary"' in path.read_text("utf-8")]
