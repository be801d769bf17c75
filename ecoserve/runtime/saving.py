"""What waiting for clean hours saves: the same day of offline work, started at once and in time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ecoserve.catalog import Catalog
from ecoserve.plan import Plan
from ecoserve.runtime.readings import replay
from ecoserve.runtime.replay import Progress, Settings
from ecoserve.runtime.result import Replay
from ecoserve.runtime.trace import Arrival
from ecoserve.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """Two replays of the same traffic on the same fleet."""

    aware: Replay
    blind: Replay

    @property
    def aware_kgco2e(self) -> float:
        """Of what offline work drew above idle, at the meter."""
        return _offline_kgco2e(self.aware)

    @property
    def blind_kgco2e(self) -> float:
        """The same, started at once."""
        return _offline_kgco2e(self.blind)

    @property
    def ratio(self) -> float:
        """Carbon saved over that of starting at once; 0 without offline work."""
        if not self.blind_kgco2e:
            return 0.0
        return 1.0 - self.aware_kgco2e / self.blind_kgco2e


def _offline_kgco2e(one: Replay) -> float:
    return sum(workload.kgco2e for workload in one.workloads if workload.kind == "offline")


def scheduling_saving(
    plan: Plan,
    scenario: Scenario,
    catalog: Catalog,
    traffic: Callable[[], Iterable[Arrival]],
    settings: Settings,
    on_progress: Progress | None = None,
) -> Saving:
    """Replays the traffic with the policy of ``settings`` and with offline work started at once.

    Both begin with nothing waiting and run until all offline work is done, so that they do the same
    work. ``traffic`` gives the same arrivals each time.
    """
    day = replace(settings, carry_in=False, drain=True)
    aware = replay(plan, scenario, catalog, traffic(), day, on_progress)
    at_once = replace(day, offline="at_once")
    blind = replay(plan, scenario, catalog, traffic(), at_once, on_progress)
    return Saving(aware=aware, blind=blind)
