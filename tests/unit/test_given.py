"""The user's own fleets from a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.given import with_given, with_given_rows
from app.views.editing import rows_now
from app.views.given_table import COUNT, FLEET, SERVER, table_rows, text_rows
from ecoserve.errors import ScenarioError
from tests.builders import given_fleet, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()


def written(folder: Path, text: str) -> Path:
    file = folder / "fleets.csv"
    file.write_text(text, encoding="utf-8")
    return file


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        with_given(tiny_scenario(), written(folder, text), CATALOG)
    return [str(problem) for problem in caught.value.problems]


def test_rows_of_one_name_are_one_fleet_beside_the_scenarios_own(tmp_path: Path):
    text = "count,name,server\n2, mine ,own_4x_big\n\n1,other,own_2x_small\n3,mine,own_2x_small\n"
    own = tiny_scenario(given=[given_fleet("old", own_4x_big=9)])
    found = with_given(own, written(tmp_path, text), CATALOG)
    assert found == tiny_scenario(
        given=[
            given_fleet("old", own_4x_big=9),
            given_fleet("mine", own_4x_big=2, own_2x_small=3),
            given_fleet("other", own_2x_small=1),
        ]
    )


def test_everything_wrong_is_told_at_once_by_line(tmp_path: Path):
    text = (
        "name,server,count\nmine,own_4x_bigg,0\nmine,own_2x_small,1.5\n,own_2x_small,1\n"
        "mine,own_2x_small,2\nmine,own_4x_big\n"
    )
    found = problems(tmp_path, text)
    assert [line.partition(":")[0] for line in found] == [
        *["fleets.csv line 2"] * 2, "fleets.csv line 3", "fleets.csv line 4", "fleets.csv line 5",
        "fleets.csv line 6",
    ]  # fmt: skip
    words = ["own_4x_bigg", "not '0'", "not '1.5'", "no name", "in this fleet already", "not ''"]
    assert all(word in line for word, line in zip(words, found, strict=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column name, server, count"),
        ("name,count\nmine,1\n", "has no column server"),
        ("name,server,count\n", "has no rows"),
        ("name,server,count\na:b,own_4x_big,1\n", "characters that are not allowed"),
        (
            "name,server,count\n" + "".join(f"f{i},own_4x_big,1\n" for i in range(6)),
            "has 6 fleets; at most 5",
        ),
    ],
)
def test_a_table_that_holds_no_fleets_is_refused(tmp_path: Path, text: str, message: str):
    [found] = problems(tmp_path, text)
    assert message in found


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path):
    with pytest.raises(ScenarioError, match=r"nowhere\.csv: cannot be read"):
        with_given(tiny_scenario(), tmp_path / "nowhere.csv", CATALOG)
    binary = tmp_path / "fleets.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match="not UTF-8"):
        with_given(tiny_scenario(), binary, CATALOG)
    binary.write_bytes(b"x" * 100_001)
    with pytest.raises(ScenarioError, match="larger than"):
        with_given(tiny_scenario(), binary, CATALOG)


def test_a_name_that_is_there_already_is_refused(tmp_path: Path):
    own = tiny_scenario(given=[given_fleet("mine", own_4x_big=9)])
    file = written(tmp_path, "name,server,count\nmine,own_4x_big,1\n")
    with pytest.raises(ScenarioError, match="names of given fleets must differ; twice: mine"):
        with_given(own, file, CATALOG)


def test_the_table_takes_the_place_of_the_fleets_there_are():
    own = tiny_scenario(given=[given_fleet("old", own_4x_big=9, own_2x_small=1)])
    rows = table_rows(own)
    assert with_given_rows(own, text_rows(rows), CATALOG) == own
    rows[0][COUNT] = 4.0  # as an editor may hand it over
    rows[1] = {FLEET: None, SERVER: None, COUNT: float("nan")}
    rows.append({FLEET: " new ", SERVER: "own_2x_small", COUNT: 3})
    found = with_given_rows(own, text_rows(rows), CATALOG)
    fleets = [given_fleet("old", own_4x_big=4), given_fleet("new", own_2x_small=3)]
    assert found == tiny_scenario(given=fleets)
    assert with_given_rows(own, (), CATALOG) == tiny_scenario()


def test_entries_that_come_with_the_press_of_the_button_count(monkeypatch: pytest.MonkeyPatch):
    edits = {
        "edited_rows": {1: {COUNT: 7}},
        "added_rows": [{FLEET: "new"}],
        "deleted_rows": [0],
    }
    monkeypatch.setattr("streamlit.session_state", {"table": edits})
    rows = [{FLEET: "a", COUNT: 1}, {FLEET: "b", COUNT: 2}]
    assert rows_now(rows, "table") == [{FLEET: "b", COUNT: 7}, {FLEET: "new"}]
    assert rows_now(rows, "another") == rows
    assert rows[1][COUNT] == 2


def test_every_wrong_row_of_the_table_is_told():
    rows = [
        {FLEET: "a", SERVER: "own_4x_big", COUNT: None},
        {FLEET: None, SERVER: "own_4x_bug", COUNT: 2},
    ]
    with pytest.raises(ScenarioError) as caught:
        with_given_rows(tiny_scenario(), text_rows(rows), CATALOG)
    told = [str(problem) for problem in caught.value.problems]
    assert [words.partition(":")[0] for words in told] == ["Row 1", "Row 2", "Row 2"]
    assert "whole number" in told[0]
    assert "no name" in told[1]
    assert "own_4x_big" in told[2]
