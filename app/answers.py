"""A plan beside its baseline: what the dashboard and the report say of it, in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app import figures
from app.figures import Chart
from app.profiles import short_name
from app.scenario_words import readable
from app.text import MassUnit, mass_unit, number, percent, sentence, sentence_list, times
from ecoserve.catalog import Catalog
from ecoserve.plan import FleetEntry, Plan, Status
from ecoserve.scenario import Scenario

STATUS_WORDS = {
    Status.OPTIMAL: "Proven optimal",
    Status.FEASIBLE: "not proven optimal",
    Status.STOPPED: "stopped by the time limit, not proven optimal",
    Status.INFEASIBLE: "No fleet can serve this",
}
SMALLEST_SAVING = 0.005
FAR_FROM_BEST = 0.15
"""The gap from which a first answer is not yet recommended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A plan beside the one baseline it is compared with."""

    scenario: Scenario
    baseline: str
    plan: Plan
    other: Plan | None
    """None where the baseline cannot serve this traffic, for ``reason``."""
    other_name: str
    reason: str = ""

    @property
    def saving(self) -> float | None:
        """Carbon saved as a ratio of the baseline's; negative when the plan emits more."""
        if self.other is None or not self.other.kgco2e_per_year:
            return None
        return 1 - self.plan.kgco2e_per_year / self.other.kgco2e_per_year


def headline(answer: Answer, catalog: Catalog, *, is_final: bool = True) -> str:
    """One sentence: what to buy, and what that saves against what.

    A first answer that may be far from the best recommends nothing.
    """
    saving = saving_phrase(answer)
    if not is_final and answer.plan.gap > FAR_FROM_BEST:
        fleet = _fleet_words(answer.plan.fleet, answer, catalog)
        return f"Looking for a better fleet; so far {fleet}: {saving}."
    return f"{_to_do(answer, catalog)}: {saving}{_money_phrase(answer)}."


def _to_do(answer: Answer, catalog: Catalog) -> str:
    """What to buy or rent, and what of one's own to use; what is owned is not bought."""
    verb = "Rent" if answer.scenario.hardware.offer == "rental" else "Buy"
    owned = [entry for entry in answer.plan.fleet if entry.owned]
    new = [entry for entry in answer.plan.fleet if not entry.owned]
    if not owned:
        return f"{verb} {_fleet_words(new, answer, catalog)}"
    kept = f"{_fleet_words(owned, answer, catalog)} of your own"
    return f"{verb} {_fleet_words(new, answer, catalog)}, use {kept}" if new else f"Use {kept}"


def _money_phrase(answer: Answer) -> str:
    """What that costs beside the baseline; nothing where there is none."""
    if answer.other is None or not answer.other.usd_per_h:
        return ""
    more = answer.plan.usd_per_h / answer.other.usd_per_h - 1.0
    if abs(more) < SMALLEST_SAVING:
        return ", at the same USD/h"
    if more > 1:
        return f", at {times(answer.plan.usd_per_h, answer.other.usd_per_h)} the USD/h"
    return f", at {percent(abs(more), 2)} {'more' if more > 0 else 'less'} USD/h"


def _fleet_words(fleet: Sequence[FleetEntry], answer: Answer, catalog: Catalog) -> str:
    ranked = _kinds(fleet, catalog)
    if not ranked:
        return "nothing"
    named = [f"{count:,} with {per_server} x {name}" for (per_server, name), count in ranked[:3]]
    if len(ranked) > 3:
        named.append(f"{sum(count for _, count in ranked[3:]):,} others")
    first, *rest = named
    noun = "server" if ranked[0][1] == 1 else "servers"
    words = sentence_list([first.replace(" with", f" {noun} with", 1), *rest])
    return f"{words}{_places(fleet, answer)}"


def _places(fleet: Sequence[FleetEntry], answer: Answer) -> str:
    """Where servers stand, where the scenario has several sites."""
    places = sorted({entry.site for entry in fleet})
    return f" at {sentence_list(places)}" if places and len(answer.scenario.sites) > 1 else ""


def other_words(answer: Answer) -> str:
    """The baseline by name, and where it stands where there are several sites."""
    return answer.other_name + ("" if answer.other is None else _places(answer.other.fleet, answer))


