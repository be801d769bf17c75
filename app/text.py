"""Numbers and names as people read them: three significant digits, always with a unit."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ecoserve.units import t_from_kg

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


def plain(text: str) -> str:
    """``text`` with every punctuation mark escaped, so that markdown shows it as it is."""
    return _PUNCTUATION.sub(r"\\\1", text)


def number(value: float, digits: int = 3) -> str:
    """``value`` to so many significant digits, thousands set apart.

    >>> number(0.012345), number(12.345), number(98765.0), number(0.0)
    ('0.0123', '12.3', '98,800', '0')
    """
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return "unknown"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    if rounded and math.floor(math.log10(abs(rounded))) > digits - 1 - places:
        places -= 1
    return f"{rounded:,.{max(0, places)}f}".replace("-", MINUS)


def percent(ratio: float, digits: int = 2) -> str:
    """A ratio in per cent.

    >>> percent(0.3149).replace(NARROW_SPACE, " ")
    '31 %'
    """
    return f"{number(100 * ratio, digits)}{NARROW_SPACE}%"


@dataclass(frozen=True, slots=True)
class MassUnit:
    """The unit of a whole view: kilograms or tonnes of CO2e."""

    name: str
    kg: float

    def value(self, mass_kg: float) -> float:
        """The figure in this unit."""
        return mass_kg / self.kg

    def text(self, mass_kg: float) -> str:
        """The figure with its unit."""
        return f"{number(self.value(mass_kg))}{NARROW_SPACE}{self.name}"


KILOGRAMS = MassUnit("kg", 1.0)
TONNES = MassUnit("t", 1.0 / t_from_kg(1.0))


def mass_unit(largest_kg: float) -> MassUnit:
    """Tonnes from ten tonnes up, else kilograms: chosen once per view."""
    return TONNES if t_from_kg(largest_kg) >= 10 else KILOGRAMS


def power(power_kw: float) -> str:
    """A power in kW, or in MW from one megawatt up."""
    if power_kw >= 1000:
        return f"{number(power_kw / 1000)}{NARROW_SPACE}MW"
    return f"{number(power_kw)}{NARROW_SPACE}kW"


def duration(seconds: float) -> str:
    """A latency in milliseconds below one second, else in seconds."""
    if seconds < 1:
        return f"{number(seconds * 1000)}{NARROW_SPACE}ms"
    return f"{number(seconds)}{NARROW_SPACE}s"


def limit(seconds: float) -> str:
    """A latency limit exactly as it was given."""
    if seconds < 1:
        return f"{1000 * seconds:g}{NARROW_SPACE}ms"
    return f"{seconds:g}{NARROW_SPACE}s"


def sentence_list(items: list[str]) -> str:
    """Items as running text.

    >>> sentence_list(["a", "b", "c"])
    'a, b and c'
    """
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def sentence(text: str) -> str:
    """Words as a sentence: a capital first and one full stop.

    >>> sentence("prices are assumed")
    'Prices are assumed.'
    """
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
