"""Grid & site: where the fleet runs and what its electricity carries."""

from __future__ import annotations

import re
from collections.abc import Mapping

import streamlit as st

from app import figures_traffic, inputs, state
from app.text import number, plain
from app.views import answer as draw
from ecoserve.notes import LARGEST_DIFFERENCE
from ecoserve.operational import hourly_intensity, market_based_kgco2e, site_pue
from ecoserve.rows import Row


@st.fragment
def page() -> None:
    """Region, intensity, PUE and price beside the day they make."""
    inputs.header("Grid & site")
    site, catalog = state.scenario().site, state.catalog()
    hourly = [float(value) for value in hourly_intensity(site, catalog)]
    controls, chart = st.columns([1, 2], gap="large")
    with controls:
        region_choice()
        inputs.intensity_choice()
        hours_choice()
        inputs.intensity_slider(sum(hourly) / 24)
        inputs.pue_slider(site_pue(site, catalog))
        prices()
        own_hours()
        contracts()
    with chart:
        assumed = site.intensity == "custom"
        draw.show_chart(figures_traffic.intensity_by_hour(hourly, assumed=assumed), "intensity")
        difference(sum(hourly) / 24)
        attribution()


def region_choice() -> None:
    """The region, with its yearly mean in the list."""
    regions = state.catalog().regions
    names = {r.id: f"{r.name}, {number(r.gco2e_per_kwh)} g/kWh" for r in regions.values()}
    value = state.scenario().site.region
    inputs.choice("Region", "site.region", value, sorted(names), _move_to, names=names)


def _move_to(region_id: str) -> inputs.Changes:
    """The region's own figures take over; without hourly figures, its yearly mean."""
    zone = state.catalog().region(region_id).grid_zone_id
    intensity = state.scenario().site.intensity
    changes: dict[str, object] = {
        "site.region": region_id,
        "site.name": place_name(state.catalog().region(region_id).name),
        "site.pue": None,
        **inputs.ALL_HOURS,
    }
    if intensity != "custom":
        changes["site.intensity"] = "hourly" if zone else "annual"
    return changes


SEASONS: Mapping[str, str] = {
    "year": "Whole year",
    "djf": "Dec to Feb",
    "mam": "Mar to May",
    "jja": "Jun to Aug",
    "son": "Sep to Nov",
}
KINDS: Mapping[str, str] = {
    "lifecycle": "Life cycle, plants and fuel supply included",
    "direct": "Direct, combustion only",
}


def hours_choice() -> None:
    """Which hours: of which season, and what they count."""
    site, catalog = state.scenario().site, state.catalog()
    zone_id = catalog.region(site.region).grid_zone_id
    if site.intensity != "hourly" or zone_id is None:
        return
    known = catalog.grid_zone(zone_id).hourly_gco2e_per_kwh
    seasons = [season for season in SEASONS if (season, site.intensity_kind) in known]
    kinds = [kind for kind in KINDS if (site.season, kind) in known]
    path = "site.season"
    inputs.choice("Season", path, site.season, seasons, inputs.to_path(path), names=SEASONS)
    path = "site.intensity_kind"
    inputs.choice(
        "Counted", path, site.intensity_kind, kinds, inputs.to_path(path), names=KINDS,
        help="Plans and baselines are compared by one kind only; life cycle is the default.",
    )  # fmt: skip


def contracts() -> None:
    """Electricity contracts, for the market-based figure beside the location-based one."""
    site = state.scenario().site
    inputs.tick(
        "State scope 2 by contracts too", "site.market", site.market is not None,
        lambda ticked: {"site.market": {} if ticked else None},
    )  # fmt: skip
    if site.market is None:
        return
    inputs.percent_slider(
        "Covered by carbon-free contracts", "site.market.cfe_share", site.market.cfe_share,
        bounds=(0, 100), help="Power purchase agreements, certificates or a green tariff.",
    )  # fmt: skip
    inputs.number(
        "Rest, g/kWh", "site.market.gco2e_per_kwh", site.market.gco2e_per_kwh,
        bounds=(0, 3000), step=10, placeholder="location-based mean",
        help="Supplier's or residual mix. It changes no plan: plans go by the place.",
    )  # fmt: skip
    located = float(hourly_intensity(site, state.catalog()).mean())
    by_contract = market_based_kgco2e(site.market, located, 1000.0)
    st.caption(
        f"By contract {number(by_contract)} g/kWh, by place {number(located)} g/kWh; the Plan page "
        "and every report state the year both ways."
    )


def place_name(region_name: str) -> str:
    """A site's name after its region, in the letters that names may have."""
    kept = re.sub(r"[^A-Za-z0-9 _.,:+()/&'-]", "", region_name)[:60].strip()
    return kept or "site"


def prices() -> None:
    """The price of electricity; empty for the region's."""
    site, catalog = state.scenario().site, state.catalog()
    known = catalog.region(site.region).electricity_usd_per_kwh
    usual = catalog.price_value("electricity_usd_per_kwh")
    basis = "yours" if ("regions", site.region) in catalog.overlay_rows else "wholesale"
    hint = f"{usual:.3f}, typical; none known here" if known is None else f"{known:.3f}, {basis}"
    inputs.number(
        "Electricity, USD/kWh",
        "site.electricity_usd_per_kwh",
        site.electricity_usd_per_kwh,
        bounds=(0, 5),
        step=0.01,
        placeholder=hint,
        help="Empty for the region's wholesale price, without network charges and taxes.",
    )


def own_hours() -> None:
    """Twenty-four figures of the user's own."""
    figures_now = state.scenario().site.custom_gco2e_per_kwh
    key = inputs.bound("own_hours", " ".join(f"{value:g}" for value in figures_now))
    st.text_area(
        "Own figures by hour, g/kWh",
        key=key,
        height=90,
        max_chars=400,
        placeholder="24 figures, from midnight, set apart by blanks",
        on_change=inputs.take,
        args=(key, own_hours_changes),
    )


def own_hours_changes(entry: str) -> inputs.Changes:
    """The figures as typed; the schema says what is wrong with them."""
    if not entry.strip():
        return {"site.intensity": "annual", "site.custom_gco2e_per_kwh": []}
    return inputs.own_intensity(re.split(r"[\s,;]+", entry.strip()))


def difference(mean_gco2e_per_kwh: float) -> None:
    """Says so where the region's hours and its annual figure disagree."""
    site = state.scenario().site
    annual = state.catalog().region(site.region).gco2e_per_kwh
    if (site.season, site.intensity_kind) != ("year", "lifecycle"):
        return
    if site.intensity != "hourly" or abs(mean_gco2e_per_kwh / annual - 1) <= LARGEST_DIFFERENCE:
        return
    st.caption(
        f"The mean of the hours is {number(mean_gco2e_per_kwh)} g/kWh, the region's annual figure "
        f"{number(annual)}: they come from different years and sources."
    )


def attribution() -> None:
    """Where the region's figures come from."""
    catalog = state.catalog()
    region = catalog.region(state.scenario().site.region)
    rows: list[tuple[str, Row]] = [("Region", region)]
    if region.grid_zone_id is not None:
        rows.append(("Hours", catalog.grid_zone(region.grid_zone_id)))
    if region.pue is None:
        rows.append(("PUE", catalog.provider(region.provider_id)))
    for what, row in rows:
        source = catalog.sources[row.source_id]
        line = f"{what}: {source.title}, {source.publisher}, {source.licence} ({row.quality})."
        st.caption(plain(f"{line} {state.readable(row.note)}".strip()))


st.set_page_config(page_title="Grid & site | EcoServe planner")
page()