def _kinds(fleet: Sequence[FleetEntry], catalog: Catalog) -> list[tuple[tuple[int, str], int]]:
    """How many servers with so many accelerators of a name, the most frequent first."""
    counts = Counter[tuple[int, str]]()
    for entry in fleet:
        server = catalog.server(entry.server)
        accelerator = catalog.accelerator(server.accelerator_id)
        counts[server.n_accelerators, short_name(accelerator)] += entry.count
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def baseline_line(answer: Answer, catalog: Catalog) -> str:
    """The baseline in one line: its fleet, its totals, how sure they are."""
    plan = answer.other
    if plan is None:
        why = readable(answer.reason, catalog)
        return sentence(f"{answer.other_name}: it cannot serve this traffic: {why}")
    carbon = view_unit(answer).text(plan.kgco2e_per_year)
    facts = f"{carbon}CO2e per year; {number(plan.usd_per_h)} USD/h"
    line = f"{other_words(answer)}: {fleet_list(plan, catalog)}; {facts}"
    open_ = [sentence(n.message) for n in plan.notes if n.code == "own_optimum_open"]
    if open_:  # says how sure the fleet is; the gap is that of its carbon within that optimum
        return " ".join([sentence(line), *open_])
    return sentence(f"{line}; {_sureness(plan)}")


def fleet_list(plan: Plan, catalog: Catalog) -> str:
    """Servers by their accelerators, the most frequent first."""
    kinds = (
        f"{n:,} x {per_server} {name}" for (per_server, name), n in _kinds(plan.fleet, catalog)
    )
    return ", ".join(kinds) or "no server"


def _sureness(plan: Plan) -> str:
    if plan.status is Status.OPTIMAL:
        return "proven the best"
    if not math.isfinite(plan.gap):
        return "no bound known"
    return f"within {percent(plan.gap, 2)} of its best"


def saving_phrase(answer: Answer) -> str:
    """The saving against the baseline in words."""
    saving, name = answer.saving, other_words(answer)
    if answer.other is None or saving is None:
        return f"{name} cannot serve this traffic at all"
    if abs(saving) < SMALLEST_SAVING:
        return f"as much carbon as {name}"
    words = f"{percent(abs(saving))} {'less' if saving > 0 else 'more'} carbon than {name}"
    if saving < -1:
        factor = times(answer.plan.kgco2e_per_year, answer.other.kgco2e_per_year)
        words = f"{factor} the carbon of {name}"
    open_share = max(_gap(answer.plan), _gap(answer.other))
    return f"{words}, within the solver's gap" if abs(saving) <= open_share else words


def status_words(plan: Plan) -> str:
    """How sure the answer is."""
    words = STATUS_WORDS[plan.status]
    if plan.status not in (Status.FEASIBLE, Status.STOPPED):
        return words
    if not math.isfinite(plan.gap):
        return f"{words[:1].upper()}{words[1:]}, no bound known"
    return f"Within {percent(plan.gap, 2)} of the best possible, {words}"


def slo_words(plan: Plan) -> str:
    """Whether the latency targets hold."""
    missed = [row.workload for row in plan.slo if not row.meets_slo]
    if missed:
        return f"Latency targets missed by {sentence_list(missed)}"
    return "All latency targets hold" if plan.slo else "No latency targets (offline only)"


def _gap(plan: Plan) -> float:
    return plan.gap if math.isfinite(plan.gap) else 0.0


def view_unit(answer: Answer) -> MassUnit:
    """Kilograms or tonnes, the same for the figures and the picture."""
    other = answer.other.kgco2e_per_year if answer.other else 0.0
    return mass_unit(max(answer.plan.kgco2e_per_year, other))


def set_line(coefficients: str, answer: Answer, unit: MassUnit) -> str:
    """Total and saving under another set of embodied coefficients."""
    total = unit.text(answer.plan.kgco2e_per_year)
    return f"with {coefficients}: {total}CO2e per year, {saving_phrase(answer)}"


def picture(answer: Answer) -> Chart:
    """The chart under the headline."""
    if answer.other is None:
        return figures.plan_alone(answer.plan)
    return figures.plan_against_baseline(answer.plan, answer.other, other_words(answer))
