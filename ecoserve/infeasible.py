"""Why no fleet keeps every limit, in the user's words, and the nearest limits that one would keep.

Found with elastic rows: each limit may be missed by a share of itself, and the least sum of those
shares is looked for. What is missed then is to blame, and by how much is the way out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ecoserve.errors import BlockedSlice, InfeasibleError, SolverError
from ecoserve.program import Program
from ecoserve.solver import Limits, Solution, solve
from ecoserve.terms import FleetTerms
from ecoserve.units import DAYS_PER_YEAR, HOURS_PER_DAY

GAP = 0.02
TIME_S = 30.0
ROOM_TIME_S = 10.0
ROOM = ("power", "space")
"""What a site offers: limits that rounding a fleet up soon breaks."""
LIMITS = (*ROOM, "at_most", "at_least")
NOTICEABLE = 1e-6
"""A limit missed by less than this share of itself is kept."""


def explanation(program: Program, terms: FleetTerms) -> InfeasibleError:
    """The error to raise for a program whose limits, caps of the account aside, no fleet keeps."""
    groups = limit_groups(program)
    if groups:
        found = solve(program.loosened(groups), Limits(gap=GAP, time_s=TIME_S))
        blamed = _blamed(found, groups, program, terms)
        if blamed:
            return no_fleet(blamed, is_hurried=found.is_hurried)
    return InfeasibleError(
        "no combination of the allowed servers serves this traffic within its limits; allow more "
        "kinds of hardware, or loosen TTFT or TPOT"
    )


def no_fleet(blamed: Sequence[BlockedSlice], *, is_hurried: bool = False) -> InfeasibleError:
    """The error that names these limits; they are no part of the traffic, so none is listed.

    ``is_hurried`` says that a clock stopped the search for the nearest.
    """
    told = f"no fleet keeps every limit. {_ways(blamed)}"
    if is_hurried:
        told += "; the search was stopped by the clock, a rerun may find nearer ones"
    return InfeasibleError(told)


def _ways(blamed: Sequence[BlockedSlice]) -> str:
    return "; ".join(f"{item.slice}: {item.reason}" for item in blamed)


def cap_missed(name: str, most: float, least: float, bound: float) -> InfeasibleError:
    """The error for a cap on the day's account that the least fleet found is above.

    ``least`` is what that fleet takes and ``bound`` what any takes, a day.
    """
    scale, unit, cap, digits = {
        "kg": (DAYS_PER_YEAR, "kgCO2e a year", "carbon", 0),
        "usd": (1.0 / HOURS_PER_DAY, "USD/h", "cost", 2),
    }[name]
    asked, found = f"{most * scale:,.{digits}f}", _up(least * scale, digits)
    told = f"{asked} {unit} asked, the least possible is {found}"
    if _up(bound * scale, digits) != found:
        floor = math.floor(bound * scale * 10**digits) / 10**digits
        told = f"{asked} {unit} asked, the least found is {found}, none is below "
        told += f"{floor:,.{digits}f}; more effort may find less"
    return no_fleet([BlockedSlice(f"{cap} cap", told)])


def _up(value: float, digits: int) -> str:
    """Rounded away from what was asked, so that what is read can be kept."""
    scale = 10.0**digits
    return f"{math.ceil(value * scale - NOTICEABLE) / scale:,.{digits}f}"


def fitted(program: Program, terms: FleetTerms, nearest: Mapping[str, float]) -> Solution:
    """An answer within every site's room, looked for from the ``nearest`` that searches came to.

    ``nearest`` answers ``program`` with :func:`limit_groups` of ``ROOM`` loosened. Raises
    :class:`InfeasibleError` with the least that would do where there is none, :class:`SolverError`
    where neither is found in time.
    """
    groups = limit_groups(program, ROOM)
    limits = Limits(gap=GAP, time_s=ROOM_TIME_S)
    found = solve(program.loosened(groups), limits, nearest)
    blamed = _blamed(found, groups, program, terms)
    if not blamed:
        return found
    if found.bound > NOTICEABLE:
        raise no_fleet(blamed, is_hurried=found.is_hurried)
    told = f"no fleet within every limit was found in time. {_ways(blamed)}"
    raise SolverError(told, "time_limit")


def fits(values: Mapping[str, float], program: Program) -> bool:
    """Whether an answer to loosened room keeps within it."""
    return all(values[name] <= NOTICEABLE for name in limit_groups(program, ROOM))


def limit_groups(program: Program, families: Sequence[str] = LIMITS) -> dict[str, list[int]]:
    """Rows that are a user's limits, by what they limit; all hours of a site are one."""
    groups: dict[str, list[int]] = {}
    for row, name in enumerate(program.row_names):
        family, _, indices = name.rstrip(")").partition("(")
        if family in families:
            what = indices.partition(",")[0]
            groups.setdefault(f"{family} {what}", []).append(row)
    return groups


def _blamed(
    found: Solution, groups: Mapping[str, Sequence[int]], program: Program, terms: FleetTerms
) -> list[BlockedSlice]:
    blamed = []
    for name, rows in groups.items():
        missed = found.values.get(name, 0.0)
        if missed > NOTICEABLE:
            family, _, what = name.partition(" ")
            upper, lower = program.row_upper[rows[0]], program.row_lower[rows[0]]
            limit = float(upper if math.isfinite(upper) else lower)
            step = max(abs(limit), 1.0) * missed
            blamed.append(_told(family, what, limit, step, terms))
    return blamed


def _told(family: str, what: str, limit: float, step: float, terms: FleetTerms) -> BlockedSlice:
    """One limit and the nearest that could be kept beside the others."""
    if family in ("power", "space"):
        site = terms.sites[int(what)].name
        unit, name = ("kW of IT power", "power") if family == "power" else ("rack units", "space")
        reason = f"{limit:.6g} {unit} there, {_up(limit + step, 2)} would do"
        reason += " in the busiest hour of the busiest day" if family == "power" else ""
        return BlockedSlice(f"{name} at {site}", reason)
    if family == "at_most":
        reason = f"at most {limit:.0f} allowed, {math.ceil(limit + step - NOTICEABLE)} would do"
        return BlockedSlice(f"servers {what}", reason)
    reason = f"at least {limit:.0f} asked, {math.floor(limit - step + NOTICEABLE)} would do"
    return BlockedSlice(f"servers {what}", reason)
