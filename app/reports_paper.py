"""What the terminal shows of the paper's claims: published figures, then ours, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from app.reports import Report, percent, table
from app.text import TONNES, number
from app.versus import short_words
from ecoserve.paper_claims import CLAIMS, PaperClaims, SceneResult

WITHIN = "*"
"""After a figure that may be nothing: the searches left more open."""
TINY = 5
"""Places of a fraction; the rest is rounding."""


def paper_claims_report(claims: PaperClaims, title: str) -> Report:
    """Published figures, savings against each baseline, the worth of each R."""
    published = [(claim.what, claim.text, claim.seen) for claim in CLAIMS]
    return [
        Text(title, style="bold"),
        table("Published (arXiv 2502.05043)", ("what", "figure >", "seen in"), published),
        table(
            "Here: less carbon than each design, and its carbon over ours",
            savings_heads(claims),
            savings_rows(claims),
        ),
        table(
            f"Here: what each R takes off the cheapest fleet as sold; {WITHIN}: within the gap",
            lever_heads(claims),
            lever_rows(claims),
        ),
        *(Text(line) for line in remarks(claims)),
    ]


def savings_heads(claims: PaperClaims) -> tuple[str, ...]:
    """Columns of :func:`savings_rows`."""
    return (
        "g/kWh",
        "set",
        "t CO2e a year >",
        "embodied >",
        *(f"{short_words(k)} >" for k in keys(claims)),
    )


def savings_rows(claims: PaperClaims) -> Iterator[tuple[str, ...]]:
    """One row per cell: our carbon, then saving and ratio against every other plan."""
    for result in claims.results:
        tonnes = TONNES.value(result.kgco2e_per_year)
        cells = (_saving(result, key) for key in keys(claims))
        yield (*_cell(result), number(tonnes), percent(result.embodied_share), *cells)


def lever_heads(claims: PaperClaims) -> tuple[str, ...]:
    """Columns of :func:`lever_rows`."""
    steps = (f"{step} >" for step in steps_of(claims))
    recycle = f"recycle, {claims.horizon_years} years >"
    return ("g/kWh", "set", *steps, "all >", recycle, "published lives >")


def lever_rows(claims: PaperClaims) -> Iterator[tuple[str, ...]]:
    """One row per cell: what each step takes off; Recycle beside it, of the final fleet."""
    for result in claims.results:
        mine = {lever.step: lever for lever in result.levers}
        shown = [
            percent(round(mine[step].share, TINY)) + f" {WITHIN}" * mine[step].within_gap
            if step in mine
            else ""
            for step in steps_of(claims)
        ]
        yield (
            *_cell(result),
            *shown,
            percent(round(sum(lever.share for lever in result.levers), TINY)) if mine else "",
            percent(result.recycle_ratio),
            percent(result.recycle_published_ratio),
        )


def remarks(claims: PaperClaims) -> Iterator[str]:
    """What the tables cannot say: who cannot serve, and how sure the searches are."""
    reasons: dict[str, str] = {}
    for result in claims.results:
        for key, reason in result.blocked.items():
            reasons.setdefault(key, reason)
    for key, reason in reasons.items():
        yield f"{short_words(key)} cannot serve the scene: {reason}"
    open_ratios = [gap for r in claims.results for gap in (r.gap, *r.gaps.values())]
    yield (
        f"The searches left {percent(min(open_ratios))} to {percent(max(open_ratios))} open. "
        "Recycle is a share of the best joint refresh of our fleet and not part of the sum."
    )


def keys(claims: PaperClaims) -> list[str]:
    """The plans compared with anywhere, in their order."""
    return list(dict.fromkeys(key for result in claims.results for key in result.savings))


def steps_of(claims: PaperClaims) -> list[str]:
    """The levers of the waterfall, in their order."""
    found = (lever.step for result in claims.results for lever in result.levers)
    return list(dict.fromkeys(found))


def _cell(result: SceneResult) -> tuple[str, str]:
    return f"{result.gco2e_per_kwh:g}", result.coefficients


def _saving(result: SceneResult, key: str) -> str:
    if key not in result.savings:
        return "no fleet"
    return f"{percent(result.savings[key])}, {number(result.ratio(key))}x"
