"""What a plan can be set against: the baselines of a scenario in both columns, in words."""

from __future__ import annotations

from collections.abc import Iterator

from ecoserve.ablations import ONLY, WITHOUT
from ecoserve.baselines import (
    COLUMNS,
    COST,
    ENERGY,
    GIVEN,
    PERFORMANCE,
    SINGLE,
    SPLITWISE,
    SPLITWISE_TWO,
    PriceColumn,
    baseline_names,
    flagship,
    one_before,
    plan_key,
)
from ecoserve.catalog import Catalog
from ecoserve.comparison import OURS
from ecoserve.rows import Accelerator
from ecoserve.scenario import Scenario

DEFAULT_BASELINE = COST
BEST_SINGLE = SINGLE.removesuffix(":")
"""The least-carbon one of the fleets with one accelerator each."""
COLUMN_WORDS: dict[PriceColumn, str] = {"as_sold": "as sold", "same": "same choices"}
_WORDS = {
    COST: "the fleet chosen for cost",
    ENERGY: "the fleet chosen for energy",
    PERFORMANCE: "the fleet chosen for latency",
    BEST_SINGLE: "the best fleet of one accelerator",
}


def baseline_choices(scenario: Scenario, catalog: Catalog) -> dict[str, str]:
    """Words by key, ``<baseline>`` as sold or ``<baseline>:same``."""
    return {
        plan_key(name, column): f"{baseline_words(name, scenario, catalog)}, {COLUMN_WORDS[column]}"
        for name in _offered(scenario, catalog)
        for column in COLUMNS
    }


def split_key(key: str) -> tuple[str, PriceColumn]:
    """The baseline and the column of a key.

    >>> split_key("splitwise:two:same"), split_key("cost")
    (('splitwise:two', 'same'), ('cost', 'as_sold'))
    """
    name = key.removesuffix(":same")
    return name, "same" if name != key else "as_sold"


def baseline_words(name: str, scenario: Scenario, catalog: Catalog) -> str:
    """A baseline without its column."""
    if name in _WORDS:
        return _WORDS[name]
    if name.startswith(GIVEN):
        return f"your fleet {name.removeprefix(GIVEN)}"
    if name.startswith(SINGLE):
        accelerator = catalog.accelerator(name.removeprefix(SINGLE))
        return f"{_WORDS[BEST_SINGLE]} ({_short(accelerator)})"
    newest = _short(flagship(scenario, catalog))
    before = one_before(scenario, catalog)
    if name == SPLITWISE_TWO and before is not None:
        return f"Splitwise, prefill on {newest}, decode on {_short(before)}"
    return f"Splitwise, prefill and decode apart on {newest}"


def plan_words(key: str, scenario: Scenario, catalog: Catalog, *, column: bool = True) -> str:
    """What stands under a key of a comparison: our plan, a baseline, an ablation or a what-if.

    Without its ``column`` it is short, for a table in whose title the column stands.
    """
    if key == OURS:
        return "this plan"
    lever = key.partition(":")[2].replace("_", " ")
    if key.startswith(ONLY):
        return f"only {lever}"
    if key.startswith(WITHOUT):
        return f"all levers but {lever}"
    name, sold = split_key(key)
    if name not in baseline_names(scenario, catalog):
        return key.replace("_", " ").replace(":", "")
    words = baseline_words(name, scenario, catalog)
    if name.startswith(SINGLE):
        words = f"only {_short(catalog.accelerator(name.removeprefix(SINGLE)))}"
    return f"{words}, {COLUMN_WORDS[sold]}" if column else words.removeprefix("the fleet ")


def short_words(key: str) -> str:
    """A baseline where there is little room: what it was chosen for.

    >>> short_words("performance"), short_words("splitwise:two:same")
    ('latency', 'Splitwise on two, same choices')
    """
    name, sold = split_key(key)
    named = {PERFORMANCE: "latency", SPLITWISE: "Splitwise", SPLITWISE_TWO: "Splitwise on two"}
    return named.get(name, name) + ("" if sold == "as_sold" else f", {COLUMN_WORDS[sold]}")


def _short(accelerator: Accelerator) -> str:
    """The name without its vendor and what stands in brackets."""
    return accelerator.name.removeprefix(f"{accelerator.vendor} ").partition(" (")[0]


def _offered(scenario: Scenario, catalog: Catalog) -> Iterator[str]:
    """All but the single accelerators, of which only the best is offered."""
    names = [n for n in baseline_names(scenario, catalog) if not n.startswith(SINGLE)]
    given = [name for name in names if name.startswith(GIVEN)]
    yield from (name for name in names if name not in given)
    yield BEST_SINGLE
    yield from given
