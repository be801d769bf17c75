"""The plan of the Plan page in the analyses: never asked for twice, never known worse than there.

An analysis by quick searches asks for the scenario itself as well; the Plan page has searched that
one thoroughly, and what it found and proved holds here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecoserve.analysis.edits import for_carbon
from ecoserve.catalog import Catalog
from ecoserve.plan import Plan
from ecoserve.planner import Effort
from ecoserve.questions import Answer, Progress, Question, Runner
from ecoserve.scenario import Scenario
from ecoserve.units import DAYS_PER_YEAR


@dataclass(frozen=True, slots=True, kw_only=True)
class WithPlan:
    """A runner that knows the answer to one question, and asks another runner the rest."""

    plan: Plan
    scenario: Scenario
    run: Runner

    def __call__(
        self,
        questions: Sequence[Question],
        catalog: Catalog,
        effort: Effort,
        on_progress: Progress | None = None,
    ) -> list[Answer]:
        """One answer for each question, in their order."""
        mine = Question(scenario=self.scenario).identity
        open_ = [question for question in questions if question.identity != mine]
        found = iter(self.run(open_, catalog, effort, on_progress))
        known = Answer(plan=self.plan, status=self.plan.status.value)
        return [known if q.identity == mine else next(found) for q in questions]


def least_kgco2e_per_year(plan: Plan, scenario: Scenario) -> float:
    """What no fleet of the scenario emits less than; 0 where the plan was not made for carbon."""
    if for_carbon(scenario) != scenario:
        return 0.0
    return max(0.0, plan.kgco2e_per_year - (plan.objective - plan.bound) * DAYS_PER_YEAR)
