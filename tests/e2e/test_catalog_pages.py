"""The Hardware and Evidence pages: filters, figures with their sources, and one's own rows."""

import io
import json
import zipfile
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app import state
from app.templates import TEMPLATES, Template, template_zip
from catalog_db.build import catalog_version
from catalog_db.measured import NUMBERS, TEXTS
from catalog_db.overlay import Overlay
from catalog_db.reader import ensure_catalog, load_catalog
from ecoserve import __version__
from ecoserve.link import encode_link
from ecoserve.scenario import Scenario
from tests.e2e.scenes import few_choices, token
from tests.e2e.test_pages import default, go, open_page, scenario_of, text_of

LEAN = (
    "id,name,provider_id,offer,host_id,accelerator_id,n_accelerators,vcpus,dram_gib,ssd_gb,"
    "n_nics,nic_gbps\n"
    "my_server,My lean server,own,purchase,host_hgx_emr,b200,8,224,512,0,8,400\n"
)
"""Like 8 x B200 in the catalog with a quarter of its DRAM and no SSD: no plan prefers the full."""
REGION = "id,name,provider_id,gco2e_per_kwh,year,utc_offset_h\nacme_graz,Graz,own,110,2024,1\n"
LLAMA_8B = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "torch_dtype": "bfloat16",
}
WRONG = (
    "id,name,provider_id,offer,host_id,accelerator_id,n_accelerators,vcpus,dram_gib,ssd_gb,"
    "n_nics,nic_gbps\n"
    "my_server,My server,own,gift,host_hgx_emr,b201,8,224,lots,0,8,400\n"
)


def rows_of(page: AppTest, key: str) -> pd.DataFrame:
    """The table whose key begins so."""
    [found] = [d for d in page.dataframe if d.key and d.key.startswith(key)]
    return found.value


def table_with(page: AppTest, *columns: str) -> pd.DataFrame:
    """The table that has these columns; tables that nothing is chosen from have no key here."""
    [found] = [d.value for d in page.dataframe if {*columns} <= {*d.value.columns}]
    return found


def text_table(page: AppTest, *columns: str) -> pd.DataFrame:
    """The table of wrapped text that has these columns, without the escapes of markdown."""
    [found] = [t.value for t in page.table if {*columns} <= {*t.value.columns}]
    return found.replace(r"\\(.)", r"\1", regex=True)


def plain_text(elements: Any) -> str:
    return " ".join(element.value for element in elements).replace("\\", "")


def with_own_region() -> Scenario:
    changes = {"site.region": "acme_graz", "site.intensity": "annual"}
    return state.changed(default(), changes)


def link_to_own_region() -> str:
    """As whoever has the files copies it."""
    overlay = Overlay.from_files({"regions.csv": REGION.encode()})
    version = catalog_version(overlay=overlay)
    return encode_link(with_own_region(), state.presets(), __version__, version)


def choose_row(page: AppTest, key: str, position: int) -> AppTest:
    [table] = [d for d in page.dataframe if d.key and d.key.startswith(key)]
    selection = {"rows": [position], "columns": [], "cells": []}
    page.session_state[table.key] = {"selection": selection}
    return page.run()


def upload(page: AppTest, *files: tuple[str, str]) -> AppTest:
    given = [(name, text.encode(), "text/csv") for name, text in files]
    page.file_uploader(key="own:upload").set_value(given if len(given) > 1 else given[0])
    return page.run()


def test_filters_and_order_change_the_rows():
    page = open_page("hardware")
    everything = rows_of(page, "hardware:accelerators:rows")
    page.multiselect(key="hardware:accelerators:vendor").set_value(["AMD"]).run()
    page.selectbox(key="hardware:accelerators:order").set_value("memory_gb").run()
    page.toggle(key="hardware:accelerators:descending").set_value(True).run()
    found = rows_of(page, "hardware:accelerators:rows")
    assert not page.exception
    assert 1 < len(found) < len(everything)
    assert set(found["Vendor"]) == {"AMD"}
    assert list(found["Memory, GB"]) == sorted(found["Memory, GB"], reverse=True)
    page.text_input(key="hardware:accelerators:search").set_value("mi300").run()
    assert list(rows_of(page, "hardware:accelerators:rows")["Id"]) == ["mi300x"]
    page.text_input(key="hardware:accelerators:search").set_value("%' OR 1=1 --").run()
    assert not page.exception
    assert any("No row of" in caption.value for caption in page.caption)


