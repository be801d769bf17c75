"""Reuse and Reduce of one scenario: what each could bring, whether the plan uses it or not."""

from __future__ import annotations

from dataclasses import dataclass

from ecoserve.analysis.reduce import ReduceSplit, reduce_split
from ecoserve.analysis.reuse import ReuseBreakEven, ReuseEntry, reuse_break_even, reuse_entry
from ecoserve.catalog import Catalog
from ecoserve.planner import Effort
from ecoserve.questions import Progress, Question, Runner, serially
from ecoserve.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverReport:
    """What Reuse and Reduce could bring."""

    reuse: tuple[ReuseBreakEven, ...]
    """Empty where no CPU of an allowed server can run offline work, or there is none."""
    entry: ReuseEntry | None
    """None where ``reuse`` is empty."""
    reduce: tuple[ReduceSplit, ...]
    """Empty where the plan buys no server."""


def lever_report(
    scenario: Scenario,
    catalog: Catalog,
    effort: Effort = "interactive",
    *,
    run: Runner = serially,
    on_progress: Progress | None = None,
) -> LeverReport:
    """Both at once; raises :class:`~ecoserve.errors.InfeasibleError` where there is no plan."""
    question = Question(scenario=scenario, label="the plan")
    plan = run([question], catalog, effort, on_progress)[0].expect()
    reuse = reuse_break_even(scenario, catalog)
    entry = None
    if reuse:
        entry = reuse_entry(scenario, catalog, effort, run=run, on_progress=on_progress)
    return LeverReport(reuse=reuse, entry=entry, reduce=reduce_split(plan, scenario, catalog))
