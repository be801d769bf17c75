"""A plan as files for others: a table, and the JSON object of the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.records import explained_record
from app.safe_csv import safe_csv
from app.terminal import json_text
from ecoserve.catalog import Catalog
from ecoserve.plan import Plan
from ecoserve.scenario import Scenario

Row = dict[str, Any]


def plan_csv(plan: Plan, scenario: Scenario, catalog: Catalog) -> str:
    """One row per total, member of the fleet, pool, part of carbon and cost, and latency target.

    Every row says which plan it is of; units stand in the heads; what does not apply is empty.
    """
    return _table(_rows(plan, catalog), _stamp(plan, scenario))


def comparison_csv(plan: Plan, others: Mapping[str, Plan | str], scenario: Scenario) -> str:
    """One row for the plan and for every baseline by its key; or why it cannot serve."""
    rows = [{"plan": "ecoserve", **_totals(plan)}]
    for key, other in others.items():
        if isinstance(other, str):
            rows.append({"plan": key, "status": "infeasible", "reason": other})
            continue
        theirs = other.kgco2e_per_year
        saving = 1.0 - plan.kgco2e_per_year / theirs if theirs else None
        rows.append({"plan": key, **_totals(other), "saving_ratio": saving})
    return _table(rows, _stamp(plan, scenario))


def _stamp(plan: Plan, scenario: Scenario) -> Row:
    return {
        "scenario": scenario.name,
        "scenario_fingerprint": plan.scenario_fingerprint,
        "engine_version": plan.engine_version,
        "catalog_version": plan.catalog_version,
    }


def _table(rows: Iterable[Row], stamp: Row) -> str:
    """The stamp before every row, under the heads of all of them."""
    rows = list(rows)
    heads = list(dict.fromkeys(head for row in rows for head in row))
    return safe_csv([stamp | {head: row.get(head) for head in heads} for row in rows])


def _rows(plan: Plan, catalog: Catalog) -> Iterator[Row]:
    yield {"section": "total", **_totals(plan)}
    for entry in plan.fleet:
        yield {
            "section": "fleet",
            "site": entry.site,
            "server": entry.server,
            "server_name": catalog.server(entry.server).name,
            "host_variant": entry.variant,
            "count_servers": entry.count,
            "on_at_least_servers": min(entry.on_by_hour, default=entry.count),
            "owned": _yes(entry.owned),
        }
    for pool in plan.pools:
        yield {
            "section": "pool",
            "site": pool.site,
            "server": pool.server,
            "server_name": catalog.server(pool.server).name,
            "host_variant": pool.variant,
            "workload": "; ".join(pool.workloads),
            "llm": pool.llm,
            "role": pool.role,
            "accelerator": pool.accelerator,
            "tensor_parallel_size": pool.tp,
            "weight_precision": pool.precision,
            "kv_precision": pool.kv_precision,
            "stack": pool.stack,
            "count_replicas": pool.replicas,
            "on_at_least_replicas": min(pool.replicas_by_hour, default=pool.replicas),
            "utilisation_ratio": pool.utilisation,
            "batch_requests": pool.batch,
            "draw_w_per_accelerator": pool.power_w,
            "power_cap_ratio": pool.power_cap_ratio,
            "speed_provenance": pool.provenance,
            "power_within_fit": _yes(pool.fitted),
        }
    yield from _accounts(plan)
    for row in plan.slo:
        yield {
            "section": "latency",
            "workload": row.workload,
            "percentile_ratio": row.percentile,
            "ttft_s": row.ttft_s,
            "ttft_limit_s": row.ttft_limit_s,
            "tpot_s": row.tpot_s,
            "tpot_limit_s": row.tpot_limit_s,
            "meets_slo": _yes(row.meets_slo),
        }


def _totals(plan: Plan) -> Row:
    return {
        "status": plan.status.value,
        "gap_ratio": plan.gap,
        "kgco2e_per_year": plan.kgco2e_per_year,
        "operational_kgco2e_per_year": plan.operational_kgco2e_per_year,
        "embodied_kgco2e_per_year": plan.embodied_kgco2e_per_year,
        "gco2e_per_1000_output_tokens": plan.gco2e_per_functional_unit,
        "usd_per_h": plan.usd_per_h,
        "it_power_kw": plan.it_power_kw,
        "peak_it_power_kw": plan.peak_it_power_kw,
        "facility_kwh_per_year": plan.facility_kwh_per_year,
    }


def _accounts(plan: Plan) -> Iterator[Row]:
    """The carbon and the bill by their parts, which add up to the totals."""
    for carbon in plan.carbon_parts:
        yield {
            "section": "carbon",
            "workload": carbon.workload,
            "kind": carbon.kind,
            "side": carbon.side,
            "part": carbon.part,
            "kgco2e_per_year": carbon.kgco2e_per_year,
        }
    for cost in plan.cost_parts:
        yield {"section": "cost", "part": cost.part, "usd_per_h": cost.usd_per_h}


def _yes(claim: bool) -> str:
    return "yes" if claim else "no"


def plan_json(plan: Plan, scenario: Scenario, catalog: Catalog) -> str:
    """The object of ``ecoserve plan --json``; ``seconds`` is null, since nobody timed it."""
    record: Mapping[str, Any] = explained_record(plan, scenario, catalog, seconds=0.0)
    return json_text({**record, "seconds": None})
