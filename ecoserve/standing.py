"""How well speed and power of a configuration are known, as remarks for people."""

from __future__ import annotations

from collections.abc import Iterator

from ecoserve.catalog import Catalog
from ecoserve.performance import MOE_ERROR_BAND
from ecoserve.plan import Note
from ecoserve.rows import Accelerator, Llm, PowerParameters, ServingParameters


def basis(row: ServingParameters | PowerParameters, accelerator: Accelerator) -> str:
    """What the parameters rest on where the accelerator was not measured under them."""
    if row.measured_on and accelerator.id not in row.measured_on:
        return f"measured on {', '.join(row.measured_on)} of its family"
    return row.note.split(". ")[0].rstrip(".") or "nothing is said of where they come from"


def profile_notes(
    catalog: Catalog,
    llm: Llm,
    accelerator: Accelerator,
    stack: str,
    precision: str,
    *,
    power_fitted: bool,
) -> Iterator[Note]:
    """What of one configuration's speed and power is not measured, and what it rests on."""
    speed = catalog.serving_on(accelerator, stack, precision)
    power = catalog.power_on(accelerator)
    for what, row in (("speed", speed), ("power", power)):
        if row.provenance != "calibrated":
            yield Note(
                f"{what}_{row.provenance}",
                f"{what} parameters of {accelerator.id} are {row.provenance}: "
                f"{basis(row, accelerator)}; error band {row.error_band:.0%}",
            )
    if not power_fitted:
        yield Note(
            "power_outside_fit",
            "no measurement behind the power: this accelerator, precision, a mixture of experts, "
            "or a utilisation outside what was fitted",
        )
    if llm.n_experts:
        yield Note(
            "speed_of_experts",
            f"the speed of mixtures of experts is known only to {MOE_ERROR_BAND:.0%}",
        )
