"""Every field of a scenario has its control on some page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import state
from app.views import sites_panel, solve, workload_form
from ecoserve.link import encode_link
from ecoserve.scenario import PARTS, read_scenario
from tests.e2e.test_pages import LIMIT_S, MAIN, go, scenario_of

H100 = "h100_sxm_80gb"
OFFLINE, RENTED = "traffic, offline", "hardware, rented"
CONTROLS: Mapping[str, tuple[str, str]] = {
    "name": ("plan", "name"),
    "workloads[].name": ("traffic", "workloads.0.name"),
    "workloads[].llm": ("traffic", "workloads.0.llm"),
    "workloads[].kind": ("traffic", "workloads.0.kind"),
    "workloads[].mix": ("traffic", "workloads.0.mix"),
    "workloads[].rate_rps": ("traffic", "workloads.0.rate_rps"),
    "workloads[].token_share": (OFFLINE, "workloads.1.token_share"),
    "workloads[].profile": ("traffic", "workloads.0.profile"),
    "workloads[].deadline_h": (OFFLINE, "workloads.1.deadline_h"),
    "workloads[].precisions": ("traffic", "workloads.0.precisions"),
    "workloads[].prefix_cache_hit": ("traffic", "workloads.0.prefix_cache_hit"),
    "workloads[].sites": ("traffic", "workloads.0.sites"),
    "workloads[].slo.ttft_s": ("traffic", "workloads.0.slo.ttft_s"),
    "workloads[].slo.tpot_s": ("traffic", "workloads.0.slo.tpot_s"),
    "workloads[].slo.percentile": ("traffic", "workloads.0.slo.percentile"),
    "site.name": ("grid_and_site", "site.name"),
    "site.region": ("grid_and_site", "site.region"),
    "site.intensity": ("grid_and_site", "intensity"),
    "site.season": ("grid_and_site", "site.season"),
    "site.intensity_kind": ("grid_and_site", "site.intensity_kind"),
    "site.custom_gco2e_per_kwh": ("grid_and_site", "own_hours"),
    "site.pue": ("grid_and_site", "pue_slider"),
    "site.electricity_usd_per_kwh": ("grid_and_site", "site.electricity_usd_per_kwh"),
    "site.market.cfe_share": ("grid_and_site", "site.market.cfe_share"),
    "site.market.gco2e_per_kwh": ("grid_and_site", "site.market.gco2e_per_kwh"),
    "site.round_trip_s": ("grid_and_site", "site.round_trip_s"),
    "site.max_it_power_kw": ("grid_and_site", "site.max_it_power_kw"),
    "site.max_rack_units": ("grid_and_site", "site.max_rack_units"),
    "hardware.offer": ("hardware", "offer"),
    "hardware.provider": (RENTED, "hardware.provider"),
    "hardware.price_date": (RENTED, "hardware.price_date"),
    "hardware.accelerators": ("hardware", f"allow.{H100}"),
    "hardware.limits[].server": ("hardware", "limits"),
    "hardware.limits[].max_count": ("hardware", "hardware.limits.0.max_count"),
    "hardware.limits[].min_count": ("hardware", "hardware.limits.0.min_count"),
    "hardware.stock[].server": ("hardware", "hardware.stock.0.server"),
    "hardware.stock[].count": ("hardware", "hardware.stock.0.count"),
    "hardware.stock[].age_years": ("hardware", "hardware.stock.0.age_years"),
    "hardware.stock[].site": ("hardware", "hardware.stock.0.site"),
    "hardware.host_variants": ("hardware", "hardware.host_variants"),
    "hardware.accelerator_years": ("hardware", "hardware.accelerator_years"),
    "hardware.host_years": ("hardware", "hardware.host_years"),
    "hardware.stack": ("hardware", "hardware.stack"),
    "hardware.kv_precision": ("hardware", "hardware.kv_precision"),
    "hardware.max_num_seqs": ("hardware", "hardware.max_num_seqs"),
    "hardware.power_cap_ratios": ("hardware", "hardware.power_cap_ratios"),
    "levers.reuse": ("hardware", "levers.reuse"),
    "levers.shift": ("hardware", "levers.shift"),
    "levers.phases_apart": ("hardware", "levers.phases_apart"),
    "levers.reduce": ("hardware", "levers.reduce"),
    "levers.park": ("hardware", "levers.park"),
    "policy.objective": ("plan", "policy.objective"),
    "policy.carbon_price_usd_per_t": ("hardware", "policy.carbon_price_usd_per_t"),
    "policy.coefficients": ("hardware", "policy.coefficients"),
    "policy.headroom": ("hardware", "policy.headroom"),
    "policy.burst": ("hardware", "policy.burst"),
    "policy.min_replicas": ("hardware", "policy.min_replicas"),
    "policy.max_kgco2e_per_year": ("hardware", "policy.max_kgco2e_per_year"),
    "policy.max_usd_per_h": ("hardware", "policy.max_usd_per_h"),
}
"""Where a field is edited: the page, and the name of the widget there."""
IN_A_FILE = {"given[].name", "given[].servers[].server", "given[].servers[].count"}
"""Fleets of one's own come as a CSV file on the Plan page."""
NO_CHOICE = {"version"}
OTHER_SITE = "other_sites.0"


