"""The scenarios of a tab in the order in which they were made, and which of them is shown."""

from __future__ import annotations

from dataclasses import dataclass

from ecoserve.scenario import Scenario

MAX_STEPS = 50
"""Edits that can be undone; older ones are forgotten."""


@dataclass(frozen=True, slots=True)
class History:
    """Never empty. What lies after ``at`` was undone and can be redone."""

    scenarios: tuple[Scenario, ...]
    at: int = 0

    @property
    def current(self) -> Scenario:
        """The scenario that is shown."""
        return self.scenarios[self.at]

    @property
    def before(self) -> Scenario | None:
        """What undo goes back to; None at the beginning."""
        return self.scenarios[self.at - 1] if self.at > 0 else None

    @property
    def after(self) -> Scenario | None:
        """What redo goes forward to; None at the end."""
        return self.scenarios[self.at + 1] if self.at + 1 < len(self.scenarios) else None

    def then(self, scenario: Scenario) -> History:
        """With one more step, in place of whatever was undone; the same scenario is no step."""
        if scenario == self.current:
            return self
        kept = (*self.scenarios[: self.at + 1], scenario)[-MAX_STEPS - 1 :]
        return History(kept, len(kept) - 1)

    def undone(self) -> History:
        """One step back."""
        return History(self.scenarios, max(0, self.at - 1))

    def redone(self) -> History:
        """One step forward."""
        return History(self.scenarios, min(len(self.scenarios) - 1, self.at + 1))

    def turned_to(self, scenario: Scenario) -> History:
        """At the nearest place that has this scenario; one more step where none has it."""
        places = [i for i, known in enumerate(self.scenarios) if known == scenario]
        if not places:
            return self.then(scenario)
        return History(self.scenarios, min(places, key=lambda i: abs(i - self.at)))
