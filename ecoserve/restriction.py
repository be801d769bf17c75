"""Which accelerators may serve in which role, for fleets that are built to a pattern."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecoserve.service import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """Accelerator ids per role; None for any, empty for none. Host CPUs are not restricted."""

    prefill_on: tuple[str, ...] | None = None
    decode_on: tuple[str, ...] | None = None
    mixed_on: tuple[str, ...] | None = None

    def allowed(self, options: Sequence[Service]) -> tuple[Service, ...]:
        """The options that the pattern leaves, in their order."""
        on = {"prefill": self.prefill_on, "decode": self.decode_on, "mixed": self.mixed_on}
        return tuple(
            service
            for service in options
            if (allowed := on.get(service.role)) is None or service.device.accelerator_id in allowed
        )


ANYWHERE = Restriction()
"""Every role on every accelerator."""
