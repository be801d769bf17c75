"""Where the carbon of making a product comes from, part by part, under every coefficient set."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import figures_embodied as figures
from app import inputs, state
from app.figures_embodied import Breakdown, BreakdownPart
from app.text import MassUnit, capacity, number, percent, plain, sentence
from app.views import answer as draw
from app.views.catalog_rows import quality_words, source_link
from ecoserve.embodied import Footprint, footprint, node_footprint
from ecoserve.embodied_parts import EmbodiedPart
from ecoserve.errors import EcoServeError
from ecoserve.rows import Server
from ecoserve.scenario_parts import Hardware
from ecoserve.units import g_from_kg
from ecoserve.variants import trimmed

SET_NAMES = {
    "pcf": "pcf: manufacturers' footprints and teardowns",
    "paper": "paper: the EcoServe authors' calculator",
    "lca_high": "lca_high: upper life-cycle values",
}
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
PRODUCT = "in:product"
"""Key of the choice of product; what is uploaded is shown at once."""
OFFER = "embodied:offer"
"""Key of the offer that the product was chosen under."""
SET_ORDER = ("pcf", "paper", "lca_high")


def show() -> tuple[Footprint, MassUnit] | None:
    """Product and set, the sets side by side, the parts of one set with who says so.

    Returns that set's footprint and the unit of the pictures; None where there is none to show.
    """
    st.markdown("## Where does it come from?")
    product_id = _product()
    chosen = state.scenario().policy.coefficients
    try:
        prints = [footprint(product_id, set_id, state.catalog()) for set_id in sets_in_order()]
    except EcoServeError as error:
        st.error(plain(sentence(str(error))))
        return None
    name = product_name(product_id)
    breakdowns = [_breakdown(row) for row in prints]
    unit = figures.view_unit(breakdowns)
    draw.show_chart(figures.embodied_under_sets(name, breakdowns, chosen, unit), "embodied-sets")
    own = next(row for row in prints if row.coefficients == chosen)
    st.caption(plain(hourly_line(own)))
    shown = _set_to_show(prints)
    _part_table(shown)
    return shown, unit


def show_below(shown: Footprint, unit: MassUnit) -> None:
    """The parts as a map, and what Reduce would leave out."""
    chart = figures.embodied_map(product_name(shown.id), _breakdown(shown), unit)
    draw.show_chart(chart, "embodied-map")
    _trim_line(shown.id, state.scenario().policy.coefficients, unit)


def _product() -> str:
    left, right = st.columns(2)
    names, bought = _names(), _in_the_plan()
    ranked = sorted(names, key=lambda name: (name not in bought, *_own_first(name)))
    _follow_the_offer(ranked[0])
    with left:
        product_id: str = st.selectbox(
            "Server or accelerator",
            ranked,
            key=PRODUCT,
            format_func=lambda chosen: f"{names[chosen]} ({chosen})" if chosen in names else "",
        )
    with right:
        path = "policy.coefficients"
        value = state.scenario().policy.coefficients
        inputs.choice(
            "Coefficient set of the plan", path, value, sets_in_order(), inputs.to_path(path),
            names=SET_NAMES,
        )  # fmt: skip
    return product_id


def _follow_the_offer(first: str) -> None:
    """Who turns from buying to renting, or to another provider, is shown a server of theirs."""
    hardware = state.scenario().hardware
    now = (hardware.offer, hardware.provider)
    if st.session_state.get(OFFER, now) != now:
        st.session_state[PRODUCT] = first
    st.session_state[OFFER] = now


def sets_in_order() -> list[str]:
    """The coefficient sets, the default first."""
    return sorted(state.catalog().coefficient_sets, key=lambda name: (*SET_ORDER, name).index(name))


def _names() -> dict[str, str]:
    catalog = state.catalog()
    servers = {server.id: server.name for server in catalog.servers.values()}
    cards = {row.id: f"{row.name}, one accelerator" for row in catalog.accelerators.values()}
    return servers | cards


def product_name(product_id: str) -> str:
    """The name of a server or an accelerator."""
    return _names()[product_id]


def _in_the_plan() -> set[str]:
    """The servers that the plan of this scenario has, where it is known."""
    held = state.session()
    known = held.finished.get((held.scenario.fingerprint(), held.baseline))
    return {entry.server for entry in known.plan.fleet} if known else set()


def _own_first(product_id: str) -> tuple[bool, bool, bool, bool, int, str]:
    """The visitor's rows, then servers on offer before others and single accelerators."""
    catalog = state.catalog()
    own = any((table, product_id) in catalog.overlay_rows for table in ("servers", "accelerators"))
    server = catalog.servers.get(product_id)
    card = catalog.accelerator(server.accelerator_id if server else product_id)
    hardware = state.scenario().hardware
    allowed = hardware.accelerators is None or card.id in hardware.accelerators
    other = server is None or (server.offer, server.provider_id) != _offered_by(hardware, server)
    return not own, server is None, other, not allowed, -card.launch_year, product_id