def rich() -> dict[str, Any]:
    """Plain data of a small scenario with every part that has a control of its own."""
    data = state.presets()["two-sites"].model_dump(mode="json")
    for site in (data["site"], *data["other_sites"]):
        site |= {"intensity": "hourly", "market": {"cfe_share": 0.5}}
    servers = state.catalog().servers.values()
    owned = next(s for s in servers if (s.accelerator_id, s.offer) == (H100, "purchase"))
    stock = [{"server": owned.id, "count": 1}]
    data["hardware"] |= {"stock": stock, "limits": [{"server": owned.id, "max_count": 9}]}
    return data


def rented() -> dict[str, Any]:
    data = rich()
    data["hardware"] |= {"stock": [], "offer": "rental", "provider": "aws"}
    return data


def opened(name: str, data: Mapping[str, Any], held: Mapping[str, Any]) -> AppTest:
    """A page with a scenario and what the tab remembers; the plan is not waited for."""
    scenario = read_scenario(data, state.catalog())
    page = AppTest.from_file(str(MAIN), default_timeout=LIMIT_S)
    page.query_params["s"] = encode_link(scenario, state.presets(), "0", state.catalog().version)
    for key, value in held.items():
        page.session_state[key] = value
    page.switch_page("views/traffic.py")
    page.run()
    if name != "traffic":
        go(page, name)
    assert not page.exception
    return page


def widgets(page: AppTest, name: str) -> set[str]:
    """Names of the widgets on a page."""
    prefix = f"in:{name.replace('_', '-')}:"
    keys = {getattr(element, "key", None) or "" for element in page.main}
    return {key.removeprefix(prefix).partition("#")[0] for key in keys if key.startswith(prefix)}


VISITS: Mapping[str, tuple[str, Any, Mapping[str, Any]]] = {
    "plan": ("plan", rich, {}),
    "traffic": ("traffic", rich, {}),
    OFFLINE: ("traffic", rich, {workload_form.PICK: 1}),
    "grid_and_site": ("grid_and_site", rich, {}),
    "hardware": ("hardware", rich, {}),
    RENTED: ("hardware", rented, {}),
}


@pytest.mark.parametrize("visit", VISITS)
def test_every_control_is_on_its_page(visit: str, monkeypatch: pytest.MonkeyPatch):
    for limit in ("FIRST_S", "WHOLE_S"):
        monkeypatch.setattr(solve, limit, 0.0)
    name, data, held = VISITS[visit]
    wanted = {widget for where, widget in CONTROLS.values() if where == visit}
    assert wanted
    assert wanted - widgets(opened(name, data(), held), name) == set()


def test_another_site_has_the_controls_of_the_first_and_can_be_taken_out():
    page = opened("grid_and_site", rich(), {sites_panel.PICK: 1})
    first = {widget for where, widget in CONTROLS.values() if where == "grid_and_site"}
    own = {f"{OTHER_SITE}.{widget.removeprefix('site.')}" for widget in first}
    assert own - widgets(page, "grid_and_site") == set()
    page.number_input(key=f"in:grid-and-site:{OTHER_SITE}.round_trip_s").set_value(0.25).run()
    page.text_input(key=f"in:grid-and-site:{OTHER_SITE}.name").set_value("North").run()
    (north,) = scenario_of(page).other_sites
    assert (north.name, north.round_trip_s) == ("North", 0.25)
    press(page, "Remove this site")
    assert scenario_of(page).other_sites == ()
    press(page, "Add a site")
    assert [site.name for site in scenario_of(page).other_sites] == ["site"]


def test_renaming_a_site_keeps_what_names_it():
    data = rich()
    data["workloads"][0]["sites"] = ["Stockholm"]
    data["hardware"]["stock"][0]["site"] = "Stockholm"
    page = opened("grid_and_site", data, {sites_panel.PICK: 1})
    region = f"in:grid-and-site:{OTHER_SITE}.region"
    page.selectbox(key=region).set_value("aws_eu_west_1").run()
    moved = scenario_of(page)
    name = moved.other_sites[0].name
    assert name != "Stockholm"
    assert moved.workloads[0].sites == (name,)
    assert moved.hardware.stock[0].site == name
    press(page, "Remove this site")
    alone = scenario_of(page)
    assert alone.workloads[0].sites is None
    assert alone.hardware.stock == ()


def test_stock_is_added_edited_and_taken_out():
    page = opened("hardware", rented() | {"hardware": {}}, {})
    press(page, "Add")
    page.number_input(key="in:hardware:hardware.stock.0.count").set_value(3).run()
    page.number_input(key="in:hardware:hardware.stock.0.age_years").set_value(2.5).run()
    (row,) = scenario_of(page).hardware.stock
    assert (row.count, row.age_years) == (3, 2.5)
    page.number_input(key="in:hardware:policy.carbon_price_usd_per_t").set_value(100.0).run()
    assert scenario_of(page).policy.carbon_price_usd_per_t == 100.0
    page.button(key="hardware.stock.0:remove").click().run()
    assert scenario_of(page).hardware.stock == ()


def press(page: AppTest, label: str) -> None:
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception
    assert not page.error


def leaves(data: type, place: str) -> Iterator[str]:
    """Fields of a part that are no parts themselves."""
    inner = {path.rstrip(".").removesuffix("[]") for path in PARTS.values()}
    for field in data.model_fields:
        if place + field not in inner and field != "other_sites":
            yield place + field


def test_every_field_has_its_place():
    fields = {path for part, place in PARTS.items() for path in leaves(part, place)}
    assert set(CONTROLS) | IN_A_FILE | NO_CHOICE == fields
