"""Why no fleet keeps every limit, in the user's words, and the nearest limits that one would keep.

Found with elastic rows: each limit may be missed by a share of itself, and the least sum of those
shares is looked for. What is missed then is to blame, and by how much is the way out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ecoserve.errors import BlockedSlice, InfeasibleError
from ecoserve.formulation import FleetProblem
from ecoserve.pricing import Account
from ecoserve.program import Program
from ecoserve.solver import BranchAndBound, Limits, Solution
from ecoserve.terms import FleetTerms
from ecoserve.units import DAYS_PER_YEAR, HOURS_PER_DAY

GAP = 0.02
NODES = 30
NOTICEABLE = 1e-6
"""A limit missed by less than this share of itself is kept."""
CAP = "cap"
"""What names of rows that cap the account begin with."""


def explanation(
    program: Program,
    problem: FleetProblem,
    terms: FleetTerms,
    account: Account,
    caps: Mapping[str, float],
) -> InfeasibleError:
    """The error to raise for a program that has no answer; ``caps`` are those of the account."""
    for name, most in caps.items():
        program = program.with_row_at_most(f"{CAP}({name})", account[name], most)
    groups = _groups(program)
    if groups:
        search = BranchAndBound(program.loosened(groups), problem.levels)
        found = search.run(Limits(gap=GAP, nodes=NODES))
        blamed = _blamed(found, groups, program, terms)
        if blamed:
            ways = "; ".join(f"{item.slice}: {item.reason}" for item in blamed)
            return InfeasibleError(f"no fleet keeps every limit. {ways}", blamed)
    return InfeasibleError(
        "no combination of the allowed servers serves this traffic within its limits; allow more "
        "kinds of hardware, or loosen TTFT or TPOT"
    )


def _groups(program: Program) -> dict[str, list[int]]:
    """Rows that are a user's limits, by what they limit; all hours of a site are one."""
    groups: dict[str, list[int]] = {}
    for row, name in enumerate(program.row_names):
        family, _, indices = name.rstrip(")").partition("(")
        if family in (CAP, "power", "space", "at_most", "at_least"):
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
    if family == CAP:
        scale, unit, name = {
            "kg": (DAYS_PER_YEAR, "kgCO2e a year", "carbon"),
            "usd": (1.0 / HOURS_PER_DAY, "USD/h", "cost"),
        }[what]
        need = f"{(limit + step) * scale:.4g} {unit}"
        return BlockedSlice(f"{name} cap", f"{limit * scale:.4g} {unit} asked, {need} would do")
    if family in ("power", "space"):
        site = terms.sites[int(what)].name
        unit, name = ("kW of IT power", "power") if family == "power" else ("rack units", "space")
        reason = f"{limit:.4g} {unit} there, {limit + step:.4g} would do"
        return BlockedSlice(f"{name} at {site}", reason)
    if family == "at_most":
        reason = f"at most {limit:.0f} allowed, {math.ceil(limit + step - NOTICEABLE)} would do"
        return BlockedSlice(f"servers {what}", reason)
    reason = f"at least {limit:.0f} asked, {math.floor(limit - step + NOTICEABLE)} would do"
    return BlockedSlice(f"servers {what}", reason)
