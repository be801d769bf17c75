"""What a page says of a replay: the finding first, promise beside replay, and why they differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from app.log_words import order_words
from app.replay_asks import ReplayAsked
from app.replays import Simulation
from app.text import MINUS, duration, limit, mass_unit, number, percent, sentence, sentence_list
from catalog_db.own_traffic import span_words
from ecoserve.plan import Plan, SloReport
from ecoserve.request_log import LogFindings
from ecoserve.runtime.result import Gap, PoolReplay, Quantiles, Replay, WorkloadReplay

Row = dict[str, Any]
Named = Callable[[str], str]
"""Puts names in the place of ids."""
AS_PLANNED, NEARLY_ALL = 0.005, 0.999
ROUTINGS = {
    "packed": "Fullest pools and replicas first, as the plan counts",
    "plan": "By the plan's shares, within a pool the fullest replica first",
    "shortest_queue": "By the plan's shares, within a pool the shortest queue",
    "splitwise": "Prefill and decode by the shortest queue, mixed when prompts pile up",
    "round_robin": "In turns, whatever the load",
}
OFFLINES = {
    "carbon": "In clean hours, within the deadline",
    "spare": "As room comes",
    "at_once": "At once",
}
QUANTITIES = {
    "facility_energy_kwh": "Electricity at the meter, kWh",
    "kgco2e": "Carbon, kgCO2e",
}


def finding(seen: Replay, plan: Plan) -> str:
    """Whether the targets held, the number that decides it, and the carbon beside the promise."""
    late = [workload for workload in seen.workloads if not workload.meets_slo]
    carbon = _carbon_words(seen)
    if late:
        return f"{sentence_list([_late_words(seen, plan, one) for one in late])}; {carbon}"
    online = [one for one in seen.workloads if one.attainment is not None]
    if not online:
        return f"Every deadline was kept; {carbon}"
    tightest = min(online, key=lambda one: (one.attainment or 0.0) - (one.percentile or 0.0))
    return f"All targets held: {_kept_words(tightest, plan)}; {carbon}"


def _carbon_words(seen: Replay) -> str:
    gap = next(gap for gap in seen.gaps if gap.quantity == "kgco2e")
    if not math.isfinite(gap.ratio) or abs(gap.ratio) < AS_PLANNED:
        return "carbon as planned"
    return f"{percent(abs(gap.ratio), 2)} {'more' if gap.ratio > 0 else 'less'} carbon than planned"


def _kept_words(workload: WorkloadReplay, plan: Plan) -> str:
    what, _ = _decisive(workload, plan)
    asked = percent(workload.percentile or 0.0)
    return f"{_share(workload.attainment)} of {workload.name}'s {what}, {asked} asked"


def _late_words(seen: Replay, plan: Plan, workload: WorkloadReplay) -> str:
    if workload.percentile is None or workload.attainment is None:
        return _offline_words(workload)
    what, _ = _decisive(workload, plan)
    asked = percent(workload.percentile)
    words = (
        f"{workload.name} would have missed its target: {_share(workload.attainment)} of its {what}"
        f" where {asked} are asked"
    )
    gap = next(g for g in seen.gaps if g.quantity == "attainment" and g.workload == workload.name)
    return f"{words}, because {gap.reasons[0].message}" if gap.reasons else words


def _offline_words(workload: WorkloadReplay) -> str:
    n = workload.deadline_misses
    if n:
        what = "request" if n == 1 else "requests"
        return f"{n:,} {what} of {workload.name} would have missed their deadline"
    return f"{workload.unserved:,} requests of {workload.name} fit on no replica"


def _decisive(workload: WorkloadReplay, plan: Plan) -> tuple[str, SloReport | None]:
    """What of an answer was late more often, in words with its limit."""
    row = next((row for row in plan.slo if row.workload == workload.name), None)
    slow = (workload.tpot_attainment or 0.0) < (workload.ttft_attainment or 0.0)
    if row is None:
        return ("answers in time" if slow else "first tokens in time"), None
    if slow:
        return f"answers kept {limit(row.tpot_limit_s)} per token", row
    return f"first tokens came within {limit(row.ttft_limit_s)}", row


def _share(ratio: float | None) -> str:
    """No rounding to the whole.

    >>> _share(1.0), _share(0.99987).replace("\\u202f", " "), _share(0.0)
    ('all', 'more than 99.9 %', 'none')
    """
    if not ratio:
        return "none"
    if ratio > NEARLY_ALL:
        return "all" if ratio == 1.0 else f"more than {percent(NEARLY_ALL)}"
    return percent(ratio)


def conditions(seen: Replay, asked: ReplayAsked) -> str:
    """Which traffic it was, from when to when, and how it was routed."""
    n = sum(workload.requests for workload in seen.workloads)
    hours = f"{span_words(seen.simulated_s)} from {clock(seen.start_h)} on the users' clock"
    source = f"drawn from the scenario with seed {asked.seed}"
    if asked.log is not None:
        rate = "at the rate of the plan's busiest hour" if asked.log.to_peak else "at its own rate"
        source = f"{asked.log.file} as {asked.log.workload} {rate}, other workloads drawn"
    error = f", forecast off by {percent(asked.forecast_error)}" if asked.forecast_error else ""
    words = f"{n:,} requests in {hours}, {source}. Routing: {_low(ROUTINGS[seen.routing])}"
    if any(workload.kind == "offline" for workload in seen.workloads):
        words += f"; offline work: {_low(OFFLINES[seen.offline])}{error}"
    return f"{words}."


def _low(words: str) -> str:
    return words[:1].lower() + words[1:]


def clock(hour: float) -> str:
    """An hour of the day as 07:30.

    >>> clock(7.5), clock(23.999)
    ('07:30', '00:00')
    """
    whole, rest = divmod(round(hour * 60), 60)
    return f"{whole % 24:02d}:{rest:02d}"


def promise_rows(seen: Replay, plan: Plan) -> list[Row]:
    """Promise beside replay: the meter, carbon, every workload."""
    rows = [_total_row(gap) for gap in seen.gaps if gap.quantity in QUANTITIES]
    for workload in seen.workloads:
        if workload.attainment is not None and workload.percentile is not None:
            more = 100.0 * (workload.attainment - workload.percentile)
            rows.append(
                {
                    "What": f"{workload.name}: {_decisive(workload, plan)[0]}",
                    "Promised": f"at least {percent(workload.percentile)}",
                    "Replayed": _share(workload.attainment),
                    "Difference": f"{_signed(more)} points",
                    "Holds": "yes" if workload.meets_slo else "no",
                }
            )
        elif workload.kind == "offline":
            rows.append(_deadline_row(workload))
    return rows


def _total_row(gap: Gap) -> Row:
    exact = math.isfinite(gap.ratio)
    return {
        "What": QUANTITIES[gap.quantity],
        "Promised": number(gap.planned),
        "Replayed": number(gap.replayed),
        "Difference": f"{_signed(100.0 * gap.ratio)} %" if exact else "",
        "Holds": "yes" if gap.within_tolerance else "differs, see below",
    }


def _deadline_row(workload: WorkloadReplay) -> Row:
    more = f", {workload.deferred:,} still wait within it" if workload.deferred else ""
    return {
        "What": f"{workload.name}: requests past their deadline",
        "Promised": "0",
        "Replayed": f"{workload.deadline_misses:,} of {workload.served:,} served{more}",
        "Difference": "",
        "Holds": "yes" if workload.meets_slo else "no",
    }


def _signed(value: float) -> str:
    sign = "+" if value > 0 else MINUS
    return f"{sign if value else ''}{number(abs(value), 2)}"


def reasons(seen: Replay, named: Named) -> list[str]:
    """Why replay and promise differ beyond the tolerance, a sentence for each cause."""
    found: dict[str, list[str]] = {}
    for gap in seen.gaps:
        what = {"facility_energy_kwh": "electricity", "kgco2e": "carbon"}.get(gap.quantity)
        for reason in gap.reasons:
            part = what or gap.workload
            if what and gap.planned and reason.amount:
                part = f"{what} {_signed(100.0 * reason.amount / gap.planned)} %"
            found.setdefault(reason.message, []).append(part)
    return [sentence(f"{sentence_list(parts)}: {named(why)}") for why, parts in found.items()]


def latency_rows(seen: Replay, plan: Plan) -> list[Row]:
    """First tokens and tokens after them of every workload that was served, beside the limits."""
    rows = []
    for workload in seen.workloads:
        row = next((row for row in plan.slo if row.workload == workload.name), None)
        for name, found, most in (
            ("TTFT", workload.ttft_s, row.ttft_limit_s if row else None),
            ("TPOT", workload.tpot_s, row.tpot_limit_s if row else None),
        ):
            if most is not None:
                rows.append({"Workload": workload.name, "Latency": name, **_three(found, most)})
    return rows


def _three(found: Quantiles, most: float) -> Row:
    values = {"p50": found.p50, "p90": found.p90, "p99": found.p99}
    shown = {name: duration(v) if math.isfinite(v) else "" for name, v in values.items()}
    return {**shown, "Limit": limit(most)}


def pool_rows(seen: Replay, name_of: Callable[[PoolReplay], str]) -> list[Row]:
    """How full every pool was, beside the plan."""
    return [
        {
            "Pool": f"{pool.role.replace('_', ' ')} on {name_of(pool)}",
            "Serves": ", ".join(pool.workloads),
            "Replicas": pool.replicas,
            "At work, planned": percent(pool.planned_utilisation, 2),
            "At work, replayed": percent(pool.utilisation, 2),
            "Batch, planned": number(pool.planned_batch),
            "Batch, replayed": number(pool.batch),
            "Preempted": f"{pool.preemptions:,}",
        }
        for pool in seen.pools
    ]


def left_out_words(answer: Simulation) -> list[str]:
    """What of a log was not replayed as it stands, a sentence each."""
    log, order = answer.log, answer.order
    if log is None or order is None:
        return []
    found = []
    if log.bad:
        found.append(bad_rows_words(log))
    if remark := order_words(log.arrivals):
        found.append(sentence(remark))
    if order.n_too_late:
        found.append(
            f"{order.n_too_late:,} requests stand too far from their place to be put in order; they"
            " count as arriving with the ones beside them."
        )
    return found


def bad_rows_words(log: LogFindings) -> str:
    """That rows of a log were left out."""
    n = log.n_rows - log.n_used
    return f"{n:,} of {log.n_rows:,} rows of the log were left out."


def repair_words(rounds: Sequence[Any], gave_up: str) -> str:
    """What keeping the limits takes, and what it costs in carbon."""
    first, last = rounds[0], rounds[-1]
    unit = mass_unit(last.kgco2e_per_year)
    more = last.kgco2e_per_year - first.kgco2e_per_year
    word = "more" if more >= 0 else "less"
    share = _signed(100.0 * more / first.kgco2e_per_year)
    cost = f"{unit.text(abs(more))}CO2e a year {word} ({share} %)"
    if not more:
        cost = "no carbon more, the fleet has the room already"
    if gave_up:
        return (
            f"Not even {percent(last.headroom)} of headroom keeps all targets ({cost}): {gave_up}"
        )
    return f"All targets hold with {percent(last.headroom)} of headroom: {cost}"


def saving_words(saved: Any) -> str:
    """What the scheduler saves, the finding first."""
    unit = mass_unit(saved.blind_kgco2e)
    aware, blind = unit.text(saved.aware_kgco2e), unit.text(saved.blind_kgco2e)
    word = "less" if saved.ratio >= 0 else "more"
    return (
        f"{percent(abs(saved.ratio))} {word} carbon of offline work than draining at once: {aware}"
        f" against {blind} in {number(saved.hours)} h of requests, with {saved.aware_misses:,}"
        f" deadlines missed against {saved.blind_misses:,}"
    )
