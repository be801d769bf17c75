"""The choices about hardware, slack and levers."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from app import inputs, state
from app.text import percent, plain
from ecoserve.offers import offered_servers
from ecoserve.rows import Accelerator
from ecoserve.scenario_parts import MAX_POWER_CAPS, ServerLimit

COLUMNS = 2
POWER_CAPS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
LEVERS = {
    "reuse": "Reuse: offline work on idle host CPUs",
    "shift": "Shift: offline work moved within its deadline",
    "phases_apart": "Prefill and decode in pools of their own",
    "reduce": "Reduce: hosts trimmed to the DRAM and SSD that serving needs",
    "park": "Park: servers off in the parts of the day that do not need them",
}


def accelerators() -> None:
    """A tick per accelerator that some server on offer carries, newest first."""
    st.markdown("## Allowed accelerators")
    allowed, catalog = _allowed(), state.catalog()
    rows = [catalog.accelerator(accelerator_id) for accelerator_id in _on_offer()]
    columns = st.columns(COLUMNS)
    for i, accelerator in enumerate(sorted(rows, key=lambda row: (-row.launch_year, row.name))):
        with columns[i % COLUMNS]:
            inputs.tick(
                plain(f"{_short(accelerator)}, {accelerator.launch_year}"),
                f"allow.{accelerator.id}",
                accelerator.id in allowed,
                partial(_allow, accelerator.id),
            )


def _short(accelerator: Accelerator) -> str:
    """Without a vendor that everybody knows by the product."""
    return accelerator.name.removeprefix("NVIDIA ").removeprefix("AMD ").removeprefix("Intel ")


def _on_offer() -> set[str]:
    servers = offered_servers(state.scenario().hardware, state.catalog())
    return {server.accelerator_id for server in servers}


def _allowed() -> set[str]:
    chosen = state.scenario().hardware.accelerators
    return _on_offer() if chosen is None else set(chosen)


def _allow(accelerator_id: str, ticked: bool) -> inputs.Changes:
    allowed = _allowed() | {accelerator_id} if ticked else _allowed() - {accelerator_id}
    every = allowed >= _on_offer()
    return {"hardware.accelerators": None if every else sorted(allowed)}


def offer() -> None:
    """Bought or rented, from whom, and by which coefficients made."""
    hardware, catalog = state.scenario().hardware, state.catalog()
    providers = sorted({s.provider_id for s in catalog.servers.values() if s.offer == "rental"})
    inputs.segments(
        "Servers are",
        "offer",
        hardware.offer,
        {"purchase": "Bought", "rental": "Rented"},
        lambda value: _offer_changes(value, providers),
        help="Bought: capex straight-line over the life, power and colocation. Rented: on-demand "
        "price of one provider, electricity included.",
    )
    if hardware.offer == "rental" and hardware.provider is not None:
        names = {provider: catalog.provider(provider).name for provider in providers}
        inputs.choice(
            "Provider",
            "hardware.provider",
            hardware.provider,
            providers,
            lambda provider: {"hardware.provider": provider, "hardware.price_date": None},
            names=names,
        )
        _price_list(hardware.provider)


def _price_list(provider: str) -> None:
    """Whose list has more than one year, that is chosen; the latest is not written down."""
    years = state.catalog().rental_dates(provider)
    if len(years) < 2:
        if years:
            st.caption(plain(f"Price list of {_list_name(provider, years[0])}"))
        return
    names = {year: _list_name(provider, year) for year in years}
    names[years[-1]] += ", the latest"
    inputs.choice(
        "Price list of",
        "hardware.price_date",
        state.scenario().hardware.price_date or years[-1],
        years,
        lambda year: {"hardware.price_date": None if year == years[-1] else year},
        names=names,
        help="List prices differ between years; one year holds for every server compared.",
    )


def _list_name(provider: str, year: str) -> str:
    """The year of a price list and where its prices hold."""
    catalog = state.catalog()
    prices = (price for price in catalog.rental_prices.values() if price.price_date == year)
    places = {p.place for p in prices if catalog.server(p.server_id).provider_id == provider}
    return f"{year}, {' and '.join(sorted(places))}"


def _offer_changes(value: str | None, providers: list[str]) -> inputs.Changes:
    if value is None:
        return {}
    provider = providers[0] if value == "rental" else None
    changes = {"hardware.offer": value, "hardware.provider": provider}
    return {**changes, "hardware.price_date": None}


def lifetimes() -> None:
    """How long accelerators and hosts serve."""
    hardware = state.scenario().hardware
    for side in ("accelerator", "host"):
        path = f"hardware.{side}_years"
        value: float = getattr(hardware, f"{side}_years")
        label = f"Lifetime of {side}s, years"
        inputs.slider(
            label, path, value, inputs.to_path(path), bounds=(1, 10), step=0.5, format="%.1f"
        )


def slack() -> None:
    """Headroom, burst and redundancy."""
    policy = state.scenario().policy
    inputs.percent_slider(
        "Headroom",
        "policy.headroom",
        policy.headroom,
        bounds=(0, 60),
        help="Capacity kept free beyond the burst of the busiest hour.",
    )
    left, right = st.columns(2)
    with left:
        inputs.number(
            "Burst, peak over mean in the hour", "policy.burst", policy.burst, bounds=(1, 20),
            step=0.1,
        )  # fmt: skip
    with right:
        inputs.whole(
            "Least replicas per online workload", "policy.min_replicas", policy.min_replicas,
            bounds=(1, 10),
        )  # fmt: skip


def engine() -> None:
    """How the serving software is set: KV cache, requests at once, power caps."""
    hardware = state.scenario().hardware
    path = "hardware.stack"
    stacks = state.catalog().stacks
    inputs.choice("Serving software", path, hardware.stack, stacks, inputs.to_path(path))
    inputs.segments(
        "KV cache",
        "hardware.kv_precision",
        hardware.kv_precision,
        {"bf16": "16 bit", "fp8": "fp8"},
        lambda value: {} if value is None else {"hardware.kv_precision": value},
        help="fp8 where the hardware has it: twice the requests in memory. What it does to quality "
        "is not judged.",
    )
    inputs.whole(
        "Most requests at once in a replica", "hardware.max_num_seqs", hardware.max_num_seqs,
        bounds=(1, 4096),
    )  # fmt: skip
    caps = sorted({*POWER_CAPS, *hardware.power_cap_ratios}, reverse=True)
    key = inputs.bound("hardware.power_cap_ratios", list(hardware.power_cap_ratios))
    st.multiselect(
        "Power caps to try, of TDP",
        caps,
        key=key,
        format_func=lambda ratio: "none" if ratio == 1.0 else percent(ratio, 2),
        max_selections=MAX_POWER_CAPS,
        help="A pool may run under any of them. How a cap slows work is assumed, not measured.",
        on_change=inputs.take,
        args=(key, _cap_changes),
    )


def _cap_changes(chosen: list[float]) -> inputs.Changes:
    """With none chosen nothing is capped."""
    return {"hardware.power_cap_ratios": sorted(chosen, reverse=True) or [1.0]}


def levers() -> None:
    """Which of the planner's choices are allowed."""
    chosen = state.scenario().levers
    st.markdown("## Levers")
    for name, label in LEVERS.items():
        path = f"levers.{name}"
        inputs.tick(label, path, getattr(chosen, name), inputs.to_path(path))
    variants = state.catalog().host_variants
    key = inputs.bound("hardware.host_variants", list(state.scenario().hardware.host_variants))
    st.multiselect(
        "Ways Reduce may trim hosts",
        sorted(variants),
        key=key,
        format_func=lambda variant: variants[variant].name,
        placeholder="None: hosts stay whole",
        on_change=inputs.take,
        args=(key, inputs.to_path("hardware.host_variants")),
    )


