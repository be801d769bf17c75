"""What the terminal says of a replay: tables and sentences, and the JSON object."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.text import Text

from app.log_words import order_words
from app.reports import Report, percent, table
from app.text import duration, limit, mass_unit, number, sentence
from ecoserve.runtime.result import Gap, Quantiles, Replay, WorkloadReplay, replay_record
from ecoserve.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from app.replays import Simulation
    from ecoserve.plan import Plan
    from ecoserve.request_log import LogFindings
    from ecoserve.runtime.repair import Repair
    from ecoserve.runtime.saving import Saving
    from ecoserve.runtime.trace import LogOrder

QUANTITIES = {"facility_energy_kwh": "electricity, kWh", "kgco2e": "carbon, kg CO2e"}


def simulation_record(answer: Simulation) -> dict[str, Any]:
    """The JSON object of ``ecoserve simulate --json`` without stamp and seconds."""
    record = replay_record(answer.replay)
    record["log"] = None if answer.log is None else _log_record(answer.log, answer.order)
    record["fix"] = None if answer.repair is None else _repair_record(answer.repair)
    record["saving"] = None if answer.saving is None else _saving_record(answer.saving)
    return record


def _log_record(log: LogFindings, order: LogOrder | None) -> dict[str, Any]:
    return {
        "n_rows": log.n_rows,
        "n_requests": log.n_used,
        "bad_rows": [
            {"reason": bad.reason, "message": bad.words, "rows": bad.rows} for bad in log.bad
        ],
        "n_out_of_order": order.n_out_of_order if order else 0,
        "n_too_late": order.n_too_late if order else 0,
    }


def _repair_record(mended: Repair) -> dict[str, Any]:
    return {
        "rounds": [
            {
                "headroom": one.headroom,
                "kgco2e_per_year": one.plan.kgco2e_per_year,
                "meets_slos": one.replay.meets_slos,
                "attainment": {w.name: w.attainment for w in one.replay.workloads},
            }
            for one in mended.rounds
        ],
        "cost_kgco2e_per_year": mended.cost_kgco2e_per_year,
        "gave_up": mended.gave_up,
    }


def _saving_record(saved: Saving) -> dict[str, Any]:
    return {
        "ratio": saved.ratio,
        "aware": {
            "kgco2e": saved.aware_kgco2e, "deadline_misses": saved.aware.deadline_misses
        },
        "blind": {
            "kgco2e": saved.blind_kgco2e, "deadline_misses": saved.blind.deadline_misses
        },
    }  # fmt: skip


def simulation_report(answer: Simulation, title: str) -> Report:
    """Whether the plan holds, what users saw, promise beside replay, and why they differ."""
    seen = answer.replay
    report: Report = [Text(title, style="bold"), Text(verdict(seen)), _users(seen, answer.plan)]
    report += [_beside(seen), *_reasons(seen), _pools(seen)]
    report += _log_words(answer)
    if answer.repair is not None:
        report.append(Text(repair_words(answer.repair)))
    if answer.saving is not None:
        report.append(Text(saving_words(answer.saving)))
    return report


def verdict(seen: Replay) -> str:
    """The finding in one sentence."""
    hours = f"{number(seen.simulated_s / SECONDS_PER_HOUR)} h from {_clock(seen.start_h)}"
    n = sum(workload.requests for workload in seen.workloads)
    late = [workload.name for workload in seen.workloads if not workload.meets_slo]
    what = f"{n:,} requests in {hours} on the users' clock"
    if late:
        return f"{what}: the plan does not hold for {', '.join(late)}."
    return f"{what}: the plan holds, every limit and deadline is kept."


def _clock(hour: float) -> str:
    whole, rest = divmod(round(hour * 60), 60)
    return f"{whole:02d}:{rest:02d}"


def _users(seen: Replay, plan: Plan) -> Any:
    limits = {row.workload: row for row in plan.slo}
    rows = []
    for workload in seen.workloads:
        row = limits.get(workload.name)
        rows.append(
            (
                workload.name,
                f"{workload.requests:,}",
                f"{workload.served:,}",
                _share(workload),
                _three(workload.ttft_s, row.ttft_limit_s) if row else "",
                _three(workload.tpot_s, row.tpot_limit_s) if row else "",
                _left(workload),
            )
        )
    heads = (
        "", "requests >", "served >", "in time >", "TTFT p50, p90, p99 (limit) >",
        "TPOT p50, p90, p99 (limit) >", "else",
    )  # fmt: skip
    return table("What users saw", heads, rows)


def _share(workload: WorkloadReplay) -> str:
    if workload.attainment is None or workload.percentile is None:
        return ""
    return f"{percent(workload.attainment)} of {percent(workload.percentile)}"


def _three(found: Quantiles, most: float) -> str:
    if math.isnan(found.p50):
        return "-"
    words = ", ".join(duration(value) for value in (found.p50, found.p90, found.p99))
    return f"{words} ({limit(most)})"


def _left(workload: WorkloadReplay) -> str:
    words = []
    if workload.carried_in:
        words.append(f"{workload.carried_in:,} waited from before")
    if workload.deferred:
        words.append(f"{workload.deferred:,} still wait")
    if workload.too_long:
        words.append(f"{workload.too_long:,} too long for every replica")
    if workload.kind == "offline":
        words.append(f"{workload.deadline_misses:,} past their deadline")
    return ", ".join(words)


def _beside(seen: Replay) -> Any:
    rows = [
        (
            QUANTITIES[gap.quantity],
            number(gap.planned),
            number(gap.replayed),
            f"{gap.ratio:+.1%}",
        )
        for gap in seen.gaps
        if gap.quantity in QUANTITIES
    ]
    return table("Promise and replay", ("", "planned >", "replayed >", "difference >"), rows)


def _reasons(seen: Replay) -> Report:
    return [Text(text) for gap in seen.gaps for text in gap_words(gap)]


def gap_words(gap: Gap) -> list[str]:
    """Why a promise and its replay differ, a sentence for each part."""
    what = QUANTITIES.get(gap.quantity, f"{gap.workload} in time").partition(",")[0]
    found = []
    for reason in gap.reasons:
        part = ""
        if gap.quantity in QUANTITIES and gap.planned:
            part = f" ({reason.amount / gap.planned:+.1%} of the promise)"
        found.append(f"{what}{part}: {sentence(reason.message)}")
    return found


def _pools(seen: Replay) -> Any:
    rows = [
        (
            pool.role.replace("_", " "),
            pool.accelerator or pool.server,
            ", ".join(pool.workloads),
            str(pool.replicas),
            f"{pool.utilisation:.0%}",
            f"{pool.planned_utilisation:.0%}",
            number(pool.batch),
            number(pool.planned_batch),
        )
        for pool in seen.pools
    ]
    heads = (
        "pool", "on", "serves", "replicas >", "at work >", "planned >", "batch >", "planned >",
    )  # fmt: skip
    return table("Pools", heads, rows)


def _log_words(answer: Simulation) -> Report:
    log, order = answer.log, answer.order
    if log is None or order is None:
        return []
    report: Report = [Text(f"Log: {log.n_used:,} of {log.n_rows:,} rows are requests.")]
    if log.bad:
        rows = [(bad.words, f"{bad.rows:,}") for bad in log.bad]
        report.append(table("Rows left out", ("left out because", "rows >"), rows))
    if remark := order_words(log.arrivals):
        report.append(Text(sentence(remark)))
    if order.n_too_late:
        report.append(
            Text(
                f"{order.n_too_late:,} requests stand too far from their place to be put in order;"
                " they count as arriving with the ones beside them."
            )
        )
    return report


def repair_words(mended: Repair) -> str:
    """What keeping the limits took, and what it costs."""
    first, last = mended.rounds[0], mended.last
    if len(mended.rounds) == 1:
        return "Nothing to fix: every limit holds at the first plan."
    unit = mass_unit(last.plan.kgco2e_per_year)
    more = number(unit.value(mended.cost_kgco2e_per_year))
    share = mended.cost_kgco2e_per_year / first.plan.kgco2e_per_year
    cost = f"{more} {unit.name} CO2e a year more ({share:+.1%})"
    held = (
        "every limit holds" if not mended.gave_up else f"limits are missed still: {mended.gave_up}"
    )
    return (
        f"Headroom raised from {first.headroom:.0%} to {last.headroom:.0%} for all workloads in"
        f" {len(mended.rounds) - 1} rounds: {held}; that takes {cost}."
    )


def saving_words(saved: Saving) -> str:
    """What the scheduler saves, with its conditions."""
    if not saved.blind_kgco2e:
        return "There is no offline work to schedule."
    unit = mass_unit(saved.blind_kgco2e)
    aware, blind = (number(unit.value(kg)) for kg in (saved.aware_kgco2e, saved.blind_kgco2e))
    return (
        f"Offline work in clean hours: {aware} {unit.name} CO2e, started at once {blind}:"
        f" {percent(saved.ratio)} saved with {saved.aware.deadline_misses:,} deadlines missed"
        f" against {saved.blind.deadline_misses:,}. Above idle, PUE included."
    )
