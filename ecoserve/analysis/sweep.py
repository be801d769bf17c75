"""One scenario, many times, with some values changed: the same rows in the same order anywhere."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecoserve.analysis.edits import edited
from ecoserve.catalog import Catalog
from ecoserve.errors import Problem, ScenarioError
from ecoserve.fleet_rule import servers_of
from ecoserve.plan import FleetEntry
from ecoserve.planner import Effort
from ecoserve.questions import Answer, Progress, Question, Runner, serially
from ecoserve.scenario import Scenario, check_scenario

MAX_SCENARIOS = 10_000
Edits = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRow:
    """The plan of one scenario; figures are None where there is none."""

    edits: Edits
    scenario_fingerprint: str
    status: str
    gap: float | None
    kgco2e_per_year: float | None
    operational_kgco2e_per_year: float | None
    embodied_kgco2e_per_year: float | None
    usd_per_h: float | None
    it_power_kw: float | None
    gco2e_per_functional_unit: float | None
    fleet: tuple[FleetEntry, ...]
    reason: str
    """Why there is no plan; else empty."""


FIGURES = (
    *("gap", "kgco2e_per_year", "operational_kgco2e_per_year", "embodied_kgco2e_per_year"),
    *("usd_per_h", "it_power_kw", "gco2e_per_functional_unit"),
)
"""Of a plan, the numbers that a row holds."""


def grid(values: Mapping[str, Sequence[Any]]) -> tuple[Edits, ...]:
    """Every combination of some paths' values; the last path changes fastest.

    >>> grid({"a": [1, 2], "b": [3, 4]})[1]
    {'a': 1, 'b': 4}
    """
    return tuple(
        dict(zip(values, combination, strict=True))
        for combination in itertools.product(*values.values())
    )


def sweep(
    scenario: Scenario,
    catalog: Catalog,
    edits: Sequence[Edits],
    effort: Effort = "interactive",
    *,
    run: Runner = serially,
    on_progress: Progress | None = None,
) -> tuple[SweepRow, ...]:
    """One row for each set of edits, in their order; an infeasible one is a row with its reason.

    Raises :class:`ScenarioError` with every edit that leads nowhere or is not allowed, before
    anything is planned.
    """
    if not 1 <= len(edits) <= MAX_SCENARIOS:
        message = f"give 1 to {MAX_SCENARIOS:,} scenarios, not {len(edits):,}"
        raise ScenarioError([Problem("sweep", message)])
    questions = [
        Question(scenario=made, label=_label(changes))
        for changes, made in zip(edits, _scenarios(scenario, catalog, edits), strict=True)
    ]
    answers = run(questions, catalog, effort, on_progress)
    return tuple(
        _row(changes, question.scenario, answer)
        for changes, question, answer in zip(edits, questions, answers, strict=True)
    )


def _scenarios(scenario: Scenario, catalog: Catalog, edits: Sequence[Edits]) -> list[Scenario]:
    made: list[Scenario] = []
    problems: dict[str, Problem] = {}
    for changes in edits:
        try:
            made.append(edited(scenario, changes))
            check_scenario(made[-1], catalog)
        except ScenarioError as error:
            problems |= {str(problem): problem for problem in error.problems}
    if problems:
        raise ScenarioError(list(problems.values()))
    return made


def _label(changes: Edits) -> str:
    return ", ".join(f"{path}={value}" for path, value in changes.items())


def _row(changes: Edits, scenario: Scenario, answer: Answer) -> SweepRow:
    plan = answer.plan
    figures = {name: None if plan is None else float(getattr(plan, name)) for name in FIGURES}
    return SweepRow(
        edits=dict(changes),
        scenario_fingerprint=scenario.fingerprint(),
        status=answer.status,
        fleet=() if plan is None else servers_of(plan.fleet),
        reason=answer.reason,
        **figures,
    )
