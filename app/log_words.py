"""What was found in a request log, in the words that page and terminal share."""

from __future__ import annotations

from app.text import NARROW_SPACE, number
from catalog_db.own_traffic import span_words
from ecoserve.request_log import Arrivals, LogFindings

NO_TIMES = "No column with times was read: the rate and its profile stay as they are."
TOO_SHORT = (
    "The log covers {span}, too short for the shape of a day: that takes every hour of the day for"
    " at least half an hour. The profile stays as it is."
)
AT_ONCE = "All requests have the same time, so the log has no rate; the rate stays as it is."
NO_CLOCK = "The log has no dates: its time zero is taken as midnight."
MEAN_IS_ASSUMED = " Its mean rate is then taken as the mean of the day."


def facts(findings: LogFindings) -> list[tuple[str, str]]:
    """Name and value of each finding, in the order they are shown."""
    found = [
        ("Requests", f"{findings.n_used:,} of {findings.n_rows:,} rows"),
        ("Mean input / output", f"{_mean_words(findings)} tokens"),
        ("Longest input / output", f"{_longest_words(findings)} tokens"),
    ]
    arrivals = findings.arrivals
    if arrivals is None:
        return found
    found.append(("Covers", span_words(arrivals.duration_s)))
    if arrivals.mean_rps is not None:
        found.append(("Mean rate", rate(arrivals.mean_rps)))
        found.append(("Busiest minute", rate(arrivals.peak_minute_rps)))
    if arrivals.interarrival_cv is not None:
        found.append(
            ("Gaps, deviation over mean", f"{number(arrivals.interarrival_cv)} (random: 1)")
        )
    if arrivals.burst is not None:
        found.append(("Busiest 5 minutes over their hour", f"{number(arrivals.burst)} times"))
    return found


def profile_words(arrivals: Arrivals | None) -> str:
    """Whether the log gives a rate profile, and if not, why."""
    if arrivals is None:
        return NO_TIMES
    if arrivals.mean_rps is None:
        return AT_ONCE
    if not arrivals.hourly_rps:
        return TOO_SHORT.format(span=span_words(arrivals.duration_s)) + MEAN_IS_ASSUMED
    period = "day" if len(arrivals.hourly_rps) == 24 else "week"
    words = f"The log gives a rate for every hour of the {period}."
    return words if arrivals.is_dated else f"{words} {NO_CLOCK}"


def order_words(arrivals: Arrivals | None) -> str:
    """That rows are out of order, where some are."""
    if arrivals is None or not arrivals.n_out_of_order:
        return ""
    n = arrivals.n_out_of_order
    rows = "1 row is" if n == 1 else f"{n:,} rows are"
    return f"{rows} earlier than one before; kept, with the gap before them counted as zero."


def rate(rate_rps: float) -> str:
    """A rate with its unit."""
    return f"{number(rate_rps)}{NARROW_SPACE}requests/s"


def _mean_words(findings: LogFindings) -> str:
    return f"{number(findings.mean_isl_tokens)} / {number(findings.mean_osl_tokens)}"


def _longest_words(findings: LogFindings) -> str:
    return f"{findings.longest_isl_tokens:,} / {findings.longest_osl_tokens:,}"
