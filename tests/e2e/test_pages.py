"""Each page through Streamlit's own test driver: it draws, it edits, it refuses, it remembers."""

from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import app
from app import state
from app.solving.desk import Desk
from app.solving.tasks import Task
from app.views import answer as draw
from app.views import solve
from ecoserve.link import decode_link, encode_link
from ecoserve.scenario import Scenario

MAIN = Path(app.__file__).parent / "main.py"
PAGES = ("plan", "traffic", "grid_and_site", "hardware", "trade_offs", "lifecycle", "evidence")
LIMIT_S = 120


@pytest.fixture(autouse=True)
def _no_proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quick answers will do here."""
    monkeypatch.setattr(solve, "WHOLE_S", 0.0)


def open_page(name: str = "plan", link: str | None = None) -> AppTest:
    page = AppTest.from_file(str(MAIN), default_timeout=LIMIT_S)
    if link is not None:
        page.query_params["s"] = link
    page.run()
    return go(page, name) if name != "plan" else page


def go(page: AppTest, name: str) -> AppTest:
    page.switch_page(f"views/{name}.py")
    return page.run()


def scenario_of(page: AppTest) -> Scenario:
    token = page.query_params["s"]
    return decode_link(token[0] if isinstance(token, list) else token, state.presets()).scenario


def text_of(page: AppTest) -> str:
    return "\n".join(element.value for element in [*page.markdown, *page.header])


def captions(page: AppTest) -> str:
    return "\n".join(caption.value for caption in page.caption).replace("\\", "")


def answering() -> Task:
    """The Plan page's work."""
    return next(task for task in solve.tasks()._held.values() if task.what == "answer")


def default() -> Scenario:
    return state.presets()[state.DEFAULT_PRESET]


@pytest.mark.parametrize("name", PAGES)
def test_page_draws_the_default_scenario(name: str):
    page = open_page(name)
    assert not page.exception
    assert not page.error
    assert "Azure chat and code" in text_of(page)
    assert scenario_of(page) == default()


def test_plan_answers_in_a_sentence_and_four_figures():
    page = open_page()
    assert "less carbon than" in text_of(page)
    assert [metric.label for metric in page.metric] == [
        "tCO2e per year",
        "Less carbon",
        "USD per hour",
        "Mean IT power",
    ]
    assert "optimal" in text_of(page)


def test_broken_link_says_so_and_shows_the_default():
    page = open_page(link="not-a-link")
    assert not page.exception
    assert "could not be opened" in page.error[0].value
    assert scenario_of(page) == default()


def test_link_from_another_engine_says_so_and_is_planned():
    token = encode_link(default(), state.presets(), "0.0.0-older", state.catalog().version)
    page = open_page(link=token)
    assert "made with engine" in page.warning[0].value
    assert len(page.metric) == 4


def test_intensity_choice_changes_scenario_address_and_plan():
    page = open_page()
    before = page.metric[0].value
    page.button_group(key="in:plan:intensity").set_value("17").run()
    assert not page.exception
    assert scenario_of(page).site.custom_gco2e_per_kwh == (17.0,)
    assert page.slider[0].value == 17.0
    assert page.metric[0].value != before
    assert "since the last change" in page.metric[0].delta


def test_slider_takes_over_from_the_choice():
    page = open_page()
    page.slider(key="in:plan:intensity_slider").set_value(300.0).run()
    assert scenario_of(page).site.custom_gco2e_per_kwh == (300.0,)
    assert page.button_group[0].value in (None, [])


def test_baseline_is_in_the_address_but_not_in_the_scenario():
    page = open_page()
    page.selectbox(key="in:plan:baseline").set_value("cost:same").run()
    assert page.query_params["vs"] in ("cost:same", ["cost:same"])
    assert scenario_of(page) == default()
    assert "same choices" in text_of(page)


def test_edit_on_traffic_changes_the_scenario_and_survives_other_pages():
    page = open_page("traffic")
    page.number_input(key="in:traffic:workloads.0.rate_rps").set_value(20.0).run()
    assert scenario_of(page).workloads[0].rate_rps == 20.0
    go(page, "hardware")
    assert scenario_of(page).workloads[0].rate_rps == 20.0
    go(page, "traffic")
    assert page.number_input(key="in:traffic:workloads.0.rate_rps").value == 20.0