def test_pages_of_a_long_table_follow_each_other():
    page = open_page("hardware")
    page.button_group(key="hardware:table").set_value("servers").run()
    first = list(rows_of(page, "hardware:servers:rows")["Id"])
    [number] = [n for n in page.number_input if n.key.startswith("hardware:servers:page")]
    number.set_value(2).run()
    second = list(rows_of(page, "hardware:servers:rows")["Id"])
    assert len(first) == 25
    assert not set(first) & set(second)


def test_a_row_opens_every_figure_with_unit_quality_and_source():
    page = open_page("hardware")
    page.text_input(key="hardware:accelerators:search").set_value("H100 SXM").run()
    choose_row(page, "hardware:accelerators:rows", 0)
    assert not page.exception
    figures = table_with(page, "Figure", "Link").set_index("Figure")
    bandwidth = figures.loc["Memory bandwidth"]
    assert (bandwidth["Value"], bandwidth["Unit"]) == ("3350", "GB/s")
    assert bandwidth["Quality"] == "manufacturer"
    assert bandwidth["Link"].startswith("https://")
    assert figures.loc["Price", "Quality"] == "~ assumed"
    assert figures.loc["Price", "Source"] != bandwidth["Source"]


def test_where_the_carbon_comes_from_under_a_set_of_ones_choice():
    page = open_page("hardware")
    page.selectbox(key="in:product").set_value("h100_sxm_80gb").run()
    assert any(c.value.startswith("Per installed hour under pcf") for c in page.caption)
    page.button_group(key="in:parts:pcf").set_value("paper").run()
    [parts] = [table.value for table in page.table if "How" in table.value.columns]
    kgco2e = [float(cell.split()[0]) for cell in parts["kgCO2e"]]
    assert sum(kgco2e) == pytest.approx(103.0, abs=0.1)
    assert (parts["How"] != "").all()
    assert parts["Source"].str.contains(r"\]\(https://", regex=True).any()
    page.toggle(key="in:parts:notes").set_value(True).run()
    [noted] = [table.value for table in page.table if "How" in table.value.columns]
    assert noted["How"].str.len().sum() > parts["How"].str.len().sum()


def test_server_is_found_by_its_accelerator_and_its_host():
    page = open_page("hardware")
    page.button_group(key="hardware:table").set_value("servers").run()
    search = page.text_input(key="hardware:servers:search")
    search.set_value("mi300x").run()
    by_card = rows_of(page, "hardware:servers:rows")
    assert set(by_card["Accelerator"]) == {"mi300x"}
    page.text_input(key="hardware:servers:search").set_value("own_8x_h100").run()
    assert "own_8x_h100_sxm" in list(rows_of(page, "hardware:servers:rows")["Id"])
    page.text_input(key="hardware:servers:search").set_value("host_hgx_emr").run()
    assert set(rows_of(page, "hardware:servers:rows")["Host"]) == {"host_hgx_emr"}
    page.text_input(key="hardware:servers:search").set_value("").run()
    page.multiselect(key="hardware:servers:accelerator_id").set_value(["b200"]).run()
    assert set(rows_of(page, "hardware:servers:rows")["Accelerator"]) == {"b200"}


def test_who_rents_is_shown_a_server_of_that_provider():
    page = open_page("hardware")
    page.selectbox(key="in:product").set_value("own_8x_h100_sxm").run()
    page.button_group(key="in:hardware:offer").set_value("rental").run()
    catalog = state.catalog()
    shown = catalog.server(page.selectbox(key="in:product").value)
    assert (shown.offer, shown.provider_id) == ("rental", scenario_of(page).hardware.provider)
    page.selectbox(key="in:hardware:hardware.provider").set_value("gcp").run()
    assert catalog.server(page.selectbox(key="in:product").value).provider_id == "gcp"
    assert not page.exception