def _offered_by(hardware: Hardware, server: Server) -> tuple[str, str | None]:
    """The offer and the provider of what the scenario plans with; anybody's where it buys."""
    rents = hardware.offer == "rental"
    return hardware.offer, hardware.provider if rents else server.provider_id


def hourly_line(row: Footprint) -> str:
    """What the lifetimes make of the footprint: grams per installed hour."""
    hardware = state.scenario().hardware
    card = g_from_kg(row.side_kgco2e_per_h("accelerator", hardware.accelerator_years))
    host = g_from_kg(row.side_kgco2e_per_h("host", hardware.host_years))
    words = f"{number(card)} g for the accelerators over {hardware.accelerator_years:g} years"
    if not host:
        return f"Per installed hour under {row.coefficients}: {words}, worked or idle."
    return (
        f"Per installed hour under {row.coefficients}: {number(card + host)} gCO2e, {words} and "
        f"{number(host)} g for the host over {hardware.host_years:g} years, worked or idle."
    )


# ---- what Reduce would leave out


def _trim_line(product_id: str, set_id: str, unit: MassUnit) -> None:
    """The trimmed host beside the full one; a rented server has only its provider's variants."""
    catalog = state.catalog()
    server = catalog.servers.get(product_id)
    if server is None or server.offer != "purchase":
        return
    rows = [_variant_row("full", server, server, set_id, unit)]
    for variant in catalog.host_variants.values():
        less = trimmed(server, variant, catalog)
        if (less.dram_gb, less.ssd_gb) != (server.dram_gb, server.ssd_gb):
            rows.append(_variant_row(variant.name, less, server, set_id, unit))
    if len(rows) == 1:
        st.caption("No rule for trimming the host leaves anything of this server out.")
        return
    st.markdown("Host variants: what Reduce would leave out")
    draw.show_table(rows, "")


def _variant_row(
    name: str, variant: Server, full: Server, set_id: str, unit: MassUnit
) -> dict[str, Any]:
    whole = node_footprint(full, set_id, state.catalog()).total_kgco2e
    now = node_footprint(variant, set_id, state.catalog()).total_kgco2e
    less = "" if variant is full else f"{unit.text(whole - now)}, {percent(1 - now / whole, 2)}"
    return {
        "Host variant": name,
        "DRAM": capacity(variant.dram_gb),
        "SSD": capacity(variant.ssd_gb),
        "CO2e of making": unit.text(now),
        "Less": less,
    }


# ---- part by part


def _set_to_show(prints: list[Footprint]) -> Footprint:
    """The set whose parts are shown: the plan's until another is chosen."""
    sets = [row.coefficients for row in prints]
    chosen = st.segmented_control(
        "Parts under set", sets, default=state.scenario().policy.coefficients,
        key=f"in:parts:{state.scenario().policy.coefficients}", required=True,
    )  # fmt: skip
    return next(row for row in prints if row.coefficients == chosen)


def _part_table(row: Footprint) -> None:
    """The parts with their arithmetic and sources, in few columns whose text wraps."""
    name = product_name(row.id)
    whole = f"{number(row.total_kgco2e)} kgCO2e"
    words, switch = st.columns([3, 1], vertical_alignment="bottom")
    words.markdown(f"### {plain(f'Who says so: {name} under {row.coefficients}, {whole}')}")
    with_notes = switch.toggle("Notes", key="in:parts:notes", help="Why each figure is what it is.")
    parts = sorted(row.parts, key=lambda p: (p.side, -p.kgco2e))
    st.table(
        [_part_cells(part, with_notes) for part in parts],
        border="horizontal",
        hide_index=True,
        alt=f"Parts of {name} under set {row.coefficients} with their arithmetic and sources.",
    )


def _breakdown(row: Footprint) -> Breakdown:
    return Breakdown(row.coefficients, tuple(_breakdown_part(part) for part in row.parts))


def _breakdown_part(part: EmbodiedPart) -> BreakdownPart:
    return BreakdownPart(
        part=part.part,
        side=part.side,
        kgco2e=part.kgco2e,
        low_kgco2e=part.low_kgco2e,
        high_kgco2e=part.high_kgco2e,
        assumed=part.quality == "assumed",
    )


def _part_cells(part: EmbodiedPart, with_notes: bool) -> dict[str, str]:
    source = state.catalog().sources[part.source_id]
    quality = quality_words(part.quality) + (", yours" if part.is_own else "")
    note = f"  \n:small[:gray[{plain(part.note)}]]" if part.note and with_notes else ""
    return {
        "Part": f"**{plain(part.part)}**  \n:small[{part.side}]",
        "kgCO2e": f"{number(part.kgco2e)}  \n:small[{_band_words(part)}]",
        "How": plain(part.basis) + note,
        "Source": f":small[**{plain(quality)}**: {source_link(source)}]",
    }


def _band_words(part: EmbodiedPart) -> str:
    """Low to high on one line."""
    words = f"{number(part.low_kgco2e)} to {number(part.high_kgco2e)}"
    return words.replace(" ", NO_BREAK_SPACE)
