"""Undo and redo: where they lead, and that they forget in time."""

from __future__ import annotations

from app.history import MAX_STEPS, History
from ecoserve.scenario import Scenario, read_scenario
from tests.builders import scenario_data


def named(name: str) -> Scenario:
    return read_scenario({**scenario_data(), "name": name})


def walk(*names: str) -> History:
    first, *rest = names
    history = History((named(first),))
    for name in rest:
        history = history.then(named(name))
    return history


def names_of(history: History) -> list[str]:
    return [known.name for known in history.scenarios]


def test_it_goes_back_and_forth_and_stays_within_its_ends():
    history = walk("a", "b", "c")
    assert history.after is None
    assert history.before == named("b")
    assert history.undone().undone().current == named("a")
    assert history.undone().undone().undone().before is None
    assert history.undone().undone().redone().current == named("b")
    assert history.redone() == history


def test_an_edit_takes_the_place_of_what_was_undone():
    history = walk("a", "b", "c").undone().undone().then(named("d"))
    assert names_of(history) == ["a", "d"]
    assert history.after is None


def test_the_same_scenario_is_no_step():
    history = walk("a", "b").undone()
    assert history.then(named("a")) == history


def test_old_steps_are_forgotten():
    history = walk(*(f"s{i}" for i in range(MAX_STEPS + 10)))
    assert names_of(history)[0] == "s9"
    for _ in range(MAX_STEPS):
        history = history.undone()
    assert history.current == named("s9")
    assert history.before is None


def test_turning_to_a_known_scenario_goes_to_its_nearest_place_and_forgets_nothing():
    history = walk("a", "b", "a", "c")
    assert history.turned_to(named("a")).at == 2
    assert history.turned_to(named("a")).after == named("c")
    assert history.turned_to(named("b")).at == 1


def test_turning_to_an_unknown_scenario_is_an_edit():
    assert names_of(walk("a", "b", "c").undone().turned_to(named("d"))) == ["a", "b", "d"]