def limits() -> None:
    """At most so many of a kind."""
    st.markdown("## Server limits")
    catalog, now = state.catalog(), state.scenario().hardware.limits
    names = {server.id: server.name for server in catalog.servers.values()}
    key = inputs.bound("limits", [limit.server for limit in now])
    st.multiselect(
        "Limited in number",
        sorted(names),
        key=key,
        format_func=lambda server_id: names[server_id],
        placeholder="None: as many as needed",
        on_change=inputs.take,
        args=(key, _limit_changes),
    )
    for i, limit in enumerate(now):
        ends = st.columns(2)
        for column, label, field in (
            (ends[0], "At least", "min_count"),
            (ends[1], "At most", "max_count"),
        ):
            path = f"hardware.limits.{i}.{field}"
            with column:
                inputs.whole(
                    plain(f"{label}, {names[limit.server]}"),
                    path,
                    getattr(limit, field),
                    bounds=(0, 1_000_000),
                )


def _limit_changes(chosen: list[str]) -> inputs.Changes:
    kept = {limit.server: limit for limit in state.scenario().hardware.limits}
    rows: list[dict[str, Any]] = [
        kept.get(server, ServerLimit(server=server, max_count=1)).model_dump() for server in chosen
    ]
    return {"hardware.limits": rows}