def test_workloads_are_added_copied_and_removed():
    page = open_page("traffic")
    for label, names in (
        ("Add", ["chat", "code", "summaries", "workload 2"]),
        ("Duplicate", ["chat", "code", "summaries", "workload 2", "workload 2 2"]),
        ("Remove", ["chat", "code", "summaries", "workload 2"]),
    ):
        next(button for button in page.button if button.label == label).click().run()
        assert not page.exception
        assert [workload.name for workload in scenario_of(page).workloads] == names


def test_online_becomes_offline_and_back():
    page = open_page("traffic")
    page.button_group(key="in:traffic:workloads.0.kind").set_value("offline").run()
    assert scenario_of(page).workloads[0].slo is None
    page.button_group(key="in:traffic:workloads.0.kind").set_value("online").run()
    assert scenario_of(page).workloads[0].slo is not None
    assert not page.exception


def test_invalid_entry_is_refused_in_a_sentence_and_the_last_scenario_stays():
    page = open_page("traffic")
    page.text_input(key="in:traffic:workloads.0.name").set_value("code").run()
    assert not page.exception
    assert "Workload names must differ" in page.error[0].value.replace("\\", "")
    assert scenario_of(page) == default()
    page.text_input(key="in:traffic:workloads.0.name").set_value("talk").run()
    assert not page.error
    assert scenario_of(page).workloads[0].name == "talk"


def test_refused_entry_is_told_on_the_next_page_until_the_next_good_edit():
    page = open_page("traffic")
    page.text_input(key="in:traffic:workloads.0.name").set_value("code").run()
    go(page, "hardware")
    told = page.warning[0].value.replace("\\", "")
    assert told.startswith("Your last change was refused: ")
    assert "Workload names must differ" in told
    assert not page.error
    page.slider(key="in:hardware:hardware.host_years").set_value(6.0).run()
    assert not page.warning


def test_better_answer_is_followed_and_can_be_stopped_and_taken_up_again():
    page = open_page("traffic")
    page.number_input(key="in:traffic:workloads.0.rate_rps").set_value(7.77).run()  # not asked yet
    go(page, "plan")
    assert "A better answer is being worked out" in captions(page)
    assert len(page.metric) == 4
    page.button(key="cancel:answer").click().run()
    while "worked out" in captions(page):
        page.run()
    assert not page.exception
    assert not page.error
    assert "The search for a better answer was stopped" in captions(page)
    assert len(page.metric) == 4
    page.button(key="again:answer").click().run()
    assert "A better answer is being worked out" in captions(page)


def test_change_drops_the_work_for_what_was_there_before():
    page = open_page()
    before = answering()
    page.slider(key="in:plan:intensity_slider").set_value(333.0).run()
    after = answering()
    assert after is not before
    assert before.is_stopped
    assert not after.is_stopped
    assert after.shown.scenario == scenario_of(page)


def test_baseline_is_told_in_one_line():
    page = open_page()
    line = next(c.value for c in page.caption if c.value.startswith("The fleet chosen for cost"))
    words = line.replace("\\", "")
    assert "CO2e per year" in words
    assert "USD/h" in words


def test_impossible_target_names_what_is_blocked_and_keeps_the_last_plan():
    page = open_page()
    go(page, "traffic")
    page.number_input(key="in:traffic:workloads.0.slo.ttft_s").set_value(0.001).run()
    go(page, "plan")
    assert not page.exception
    (error,) = page.error
    assert "TTFT: 0% on time at best" in error.value.replace("\\", "")
    assert "The nearest targets that the hardware keeps: chat: TTFT" in error.value.replace(
        "\\", ""
    )
    assert len(page.metric) == 4
    assert "Last plan that worked" in text_of(page)
    assert any(expander.label.startswith("All 36 length buckets") for expander in page.expander)


