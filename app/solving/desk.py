"""Questions about one catalog as requests to the workers, and their answers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.replay_asks import ReplayAsked
from app.replays import Simulation
from app.solving import questions as ways
from app.solving import replaying
from app.solving.jobs import Request, never
from app.solving.questions import Found
from app.solving.replaying import RepairSeen, SavingSeen
from app.solving.tasks import Task
from ecoserve import __version__
from ecoserve.analysis.limits import LimitReport
from ecoserve.analysis.pareto import FrontPoint
from ecoserve.catalog import Catalog
from ecoserve.lifecycle import Lifecycle
from ecoserve.paper_claims import SceneResult
from ecoserve.plan import Plan
from ecoserve.planner import Effort
from ecoserve.questions import Answer, Progress, Question, collect
from ecoserve.scenario import Scenario, canonical_json
from ecoserve.trends import LifecycleAssumptions

QUICK_LIMIT_S, PROOF_LIMIT_S, STUDY_LIMIT_S, REPLAY_LIMIT_S = 30.0, 90.0, 120.0, 1800.0


@dataclass(frozen=True, slots=True)
class Desk:
    """Asks about one catalog in the name of one task; every answer waits its turn by itself."""

    catalog: Catalog
    path: Path
    """Of the catalog's database, for the workers."""
    task: Task

    def our_plan(self, scenario: Scenario, effort: Effort) -> Plan:
        """The plan. Raises InfeasibleError when nothing can serve the traffic."""
        plan: Plan = self.task.ask(self.plan_request(scenario, effort))
        return plan

    def baseline_plan(self, scenario: Scenario, key: str, effort: Effort) -> Found:
        """A baseline by its key, or why it cannot serve the traffic."""
        found: Found = self.task.ask(self.baseline_request(scenario, key, effort))
        return found

    def asked(self, question: Question, effort: Effort, start: Plan | None = None) -> Found:
        """The answer to a question that stands beside the plan's, from the ``start`` of another."""
        begin = None if start is None else (start.scenario_fingerprint, start.fleet)
        identity = (repr(question.identity), effort, begin)
        found: Found = self.task.ask(
            self._request(ways.asked, identity, (question, effort, start), effort)
        )
        return found

    def front(self, scenario: Scenario) -> tuple[FrontPoint, ...]:
        """The front that no fleet can pass. Raises InfeasibleError where nothing serves."""
        found: tuple[FrontPoint, ...] = self.task.ask(
            self._request(ways.front, (canonical_json(scenario),), (scenario,), "quick")
        )
        return found

    def limits(self, scenario: Scenario, effort: Effort) -> LimitReport:
        """What holds the plan back."""
        identity = (canonical_json(scenario), effort)
        found: LimitReport = self.task.ask(
            self._request(ways.limits, identity, (scenario, effort), "interactive")
        )
        return found

    def years(self, scenario: Scenario, plan: Plan, assumptions: LifecycleAssumptions) -> Lifecycle:
        """The years of the plan."""
        identity = (canonical_json(scenario), repr(assumptions), plan.fleet)
        found: Lifecycle = self.task.ask(
            self._request(ways.years, identity, (scenario, plan, assumptions), None)
        )
        return found

    def paper_cell(self, scenario: Scenario, region: str, coefficients: str) -> SceneResult:
        """The paper's scene in one region under one set of coefficients."""
        arguments = (scenario, region, coefficients)
        identity = (canonical_json(scenario), region, coefficients)
        found: SceneResult = self.task.ask(
            self._request(ways.paper_cell, identity, arguments, None)
        )
        return found

    def replayed(
        self, scenario: Scenario, plan: Plan, asked: ReplayAsked, file: Path | None
    ) -> Simulation:
        """What becomes of traffic on the planned fleet."""
        found: Simulation = self.task.ask(
            self._replay(replaying.replayed, scenario, plan, asked, file)
        )
        return found

    def saved(self, scenario: Scenario, plan: Plan, asked: ReplayAsked) -> SavingSeen:
        """What waiting for clean hours saves."""
        found: SavingSeen = self.task.ask(self._replay(replaying.saved, scenario, plan, asked))
        return found

    def repaired(
        self,
        scenario: Scenario,
        plan: Plan,
        asked: ReplayAsked,
        file: Path | None,
        effort: Effort,
    ) -> RepairSeen:
        """More headroom until every limit holds in the replay."""
        found: RepairSeen = self.task.ask(
            self._replay(replaying.repaired, scenario, plan, asked, file, effort)
        )
        return found

    def in_turns(
        self,
        questions: Sequence[Question],
        catalog: Catalog,
        effort: Effort,
        on_progress: Progress | None = None,
    ) -> list[Answer]:
        """The runner of analyses: plan after plan, each kept and each in its turn."""
        found = ([self.task.ask(self._analysis(question, effort))] for question in questions)
        return collect(found, questions, on_progress)

    def plan_request(self, scenario: Scenario, effort: Effort) -> Request:
        """For :meth:`our_plan`."""
        identity = (canonical_json(scenario), effort)
        return self._request(ways.ours, identity, (scenario, effort), effort)

    def baseline_request(self, scenario: Scenario, key: str, effort: Effort) -> Request:
        """For :meth:`baseline_plan`."""
        identity = (canonical_json(scenario), key, effort)
        return self._request(ways.baseline, identity, (scenario, key, effort), effort)

    def _analysis(self, question: Question, effort: Effort) -> Request:
        identity = (repr(question.identity), effort)
        return self._request(ways.analysed, identity, (question, effort), "interactive")

    def _replay(self, work: Callable[..., Any], *arguments: Any) -> Request:
        """It takes minutes, and what it gives is kept by the page; here it would be for ever."""
        scenario, plan, asked, *more = arguments
        identity = (canonical_json(scenario), plan.fleet, asked.name, repr(more))
        return Request(
            key=(work.__name__, __version__, self.catalog.version, *identity),
            work=work,
            arguments=(self.path, *arguments),
            lane="long",
            limit_s=REPLAY_LIMIT_S,
            is_whole=never,
        )

    def _request(
        self,
        work: Callable[..., Any],
        identity: tuple[Hashable, ...],
        arguments: tuple[Any, ...],
        effort: Effort | None,
    ) -> Request:
        """Answers to equal identities are equal; without an effort it is a study of its own."""
        seconds = {"quick": QUICK_LIMIT_S, "interactive": PROOF_LIMIT_S}
        return Request(
            key=(work.__name__, __version__, self.catalog.version, *identity),
            work=work,
            arguments=(self.path, *arguments),
            lane="first" if effort == "quick" else "later",
            limit_s=STUDY_LIMIT_S if effort is None else seconds[effort],
            is_whole=ways.is_whole,
        )
