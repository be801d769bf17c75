"""Scenarios through Streamlit's test driver: undo, the library, files, and Compare."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import address, state
from catalog_db.library import Library
from ecoserve import __version__
from ecoserve.errors import LinkError
from ecoserve.link import decode_link
from ecoserve.scenario import Scenario, canonical_json, read_scenario
from tests.e2e.test_pages import LIMIT_S, MAIN, default, go, scenario_of

RATE = "in:traffic:workloads.0.rate_rps"


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """A library of this test alone."""
    path = tmp_path / "library.duckdb"
    monkeypatch.setenv("ECOSERVE_LIBRARY", str(path))
    return Library(path)


def small(name: str = "Small", **changes: object) -> Scenario:
    data = state.presets()["small-assistant"].model_dump(mode="json")
    return read_scenario({**data, "name": name, **changes})


def open_with(**params: str) -> AppTest:
    page = AppTest.from_file(str(MAIN), default_timeout=LIMIT_S)
    for name, value in params.items():
        page.query_params[name] = value
    page.switch_page("views/traffic.py")
    return page.run()


def press(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    words = "\n".join(element.value for element in [*page.error, *page.warning])
    return words.replace("\\", "")


def param(page: AppTest, name: str) -> str | None:
    value = page.query_params.get(name)
    return value[0] if isinstance(value, list) else value


def test_an_edit_is_undone_and_redone_and_the_buttons_say_what():
    page = open_with()
    undo = next(button for button in page.button if button.label == "Undo")
    assert undo.disabled
    page.number_input(key=RATE).set_value(20.0).run()
    undo = next(button for button in page.button if button.label == "Undo")
    assert undo.help.replace("\\", "") == "Undo: chat: mean rate, requests/s from 45 to 20"
    press(page, "Undo")
    assert scenario_of(page) == default()
    assert page.number_input(key=f"{RATE}#1").value == 45.0
    press(page, "Redo")
    assert scenario_of(page).workloads[0].rate_rps == 20.0


def test_a_saved_scenario_is_found_by_its_name_and_opened(kept: Library):
    kept.save(small("Night shift_*x*".replace("*", "+")), "1", "2")
    page = open_with()
    page.text_input(key="menu:traffic:search").set_value("night").run()
    chosen = page.selectbox(key="menu:traffic:search:found")
    assert len(chosen.options) == 1
    assert chosen.options[0].startswith("Night shift_+x+, 20")
    press(page, "Open")
    assert scenario_of(page).name == "Night shift_+x+"
    assert "made with engine 1" in said(page)
    press(page, "Undo")
    assert scenario_of(page) == default()


def test_a_saved_scenario_is_taken_off_the_list(kept: Library):
    entries = [kept.save(small(name), "1", "2") for name in ("Old", "New")]
    page = open_with()
    page.text_input(key="menu:traffic:search").set_value(" ").run()
    page.selectbox(key="menu:traffic:search:found").set_value(entries[0]).run()
    press(page, "Take off the list")
    assert [entry.name for entry in kept.find()] == ["New"]
    assert len(page.selectbox(key="menu:traffic:search:found").options) == 1
    assert said(page) == ""


def test_saving_keeps_the_scenario_under_its_name_once(kept: Library):
    page = open_with()
    page.text_input(key="in:traffic:name").set_value("Mine").run()
    press(page, "Save to the library")
    assert [entry.name for entry in kept.find()] == ["Mine"]
    assert "Saved as Mine." in [caption.value.replace("\\", "") for caption in page.caption]
    assert kept.open(kept.find()[0].fingerprint).scenario == scenario_of(page)
    code = [element.value for element in page.code]
    assert any(f"?id={kept.find()[0].fingerprint}" in line for line in code)


def test_a_library_that_cannot_be_written_says_so_and_the_page_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    monkeypatch.setenv("ECOSERVE_LIBRARY", str(tmp_path / "file" / "library.duckdb"))
    page = open_with()
    press(page, "Save to the library")
    assert "cannot be used: a file stands where its folder would be" in said(page)
    assert scenario_of(page) == default()


def test_an_id_opens_from_the_library(kept: Library):
    entry = kept.save(small(), __version__, state.catalog().version)
    page = open_with(id=entry.fingerprint)
    assert not page.exception
    assert said(page) == ""
    assert scenario_of(page) == small()


@pytest.mark.parametrize("wrong", ["0" * 12, "nonsense", "[x](http://there)"])
def test_an_unknown_id_is_told_and_the_default_is_shown(wrong: str):
    page = open_with(id=wrong)
    assert not page.exception
    assert "The link could not be opened: the library of this server has no scenario" in said(page)
    assert "The default scenario is shown." in said(page)
    assert scenario_of(page) == default()
    assert param(page, "id") is None


def test_a_scenario_too_large_for_a_link_is_shared_by_its_id_once_saved(
    kept: Library, monkeypatch: pytest.MonkeyPatch
):
    def too_large(*_: object) -> str:
        raise LinkError("too large")

    monkeypatch.setattr(address, "encode_link", too_large)
    address.encoded.cache_clear()
    page = open_with()
    assert param(page, "s") is None
    assert "too large for a link" in said(page)
    press(page, "Save to the library")
    assert param(page, "id") == default().fingerprint()
    assert any(f"?id={default().fingerprint()}" in element.value for element in page.code)
    address.encoded.cache_clear()


def test_an_id_that_needs_rows_of_somebodys_own_waits_for_them(kept: Library):
    limits = [{"server": "my_server", "max_count": 3}]
    entry = kept.save(small(hardware={"limits": limits}), "1", "another catalog")
    page = open_with(id=entry.fingerprint)
    assert not page.exception
    assert "made with another catalog" in said(page)
    assert "my_server" in said(page)
    assert param(page, "id") == entry.fingerprint
    assert param(page, "s") is None


def test_a_file_is_taken_in_or_refused_in_a_sentence():
    page = open_with()
    key = "menu:traffic:upload:"
    page.file_uploader(key=f"{key}0").set_value(("x.json", b"[1]", "application/json")).run()
    assert "must be one JSON object" in said(page)
    assert scenario_of(page) == default()
    content = canonical_json(small("From a file")).encode()
    page.file_uploader(key=f"{key}1").set_value(("x.json", content, "application/json")).run()
    assert not page.exception
    assert scenario_of(page).name == "From a file"
    assert said(page) == ""


def test_compare_shows_its_scenarios_and_shares_them_by_its_address(kept: Library):
    kept.save(small("Saved"), "1", "2")
    page = open_with(s=address_of(small()))
    go(page, "compare")
    assert len(page.table) == 1
    page.text_input(key="compare:compare:search").set_value("saved").run()
    press(page, "Add")
    edited = small("Edited", policy={"headroom": 0.3})
    content = canonical_json(edited).encode()
    page.file_uploader(key="compare:compare:upload:0").set_value(
        ("x.json", content, "application/json")
    ).run()
    assert not page.exception
    heads = list(page.table[0].value.columns)
    assert heads == ["Figure", "Small", "Saved", "Edited"]
    inputs = page.table[1].value
    assert [row.replace("\\", "") for row in inputs["Input"]] == ["Name", "Policy: headroom"]
    there = param(page, "with")
    assert there is not None
    assert there.startswith(f"id.{small('Saved').fingerprint()}~s.1")

    other = open_with(s=address_of(small()), **{"with": there})
    go(other, "compare")
    assert list(other.table[0].value.columns) == heads
    press(other, "Remove")
    assert list(other.table[0].value.columns) == ["Figure", "Small", "Edited"]
    press(other, "Open")
    assert scenario_of(other) == edited
    assert list(other.table[0].value.columns) == ["Figure", "Edited", "Small"]


def test_compare_says_what_of_its_address_cannot_be_opened():
    page = open_with(
        s=address_of(small()), **{"with": "preset.gone~id.0123456789ab~s.1broken~preset.x"}
    )
    assert not page.exception
    assert said(page).count("One scenario to compare with could not be opened") == 3


def test_downloads_of_compare_hold_what_it_shows():
    page = open_with(s=address_of(small()))
    go(page, "compare")
    labels = [element.label for element in page.get("download_button")]
    assert "Download as CSV" in labels
    assert labels.count("Download as JSON") == 2


def address_of(scenario: Scenario) -> str:
    token = address.encoded(scenario, state.catalog().version)
    assert token is not None
    assert decode_link(token, state.presets()).scenario == scenario
    return token