def test_trimmed_host_stands_beside_the_full_one():
    page = open_page("hardware")
    page.selectbox(key="in:product").set_value("own_8x_h100_sxm").run()
    [variants] = [d.value for d in page.dataframe if "Host variant" in d.value.columns]
    assert variants["Host variant"][0] == "full"
    assert len(variants) > 1
    page.selectbox(key="in:product").set_value("aws_p5_48xlarge").run()
    assert not [d for d in page.dataframe if "Host variant" in d.value.columns]


def test_price_list_of_a_year_reaches_the_scenario():
    page = open_page("hardware")
    page.button_group(key="in:hardware:offer").set_value("rental").run()
    catalog = state.catalog()
    several = next(p for p in catalog.providers if len(catalog.rental_dates(p)) > 1)
    page.selectbox(key="in:hardware:hardware.provider").set_value(several).run()
    first, *_, last = catalog.rental_dates(several)
    years = next(s for s in page.selectbox if s.key.startswith("in:hardware:hardware.price_date"))
    years.set_value(first).run()
    assert scenario_of(page).hardware.price_date == first
    years = next(s for s in page.selectbox if s.key.startswith("in:hardware:hardware.price_date"))
    years.set_value(last).run()
    assert scenario_of(page).hardware.price_date is None
    assert not page.exception


def test_bad_upload_tells_every_problem_and_changes_nothing():
    page = open_page("hardware")
    upload(page, ("servers.csv", WRONG))
    assert not page.exception
    problems = text_table(page, "File", "Line")
    assert set(problems["File"]) == {"servers.csv"}
    assert set(problems["Line"]) == {"2"}
    assert set(problems["Where"]) == {"offer", "accelerator_id", "dram_gib"}
    [unknown] = problems["Problem"][problems["Where"] == "accelerator_id"]
    assert unknown.startswith("expected an id of accelerators.csv, found b201; nearest: b200")
    assert unknown.endswith("`ecoserve catalog list accelerators` shows what there is")
    assert "Nothing has changed" in page.error[0].value
    assert not [b for b in page.button if b.label == "Take my rows off"]


def test_refused_files_leave_those_taken_before():
    page = open_page("hardware")
    upload(page, ("servers.csv", LEAN))
    upload(page, ("servers.csv", WRONG))
    assert len(text_table(page, "File", "Line")) == 3
    assert page.selectbox(key="in:product").value == "my_server"
    limits = next(m for m in page.multiselect if m.key.startswith("in:hardware:limits"))
    assert "My lean server" in limits.options


def test_own_server_is_shown_as_such_and_planned_with():
    page = open_page("plan", token(few_choices()))
    before = page.metric[0].value
    go(page, "hardware")
    upload(page, ("servers.csv", LEAN))
    assert not page.exception
    assert not page.error
    assert page.selectbox(key="in:product").value == "my_server"
    page.button_group(key="hardware:table").set_value("servers").run()
    page.text_input(key="hardware:servers:search").set_value("lean").run()
    assert list(rows_of(page, "hardware:servers:rows")["Whose"]) == ["yours"]
    page.text_input(key="hardware:servers:search").set_value("").run()
    page.checkbox(key="hardware:servers:mine").check().run()
    assert list(rows_of(page, "hardware:servers:rows")["Id"]) == ["my_server"]
    choose_row(page, "hardware:servers:rows", 0)
    figures = table_with(page, "Figure", "Link").set_index("Figure")
    assert figures.loc["DRAM", "Quality"] == "~ assumed, yours"
    go(page, "plan")
    assert not page.exception
    assert "My lean server" in list(page.dataframe[0].value["Kind"])
    assert float(page.metric[0].value) < float(before)


def test_rows_are_taken_off_again_unless_the_scenario_needs_them():
    page = open_page("hardware")
    upload(page, ("servers.csv", LEAN))
    limits = next(m for m in page.multiselect if m.key.startswith("in:hardware:limits"))
    limits.set_value(["my_server"]).run()
    next(b for b in page.button if b.label == "Take my rows off").click().run()
    used = text_table(page, "Choice")
    assert list(used["Choice"]) == ["Hardware, limits"]
    assert list(used["Now"]) == ["my_server"]
    assert list(used["In the preset"]) == ["none"]
    limits = next(m for m in page.multiselect if m.key.startswith("in:hardware:limits"))
    limits.set_value([]).run()
    next(b for b in page.button if b.label == "Take my rows off").click().run()
    assert not page.error
    assert page.selectbox(key="in:product").value != "my_server"


