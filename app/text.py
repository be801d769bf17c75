"""Numbers and names as people read them: three significant digits, always with a unit."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ecoserve.errors import Problem
from ecoserve.units import t_from_kg

_ADDRESS = re.compile(r"(https?:(?=//)|www(?=\.)|@)", re.IGNORECASE)
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
WORD_JOINER = "\N{WORD JOINER}"
"""Takes no room; after it markdown sees no web or mail address to make a link of."""


def plain(text: str) -> str:
    """``text`` with every punctuation mark escaped, so that markdown shows it as it is.

    Web and mail addresses do not become links: in a name they would lead where a stranger wants.
    """
    return _PUNCTUATION.sub(r"\\\1", _ADDRESS.sub(rf"\1{WORD_JOINER}", text))


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


def band_width(ratio: float) -> str:
    """How wide a band is, given its high over its low.

    >>> band_width(10.256), band_width(3.27), band_width(math.inf)
    ('high 10 x low', 'high 3.3 x low', 'low 0')
    """
    return f"high {number(ratio, 2)} x low" if math.isfinite(ratio) else "low 0"


LEAST_RATIO = 1e-6
"""Below it a share or an error is rounding of the machine."""


def percent(ratio: float, digits: int = 3) -> str:
    """A ratio in per cent.

    >>> percent(0.3149).replace(NARROW_SPACE, " ")
    '31.5 %'
    """
    shown = ratio if abs(ratio) >= LEAST_RATIO else 0.0
    return f"{number(100 * shown, digits)}{NARROW_SPACE}%"


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


_WORDS = {"electricity_usd_per_kwh": "electricity price", "pue": "PUE"}


def in_words(text: str, names: Mapping[str, str]) -> str:
    """``text`` with ids replaced by names, and columns of the catalog by words.

    >>> in_words("Measured. electricity_usd_per_kwh assumed on t4_16gb.", {"t4_16gb": "T4"})
    'Measured. Electricity price assumed on T4.'
    """
    named = re.sub(r"\b\w+\b", lambda m: names.get(m[0]) or _WORDS.get(m[0]) or m[0], text)
    return re.sub(r"\. ([a-z])", lambda m: m[0].upper(), named)


_UNITS = {
    "gb_per_s": "GB/s",
    "gib_per_accelerator_gb": "GiB per GB of accelerator",
    "gb_per_accelerator_gb": "GB per GB of accelerator",
    "usd_per_kwh": "USD/kWh",
    "usd_per_h": "USD/h",
    "gco2e_per_kwh": "gCO2e/kWh",
    "kgco2e": "kgCO2e",
    "tflops": "TFLOPS",
    "tops": "TOPS",
    "gbps": "Gb/s",
    "gib": "GiB",
    "gb": "GB",
    "mm2": "mm2",
    "cm2": "cm2",
    "nm": "nm",
    "usd": "USD",
    "tokens": "tokens",
    "ms": "ms",
    "us": "us",
    "w": "W",
    "h": "h",
}
_UNIT_SUFFIX = re.compile(rf"_({'|'.join(_UNITS)})$")
_COLUMN_WORDS = {
    "capex": "price",
    **{name: name.upper() for name in ("dram", "ssd", "tdp", "psu", "pue", "cfe", "mbu", "mfu")},
    **{"nics": "NICs", "nic": "NIC", "psus": "PSUs", "vcpus": "vCPUs", "kv": "KV", "tp": "TP"},
    **{name: name.upper() for name in ("hbm2", "hbm2e", "hbm3", "hbm3e", "gddr6", "gddr7")},
    **{name: name.upper() for name in ("ddr4", "ddr5", "lpddr5x", "sxm", "oam", "psu")},
    **{"pcie": "PCIe"},
    **{"llms": "LLMs", "cpus": "CPUs", "cpu": "CPU", "utc": "UTC", "isl": "ISL", "osl": "OSL"},
}


_FORMATS = ("bf16", "fp8", "int8", "fp4")


def catalog_words(name: str) -> str:
    """A key of the catalog in words.

    >>> catalog_words("cpu_package"), catalog_words("hbm3e")
    ('CPU package', 'HBM3E')
    """
    return " ".join(_COLUMN_WORDS.get(word, word) for word in name.split("_"))


def column_words(name: str, *, unit: bool = True) -> str:
    """A column of the catalog in words, with the unit that its name ends in.

    >>> column_words("memory_gb_per_s"), column_words("dram_gib", unit=False)
    ('Memory bandwidth, GB/s', 'DRAM')
    >>> column_words("n_nics"), column_words("provider_id")
    ('NICs', 'Provider')
    """
    found = _UNIT_SUFFIX.search(name)
    bare = name[: found.start()] if found else name
    bare = bare.removesuffix("_id").removeprefix("n_")
    words = catalog_words(bare) + (" bandwidth" if name.endswith("_gb_per_s") else "")
    if not bare.startswith(_FORMATS):
        words = f"{words[:1].upper()}{words[1:]}"
    return f"{words}, {_UNITS[found[1]]}" if found and unit else words


def times(now: float, then: float) -> str:
    """How large ``now`` is beside ``then``, where per cent would be hard to read.

    >>> times(12.7, 1.0)
    '12.7 times'
    """
    return f"{number(now / then)} times"


def capacity(gigabytes: float) -> str:
    """Memory or storage in whole gigabytes, terabytes from ten of them up.

    >>> capacity(2048.0).replace(NARROW_SPACE, " "), capacity(30720.0).replace(NARROW_SPACE, " ")
    ('2,048 GB', '30.7 TB')
    """
    if gigabytes >= 10_000:
        return f"{number(gigabytes / 1000)}{NARROW_SPACE}TB"
    return f"{gigabytes:,.0f}{NARROW_SPACE}GB"


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


def replaced(years: int, horizon_years: int) -> str:
    """How often something is replaced; what serves a whole horizon is not replaced within it.

    >>> replaced(4, 10), replaced(12, 10)
    ('every 4 years', 'not at all (they serve 12 years)')
    """
    return (
        f"every {years} years"
        if years < horizon_years
        else f"not at all (they serve {years} years)"
    )


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


def problem_text(problem: Problem, workload_names: list[str]) -> str:
    """A problem as a sentence in the user's words."""
    steps = problem.field.split(".") if problem.field else []
    if len(steps) > 1 and steps[0] == "workloads" and steps[1].isdigit():
        i = int(steps[1])
        name = workload_names[i] if i < len(workload_names) else f"number {i + 1}"
        steps = [f"workload {name}", *steps[2:]]
    where = ", ".join(step for step in steps if not step.isdigit()).replace("_", " ")
    message = problem.message
    return sentence(f"{where}: {message}" if where else message)
