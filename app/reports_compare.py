"""What the terminal shows of a comparison: plans in groups, the waterfall and the what-ifs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from app.reports import Report, blocked_report, mass, notes_report, percent, table
from app.text import MassUnit, mass_unit, number
from ecoserve.ablations import ONLY, WITHOUT
from ecoserve.baselines import GIVEN
from ecoserve.plan import FleetEntry, Plan, Status

if TYPE_CHECKING:
    from ecoserve.comparison import Comparison

OURS = "ecoserve"
HEADS = (
    "plan",
    "key",
    "total >",
    "oper. >",
    "emb. >",
    "we save >",
    "USD/h >",
    "kW >",
    "answer",
    "fleet",
)
AS_SOLD = "as sold: whole hosts, no lever of ours"
GROUPS = (
    "Our plan",
    f"What people would buy instead, {AS_SOLD}",
    "With the same choices as ours, another objective",
    "Your own fleets",
    "Each lever alone, on top of the least carbon as sold",
    "All levers but one",
)


Words = Callable[[str], str]


def comparison_report(comparison: Comparison, title: str, words: Words) -> Report:
    """Our plan beside every other, group by group, and what each lever is worth.

    ``words`` says what stands under a key; the keys stand beside, as options and ``--json`` know
    them.
    """
    plans = comparison.plans
    unit = mass_unit(max(plan.kgco2e_per_year for plan in plans.values()))
    report: Report = [Text(title, style="bold"), *_plan_tables(comparison, unit, words)]
    if comparison.waterfall:
        report.append(_waterfall(comparison, unit))
    if comparison.what_ifs:
        report.append(_what_ifs(comparison))
    blocked = {f"{words(key)} ({key})": reason for key, reason in comparison.blocked.items()}
    report += blocked_report(blocked)
    return report + notes_report(plans[OURS].notes)


def group_of(key: str) -> str:
    """Which of ``GROUPS`` the plan under this key belongs to."""
    starts = {OURS: 0, GIVEN: 3, ONLY: 4, WITHOUT: 5}
    for start, group in starts.items():
        if key.startswith(start):
            return GROUPS[group]
    return GROUPS[2 if key.endswith(":same") else 1]


def _plan_tables(comparison: Comparison, unit: MassUnit, words: Words) -> Iterator[Table]:
    for group in GROUPS:
        keys = [key for key in comparison.plans if group_of(key) == group]
        if keys:
            best = {comparison.best_single: ", the best of one"}
            rows = [
                (words(key) + best.get(key, ""), *_plan_row(key, comparison, unit)) for key in keys
            ]
            yield table(f"{group} ({unit.name} CO2e a year)", HEADS, rows)


def _plan_row(key: str, comparison: Comparison, unit: MassUnit) -> tuple[str, ...]:
    plan, savings = comparison.plans[key], comparison.savings
    return (
        key,
        mass(unit, plan.kgco2e_per_year),
        mass(unit, plan.operational_kgco2e_per_year),
        mass(unit, plan.embodied_kgco2e_per_year),
        percent(round(savings[key], 4)) if key in savings else "",
        number(plan.usd_per_h),
        number(plan.it_power_kw),
        _certainty(plan),
        _fleet(plan),
    )


def _certainty(plan: Plan) -> str:
    return "proven" if plan.status is Status.OPTIMAL else f"within {percent(plan.gap)}"


def _fleet(plan: Plan) -> str:
    return ", ".join(f"{e.count:,} x {_kind(e)}" for e in plan.fleet)


def _kind(entry: FleetEntry) -> str:
    variant = "" if entry.variant == "full" else entry.variant
    return " ".join(word for word in (entry.server, variant, "owned" * entry.owned) if word)


def _waterfall(comparison: Comparison, unit: MassUnit) -> Table:
    steps = comparison.waterfall
    before = (steps[0], *steps)
    rows = [
        (
            step.step,
            mass(unit, step.kgco2e_per_year),
            mass(unit, round(step.kgco2e_per_year - last.kgco2e_per_year, 3)),
            number(step.usd_per_h),
            "within the gap" if step.within_gap else "",
        )
        for step, last in zip(steps, before, strict=False)
    ]
    heads = ("step", f"{unit.name} CO2e a year >", "change >", "USD/h >", "")
    return table("From the least cost to the least carbon", heads, rows)


def _what_ifs(comparison: Comparison) -> Table:
    ours = comparison.plans[OURS].kgco2e_per_year
    unit = mass_unit(ours)
    rows = []
    for world in comparison.what_ifs:
        plan = world.plan
        if plan is None:
            rows.append((world.what, "", "", "", "cannot be served", world.reason))
            continue
        change = percent(plan.kgco2e_per_year / ours - 1.0)
        figures = (mass(unit, plan.kgco2e_per_year), change, number(plan.usd_per_h))
        rows.append((world.what, *figures, _certainty(plan), _fleet(plan)))
    heads = ("what if", f"{unit.name} CO2e a year >", "change >", "USD/h >", "answer", "fleet")
    return table("What if, with the same objective and levers", heads, rows)