def test_region_without_hours_falls_back_to_its_yearly_mean():
    page = open_page("grid_and_site")
    flat = next(r.id for r in state.catalog().regions.values() if r.grid_zone_id is None)
    page.selectbox(key="in:grid-and-site:site.region").set_value(flat).run()
    assert not page.error
    assert scenario_of(page).site.region == flat
    assert scenario_of(page).site.intensity == "annual"


def test_hours_that_differ_from_the_annual_figure_are_told_in_words():
    page = open_page("grid_and_site")
    page.selectbox(key="in:grid-and-site:site.region").set_value("aws_eu_west_2").run()
    captions = "\n".join(caption.value for caption in page.caption).replace("\\", "")
    assert "they come from different years and sources" in captions
    assert "electricity_usd_per_kwh" not in captions
    assert "wholesale_prices_2024" not in captions


def test_own_hours_are_read_or_refused():
    page = open_page("grid_and_site")
    page.text_area(key="in:grid-and-site:own_hours").set_value("100 200 300").run()
    assert "needs 1 or 24 figures" in page.error[0].value.replace("\\", "")
    page.text_area(key="in:grid-and-site:own_hours").set_value(
        " ".join(["100"] * 12 + ["300"] * 12)
    ).run()
    assert not page.error
    assert len(scenario_of(page).site.custom_gco2e_per_kwh) == 24


def test_hardware_choices_reach_the_scenario():
    page = open_page("hardware")
    page.checkbox(key="in:hardware:allow.b200").uncheck().run()
    page.slider(key="in:hardware:hardware.host_years").set_value(6.0).run()
    hardware = scenario_of(page).hardware
    assert hardware.accelerators is not None
    assert "b200" not in hardware.accelerators
    assert hardware.host_years == 6.0
    for box in page.checkbox:
        if box.key.startswith("in:hardware:allow."):
            box.check()
    page.run()
    assert scenario_of(page).hardware.accelerators is None


def test_settings_of_the_engine_reach_the_scenario():
    page = open_page("hardware")
    page.button_group(key="in:hardware:hardware.kv_precision").set_value("fp8").run()
    page.number_input(key="in:hardware:hardware.max_num_seqs").set_value(64).run()
    caps = page.multiselect(key="in:hardware:hardware.power_cap_ratios")
    assert [option.replace("\u202f", " ") for option in caps.options[:2]] == ["none", "90 %"]
    caps.set_value([1.0, 0.8]).run()
    hardware = scenario_of(page).hardware
    assert (hardware.kv_precision, hardware.max_num_seqs) == ("fp8", 64)
    assert hardware.power_cap_ratios == (1.0, 0.8)
    page.multiselect(key="in:hardware:hardware.power_cap_ratios").set_value([]).run()
    assert scenario_of(page).hardware.power_cap_ratios == (1.0,)
    assert not page.exception


def test_rental_names_a_provider_and_limits_are_kept():
    page = open_page("hardware")
    page.button_group(key="in:hardware:offer").set_value("rental").run()
    assert scenario_of(page).hardware.provider is not None
    server = page.multiselect(key="in:hardware:limits").options[0]
    page.multiselect(key="in:hardware:limits").set_value([server]).run()
    page.number_input(key="in:hardware:hardware.limits.0.max_count").set_value(3).run()
    assert scenario_of(page).hardware.limits[0].max_count == 3
    assert not page.exception


def test_no_page_says_anything_with_raw_html():
    views = MAIN.parent.rglob("*.py")
    forbidden = ("unsafe_allow_html", "st.html", "st.exception", "page_icon")
    assert not [(v.name, f) for v in views for f in forbidden if f in v.read_text("utf-8")]


def test_first_answer_far_from_its_bound_recommends_nothing():
    task = Task(solve.tasks().manager, "somebody", "answer", "")
    desk = Desk(state.catalog(), state.catalog_path(), task)
    answer = solve.answer(desk, default(), "cost", "quick")
    far = replace(answer, plan=replace(answer.plan, gap=0.16))
    near = replace(answer, plan=replace(answer.plan, gap=0.14))
    assert draw.headline(far, is_final=False).startswith("Looking for a better fleet; so far ")
    assert draw.headline(near, is_final=False).startswith("Buy ")
    assert draw.headline(far).startswith("Buy ")
