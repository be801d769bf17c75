"""The questions of the trade-offs page: what their buttons say, who answers and who draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.solving.desk import Desk
from app.views import change_panel, limits_panel, regret_panel
from app.views.analyses import Ask, Found
from app.views.asking import Inquiry
from app.views.known_plan import WithPlan
from app.views.solve import Effort
from ecoserve.analysis.crossover import crossovers
from ecoserve.analysis.pareto import pareto
from ecoserve.analysis.regret import why_not
from ecoserve.analysis.robustness import robustness
from ecoserve.analysis.sensitivity import sensitivity
from ecoserve.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Section(Inquiry):
    """An inquiry with a picture of its own."""

    show: Callable[[Found, Scenario], None]


def _of_plans(analysis: Callable[..., Any]) -> Ask:
    """An analysis of many plans, each in its turn; that of the Plan page is there already."""

    def ask(desk: Desk, scenario: Scenario, effort: Effort) -> Any:
        plan = desk.our_plan(scenario, "interactive")
        run = WithPlan(plan=plan, scenario=scenario, run=desk.in_turns)
        return analysis(scenario, desk.catalog, effort, run=run, on_progress=desk.task.tell)

    return ask


FLEETS = Inquiry(
    question="What does less carbon cost?",
    button="Plan whole fleets along the line",
    what="Up to 8 plans at carbon prices from none to carbon alone.",
    ask=_of_plans(pareto),
)
SECTIONS: Mapping[str, Section] = {
    "sensitivity": Section(
        question="Which figure would change it?",
        button="Move every input",
        what="About 33 plans: eight inputs at both ends, planned anew and with the fleet kept.",
        ask=_of_plans(sensitivity),
        show=change_panel.show_sensitivity,
    ),
    "crossovers": Section(
        question="On which grid would it be another fleet?",
        button="Try other grids",
        what="6 to 30 plans on flat grids from 1 to 1,000 gCO2e/kWh.",
        ask=_of_plans(crossovers),
        show=change_panel.show_crossovers,
    ),
    "why-not": Section(
        question="Why not another accelerator?",
        button="Insist on each accelerator",
        what="One plan for every allowed accelerator, insisted on or, where chosen, left out.",
        ask=_of_plans(why_not),
        show=regret_panel.show_why_not,
    ),
    "limits": Section(
        question="What holds it back?",
        button="Find what binds",
        what="One plan, and linear programs around it.",
        ask=lambda desk, scenario, effort: desk.limits(scenario, effort),
        show=limits_panel.show_limits,
    ),
    "robustness": Section(
        question="Which fleet to regret least?",
        button="Try every view of the world",
        what="9 plans, one for each view, then every fleet found under every view.",
        ask=_of_plans(robustness),
        show=regret_panel.show_robustness,
    ),
}
