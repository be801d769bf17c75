"""Exact conversions and the constants of time.

Inside the engine every quantity is in one of: s, W, kWh, kgCO2e, gCO2e/kWh, tokens, requests/s,
GB (1e9 bytes), years, USD/h. The unit stands in the name; dimensionless names end in ``_ratio`` or
are listed here: ``pue``, ``utilisation``, ``tp``, ``batch``, ``share``.
"""

SECONDS_PER_HOUR = 3600.0
HOURS_PER_DAY = 24
HOURS_PER_YEAR = 8760.0
DAYS_PER_YEAR = 365.0
BYTES_PER_GB = 1e9
FLOP_PER_TFLOP = 1e12
FUNCTIONAL_UNIT_TOKENS = 1000.0
"""The functional unit: 1,000 output tokens, offline ones too."""


def kw_from_w(power_w: float) -> float:
    """Watts to kilowatts.

    >>> kw_from_w(1500.0)
    1.5
    """
    return power_w / 1000.0


def kg_from_g(mass_g: float) -> float:
    """Grams to kilograms.

    >>> kg_from_g(261.0)
    0.261
    """
    return mass_g / 1000.0


def g_from_kg(mass_kg: float) -> float:
    """Kilograms to grams.

    >>> g_from_kg(0.5)
    500.0
    """
    return mass_kg * 1000.0


def t_from_kg(mass_kg: float) -> float:
    """Kilograms to tonnes.

    >>> t_from_kg(2500.0)
    2.5
    """
    return mass_kg / 1000.0


def hours_from_years(duration_years: float) -> float:
    """Years of 8,760 h to hours.

    >>> hours_from_years(4.0)
    35040.0
    """
    return duration_years * HOURS_PER_YEAR


def s_from_us(duration_us: float) -> float:
    """Microseconds to seconds.

    >>> s_from_us(65.0)
    6.5e-05
    """
    return duration_us * 1e-6


def s_from_ms(duration_ms: float) -> float:
    """Milliseconds to seconds.

    >>> s_from_ms(0.5)
    0.0005
    """
    return duration_ms * 1e-3