def test_a_preset_can_stand_in_for_rows_that_are_taken_off():
    page = open_page("hardware", link_to_own_region())
    upload(page, ("regions.csv", REGION))
    assert scenario_of(page) == with_own_region()
    next(b for b in page.button if b.label == "Take my rows off").click().run()
    assert "the scenario uses your rows" in page.error[0].value
    used = text_table(page, "Choice")
    assert list(used["Choice"]) == ["Site, region"]
    assert list(used["Now"]) == ["acme_graz"]
    assert list(used["In the preset"]) == [default().site.region]
    next(b for b in page.button if b.label.startswith("Use the preset's")).click().run()
    assert not page.exception
    assert not page.error
    assert scenario_of(page).site.region == default().site.region
    assert not [b for b in page.button if b.label == "Take my rows off"]


def test_a_link_that_needs_own_rows_waits_for_them():
    link = link_to_own_region()
    page = open_page("hardware", link)
    told = plain_text(page.error)
    assert "made with another catalog" in told
    assert "Site, region: no region has the id 'acme_graz'" in told
    assert "load them on the Hardware page and this link opens" in told
    assert page.query_params["s"] in (link, [link])
    upload(page, ("servers.csv", LEAN))
    assert page.query_params["s"] in (link, [link])
    upload(page, ("regions.csv", REGION))
    assert not page.exception
    assert not page.error
    assert scenario_of(page) == with_own_region()


def test_an_edit_gives_a_waiting_link_up():
    page = open_page("hardware", link_to_own_region())
    page.button_group(key="in:hardware:offer").set_value("rental").run()
    edited = scenario_of(page)
    assert edited.site.region == default().site.region
    upload(page, ("regions.csv", REGION))
    assert scenario_of(page) == edited


def test_copy_link_says_which_rows_it_does_not_carry():
    page = open_page("hardware")
    assert "in any browser" in plain_text(page.caption)
    upload(page, ("servers.csv", LEAN))
    page.run()
    told = plain_text(page.warning)
    assert "does not carry your own rows (my_server): whoever opens it needs your files" in told
    assert "in any browser" not in plain_text(page.caption)


def test_a_config_is_kept_under_the_name_of_its_model():
    page = open_page("hardware")
    upload(page, ("config.json", json.dumps(LLAMA_8B)))
    assert "does not say the name of its model" in plain_text(page.error)
    [name] = [t for t in page.text_input if t.label == "Name of the model in config.json"]
    name.set_value("Acme 8B").run()
    assert not page.exception
    assert not page.error
    assert "acme_8b" in list(table_with(page, "Row", "Id")["Id"])
    named = json.dumps({**LLAMA_8B, "_name_or_path": "org/Other-8B"})
    upload(page, ("config (1).json", named))
    assert set(table_with(page, "Row", "Id")["Id"]) == {"acme_8b", "other_8b"}


def test_many_problems_are_all_on_the_page_each_with_its_line():
    page = open_page("hardware")
    lines = [f"aws_eu_west_{n},0.5" for n in (1, 2, 3)]
    upload(page, ("regions.csv", "\n".join(["id,pue", *lines])), ("cpus.csv", ""))
    problems = text_table(page, "File", "Line")
    assert sorted(zip(problems["File"], problems["Line"], strict=True)) == [
        ("cpus.csv", ""), *(("regions.csv", str(line)) for line in (2, 3, 4))
    ]  # fmt: skip
    assert problems["Problem"][0] == "the file is empty; write a header and rows"


def measurements(*batches: int) -> str:
    header = ",".join((*TEXTS, "tp", *NUMBERS))
    rows = (f"my bench,llama_3_1_8b,L40S,bf16,vllm_v1,decode,1,{b},,,1024,30,,," for b in batches)
    return "\n".join((header, *rows)) + "\n"


