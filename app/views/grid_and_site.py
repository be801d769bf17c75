"""Grid & site: where the fleet runs and what its electricity carries."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from app import figures_traffic, inputs, state
from app.text import number, plain
from app.views import answer as draw
from app.views import hours_table, sites_panel
from ecoserve.notes import LARGEST_DIFFERENCE
from ecoserve.operational import hourly_intensity, market_based_kgco2e, site_pue
from ecoserve.rows import Row
from ecoserve.scenario_parts import Site


@st.fragment
def page() -> None:
    """Region, intensity, PUE and price beside the day they make."""
    inputs.header("Grid & site")
    place = sites_panel.choose()
    site, catalog = inputs.site_at(place), state.catalog()
    hourly = [float(value) for value in hourly_intensity(site, catalog)]
    controls, chart = st.columns([1, 2], gap="large")
    with controls:
        sites_panel.name(place)
        region_choice(place)
        inputs.intensity_choice(place)
        hours_choice(place)
        inputs.intensity_slider(sum(hourly) / 24, place)
        inputs.pue_slider(site_pue(site, catalog), place)
        prices(place)
        own_hours(place, hourly)
        contracts(place)
        sites_panel.room(place)
    with chart:
        assumed = site.intensity == "custom"
        draw.show_chart(figures_traffic.intensity_by_hour(hourly, assumed=assumed), "intensity")
        difference(sum(hourly) / 24, site)
        attribution(site)


def region_choice(place: str) -> None:
    """The region, with its yearly mean in the list."""
    regions = state.catalog().regions
    names = {r.id: f"{r.name}, {number(r.gco2e_per_kwh)} g/kWh" for r in regions.values()}
    value = inputs.site_at(place).region
    inputs.choice(
        "Region", f"{place}.region", value, sorted(names), partial(_move_to, place), names=names
    )


def _move_to(place: str, region_id: str) -> inputs.Changes:
    """The region's own figures take over; without hourly figures, its yearly mean."""
    region = state.catalog().region(region_id)
    intensity = inputs.site_at(place).intensity
    changes: dict[str, object] = {
        f"{place}.region": region_id,
        **sites_panel.renaming(place, sites_panel.free_name(region.name, place)),
        f"{place}.pue": None,
        **inputs.all_hours(place),
    }
    if intensity != "custom":
        changes[f"{place}.intensity"] = "hourly" if region.grid_zone_id else "annual"
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


def hours_choice(place: str) -> None:
    """Which hours: of which season, and what they count."""
    site, catalog = inputs.site_at(place), state.catalog()
    zone_id = catalog.region(site.region).grid_zone_id
    if site.intensity != "hourly" or zone_id is None:
        return
    known = catalog.grid_zone(zone_id).hourly_gco2e_per_kwh
    seasons = [season for season in SEASONS if (season, site.intensity_kind) in known]
    kinds = [kind for kind in KINDS if (site.season, kind) in known]
    path = f"{place}.season"
    inputs.choice("Season", path, site.season, seasons, inputs.to_path(path), names=SEASONS)
    path = f"{place}.intensity_kind"
    inputs.choice(
        "Counted", path, site.intensity_kind, kinds, inputs.to_path(path), names=KINDS,
        help="Plans and baselines are compared by one kind only; life cycle is the default.",
    )  # fmt: skip


def contracts(place: str) -> None:
    """Electricity contracts, for the market-based figure beside the location-based one."""
    site, path = inputs.site_at(place), f"{place}.market"
    inputs.tick(
        "State scope 2 by contracts too", path, site.market is not None,
        lambda ticked: {path: {} if ticked else None},
    )  # fmt: skip
    if site.market is None:
        return
    inputs.percent_slider(
        "Covered by carbon-free contracts", f"{path}.cfe_share", site.market.cfe_share,
        bounds=(0, 100), help="Power purchase agreements, certificates or a green tariff.",
    )  # fmt: skip
    inputs.number(
        "Rest, g/kWh", f"{path}.gco2e_per_kwh", site.market.gco2e_per_kwh,
        bounds=(0, 3000), step=10, placeholder="location-based mean",
        help="Supplier's or residual mix. It changes no plan: plans go by the place.",
    )  # fmt: skip
    located = float(hourly_intensity(site, state.catalog()).mean())
    by_contract = market_based_kgco2e(site.market, located, 1000.0)
    st.caption(
        f"By contract {number(by_contract)} g/kWh, by place {number(located)} g/kWh; the Plan page "
        "and every report state the year both ways."
    )


def prices(place: str) -> None:
    """The price of electricity; empty for the region's."""
    site, catalog = inputs.site_at(place), state.catalog()
    known = catalog.region(site.region).electricity_usd_per_kwh
    usual = catalog.price_value("electricity_usd_per_kwh")
    basis = "yours" if ("regions", site.region) in catalog.overlay_rows else "wholesale"
    hint = f"{usual:.3f}, typical; none known here" if known is None else f"{known:.3f}, {basis}"
    inputs.number(
        "Electricity, USD/kWh",
        f"{place}.electricity_usd_per_kwh",
        site.electricity_usd_per_kwh,
        bounds=(0, 5),
        step=0.01,
        placeholder=hint,
        help="Empty for the region's wholesale price, without network charges and taxes.",
    )


def own_hours(place: str, hourly: Sequence[float]) -> None:
    """Twenty-four figures of the user's own: as a table that begins with those in use, or typed."""
    figures_now = inputs.site_at(place).custom_gco2e_per_kwh
    name = "own_hours" if place == inputs.HOME else f"{place}.own_hours"
    key = inputs.bound(name, " ".join(f"{value:g}" for value in figures_now))
    with st.expander("Own figures by hour", expanded=len(figures_now) > 1):
        hours_table.show(place, hourly)
        st.text_area(
            "Or all at once, g/kWh",
            key=key,
            height=90,
            max_chars=400,
            placeholder="24 figures, from midnight, set apart by blanks",
            on_change=inputs.take,
            args=(key, partial(own_hours_changes, place)),
        )


def own_hours_changes(place: str, entry: str) -> inputs.Changes:
    """The figures as typed; the schema says what is wrong with them."""
    if not entry.strip():
        return inputs.by_the_year(place)
    return inputs.own_intensity(re.split(r"[\s,;]+", entry.strip()), place)


def difference(mean_gco2e_per_kwh: float, site: Site) -> None:
    """Says so where the region's hours and its annual figure disagree."""
    annual = state.catalog().region(site.region).gco2e_per_kwh
    if (site.season, site.intensity_kind) != ("year", "lifecycle"):
        return
    if site.intensity != "hourly" or abs(mean_gco2e_per_kwh / annual - 1) <= LARGEST_DIFFERENCE:
        return
    st.caption(
        f"The mean of the hours is {number(mean_gco2e_per_kwh)} g/kWh, the region's annual figure "
        f"{number(annual)}: they come from different years and sources."
    )


def attribution(site: Site) -> None:
    """Where the region's figures come from."""
    catalog = state.catalog()
    region = catalog.region(site.region)
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
