"""Closing the loop: more headroom until what the plan promises holds in the replay.

Headroom belongs to the whole scenario, so raising it for one workload raises it for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ecoserve.catalog import Catalog
from ecoserve.errors import InfeasibleError
from ecoserve.plan import Plan
from ecoserve.planner import Effort, plan_fleet
from ecoserve.runtime.readings import replay
from ecoserve.runtime.replay import Progress, Settings
from ecoserve.runtime.result import Replay
from ecoserve.runtime.trace import Arrival
from ecoserve.scenario import Scenario

MOST_ROUNDS = 4
STEP = 0.85
"""A round plans for so much of the utilisation of the one before."""
MOST_HEADROOM = 0.9
NOT_ENOUGH = (
    f"{MOST_ROUNDS} rounds were not enough; plan for more requests, a higher burst or other"
    " lengths, as the reasons have it"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A plan with some headroom and its replay."""

    headroom: float
    scenario: Scenario
    plan: Plan
    replay: Replay


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """The rounds, the plan as it was first."""

    rounds: tuple[Round, ...]
    gave_up: str
    """Why there are no more rounds although limits are missed; empty where all hold."""

    @property
    def last(self) -> Round:
        """The plan to take."""
        return self.rounds[-1]

    @property
    def cost_kgco2e_per_year(self) -> float:
        """Carbon that keeping the limits takes beyond the first plan."""
        return self.last.plan.kgco2e_per_year - self.rounds[0].plan.kgco2e_per_year


def repair(
    plan: Plan,
    scenario: Scenario,
    catalog: Catalog,
    traffic: Callable[[], Iterable[Arrival]],
    settings: Settings,
    effort: Effort = "interactive",
    on_progress: Progress | None = None,
) -> Repair:
    """Replays, raises the headroom and plans again until every limit holds, at most four times.

    ``traffic`` gives the same arrivals each time.
    """
    rounds = [_round(plan, scenario, catalog, traffic, settings, on_progress)]
    while not rounds[-1].replay.meets_slos:
        if len(rounds) > MOST_ROUNDS:
            return Repair(rounds=tuple(rounds), gave_up=NOT_ENOUGH)
        headroom = 1.0 - STEP * (1.0 - rounds[-1].headroom)
        if headroom > MOST_HEADROOM:
            return Repair(rounds=tuple(rounds), gave_up="there is no more headroom to give")
        policy = scenario.policy.model_copy(update={"headroom": headroom})
        roomier = scenario.model_copy(update={"policy": policy})
        try:
            found = plan_fleet(roomier, catalog, effort)
        except InfeasibleError as error:
            return Repair(rounds=tuple(rounds), gave_up=str(error))
        rounds.append(_round(found, roomier, catalog, traffic, settings, on_progress))
    return Repair(rounds=tuple(rounds), gave_up="")


def _round(
    plan: Plan,
    scenario: Scenario,
    catalog: Catalog,
    traffic: Callable[[], Iterable[Arrival]],
    settings: Settings,
    on_progress: Progress | None,
) -> Round:
    seen = replay(plan, scenario, catalog, traffic(), settings, on_progress)
    return Round(headroom=scenario.policy.headroom, scenario=scenario, plan=plan, replay=seen)