def test_ones_measurements_are_taken_under_any_name_and_shown_as_ones_own():
    page = open_page("hardware")
    upload(page, ("of my bench.csv", measurements(1, 8)))
    assert not page.exception
    assert [p.source for p in state.catalog().measured_points if p.is_own] == []  # no one else's
    rows = table_with(page, "Table", "Row", "Id")
    assert list(rows["Row"]) == ["2 measurements"]
    labels = page.multiselect(key="profile:accelerators:vllm_v1").options
    assert len(set(labels)) == len(labels)
    assert {"A100 SXM 40 GB", "A100 SXM 80 GB"} <= set(labels)
    go(page, "evidence")
    assert not page.exception
    assert "my bench, yours" in page.multiselect(key="evidence:measured:source").options
    page.multiselect(key="evidence:measured:source").set_value(["my bench"]).run()
    assert list(table_with(page, "MAPE", "Hardware")["Rows"]) == [2]
    assert any("None of these 2 rows was used in a fit" in c.value for c in page.caption)


def test_measurements_that_cannot_be_read_are_told_by_file_and_line():
    page = open_page("hardware")
    upload(page, ("bench.csv", measurements(1, 8).replace(",8,", ",many,")))
    [problem] = text_table(page, "File", "Line", "Where", "Problem").to_dict("records")
    assert (problem["File"], problem["Line"], problem["Where"]) == ("bench.csv", "3", "batch")
    assert not [d for d in page.dataframe if {"Table", "Row", "Id"} <= {*d.value.columns}]


def test_nobody_else_sees_ones_rows():
    page, other = open_page("hardware"), open_page("hardware")
    upload(page, ("servers.csv", LEAN))
    other.run()
    assert page.selectbox(key="in:product").value == "my_server"
    assert other.selectbox(key="in:product").value != "my_server"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.id)
def test_templates_are_valid_as_they_are(template: Template):
    path = ensure_catalog()
    with zipfile.ZipFile(io.BytesIO(template_zip(template, path))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    readme = files.pop("README.txt").decode()
    overlay = Overlay.from_files(files)
    catalog = load_catalog(ensure_catalog(overlay=overlay))
    own = {row_id for table, row_id in catalog.overlay_rows if table != "sources"}
    assert own == {row.values["id"] for row in template.rows}
    assert all(f"{row.table}.csv" in readme for row in template.rows)


def test_evidence_answers_in_a_sentence_with_counts_that_hold():
    page = open_page("evidence")
    assert not page.exception
    assert "names its source" in text_of(page)
    counts: Any = next(d.value for d in page.dataframe if "measured" in d.value.columns)
    shown = sum(int(counts[q].sum()) for q in ("measured", "manufacturer", "modelled", "assumed"))
    assert f"Every one of {shown:,} figures" in text_of(page).replace("\\", "")


def test_evidence_shows_published_footprints_and_the_split_with_reasons():
    page = open_page("evidence")
    checks = table_with(page, "Ours over published").set_index("Product")
    board = checks.loc["NVIDIA HGX H100 board, eight H100 SXM"]
    assert board["Fitted to it"] == "yes, in sample"
    assert 0.9 <= float(board["Ours over published"]) <= 1.1
    assert board["Width of it"] == "high 3.0 x low"
    assert page.selectbox(key="evidence:split").value == "hgx_h100"
    assert any("no test of them" in caption.value for caption in page.caption)
    page.button_group(key="evidence:footprints:set").set_value("paper").run()
    paper = table_with(page, "Ours over published")
    assert len(paper) > len(checks)


def test_evidence_opens_any_table_and_lists_sources_with_licence():
    page = open_page("evidence")
    page.selectbox(key="evidence:table").set_value("serving_parameters").run()
    page.multiselect(key="evidence:serving_parameters:provenance").set_value(["inherited"]).run()
    choose_row(page, "evidence:serving_parameters:rows", 0)
    assert not page.exception
    figures = table_with(page, "Figure", "Link")
    assert figures["Quality"].str.contains("inherited").all()
    sources = table_with(page, "Licence")
    assert len(sources) == len(state.catalog().sources)
    assert (sources["Licence"] != "").all()


def test_evidence_filters_what_was_measured_and_says_what_was_fitted():
    page = open_page("evidence")
    everything = table_with(page, "MAPE", "Hardware")
    assert set(everything["Quantity"]) == {"latency", "throughput", "power", "energy"}
    assert any("no test of them" in c.value for c in page.caption if "rows" in c.value)
    page.multiselect(key="evidence:measured:hardware").set_value(["B200"]).run()
    page.button_group(key="evidence:measured:quantity").set_value("power").run()
    assert not page.exception
    assert set(table_with(page, "MAPE", "Hardware")["Hardware"]) == {"B200"}
    page.multiselect(key="evidence:measured:source").set_value(["splitwise-sim"]).run()
    assert not page.exception
    assert any("No measured row is left" in c.value for c in page.caption)


def test_evidence_tells_calibrated_from_assumed_and_why_rows_are_not_predicted():
    page = open_page("evidence")
    speed = table_with(page, "Stack", "Known as")
    assert len(speed) == len(state.catalog().serving_parameters)
    assert {"calibrated", "~ inherited"} <= set(speed["Known as"])
    power = table_with(page, "Floor, of TDP")
    assert "~ assumed" in set(power["Known as"])
    reasons = table_with(page, "Why", "Rows")
    missing = int(reasons["Rows"].sum())
    assert f"{missing} of {len(state.catalog().measured_points):,} rows" in text_of(page).replace(
        "\\", ""
    )


def test_held_out_errors_are_worked_out_when_asked_for():
    page = open_page("evidence")
    assert not [d for d in page.dataframe if "Held out" in d.value.columns]
    page.button(key="evidence:held-out:button").click().run(timeout=120)
    assert not page.exception
    rows = table_with(page, "Held out", "At most").set_index("Quantity")
    assert {"isolated prefill, A100 and H100", "accelerator power"} <= set(rows.index)
    assert 0 < rows.loc["linear layer, A100, H100 and A40", "MAPE"] < 9


def test_a_replica_is_profiled_on_the_chosen_accelerators():
    page = open_page("hardware")
    page.selectbox(key="profile:llm").set_value("llama_3_1_8b").run()
    page.multiselect(key="profile:accelerators:vllm_v1").set_value(["h100_sxm_80gb", "l4"]).run()
    page.number_input(key="profile:tpot:llama_3_1_8b").set_value(40.0).run()
    assert not page.exception
    rows = table_with(page, "Replica", "Bound by").set_index("Replica")
    fast = rows.loc["1 x H100 SXM"]
    assert fast["Speed figures"].startswith("calibrated")
    assert 1 < int(fast["Largest batch within the limits"]) < 256
    assert rows.loc["1 x L4", "Speed figures"].startswith("~ inherited")
    assert rows.loc["1 x L4", "Power"] == "" or rows.loc["1 x L4", "Power"].startswith("~ ")
    page.multiselect(key="profile:accelerators:vllm_v1").set_value([]).run()
    assert any("Choose an accelerator" in caption.value for caption in page.caption)


def test_a_replica_that_cannot_be_says_why():
    page = open_page("hardware")
    page.selectbox(key="profile:llm").set_value("llama_3_1_70b").run()
    page.multiselect(key="profile:accelerators:vllm_v1").set_value(["l4"]).run()
    assert not page.exception
    assert not [d for d in page.dataframe if "Replica" in d.value.columns]
    assert any(c.value.startswith("L4\\: ") for c in page.caption)


def test_a_card_that_comes_in_twos_is_drawn_so_beside_larger_groups():
    page = open_page("hardware")
    page.selectbox(key="profile:llm").set_value("llama_3_1_8b").run()
    page.multiselect(key="profile:accelerators:vllm_v1").set_value(["h100_sxm_80gb", "l40s"]).run()
    page.button_group(key="profile:tp:llama_3_1_8b:bf16").set_value(4).run()
    assert not page.exception
    rows = table_with(page, "Replica", "Speed figures")
    assert list(rows["Replica"]) == ["4 x H100 SXM", "2 x L40S"]
    assert list(rows)[1] == "Speed figures"
    assert "L40S: drawn with 2, the most that serve one model together." in plain_text(page.caption)
