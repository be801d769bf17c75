"""Widgets tied to one figure of the scenario, and the line that heads every page.

A widget always shows what the scenario says, so it follows links, presets and other pages. Only
an entry that was refused stays, next to the sentence that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import streamlit as st

from app import scenario_menu, state
from app.scenario_words import OBJECTIVES
from app.text import mass_unit, plain
from ecoserve.scenario_parts import Site

T = TypeVar("T")
Changes = Mapping[str, Any]


def header(title: str) -> None:
    """Name of page and scenario, undo, its menu, the share link, and what there is to say."""
    scenario = state.scenario()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(title, anchor=False, width="content")
        st.markdown(f"**{plain(scenario.name)}**", width="stretch")
        _result_line()
        scenario_menu.undo_buttons()
        with st.popover("Scenario", key=scenario_menu.key()):
            text("Name", "name", scenario.name)
            scenario_menu.show()
        with st.popover("Copy link"):
            scenario_menu.link_panel()
    for notice in state.session().notices:
        show = st.error if notice.level == "error" else st.warning
        show(plain(notice.text))


def _result_line() -> None:
    """On the pages without the plan: what this scenario emits, where that is known."""
    held = state.session()
    known = held.finished.get((held.scenario.fingerprint(), state.baseline()))
    if held.page and known is not None:
        kgco2e = known.plan.kgco2e_per_year
        total = mass_unit(kgco2e).text(kgco2e)
        st.caption(f"{total}CO2e per year with this scenario", width="content")


def bound(name: str, value: Any, *, by_state: bool = True) -> str:
    """The key of the widget ``name``, which shows ``value`` unless its last entry was refused.

    Without ``by_state`` the widget is to be given ``value`` as its default.

    Where the widget shows something else it gets a new key, and the old key is no longer heard:
    the browser may send its old entry once more, which must not look like an edit.
    """
    held = state.session()
    key = _key(name)
    if held.rejected == key and key in st.session_state:
        return key
    if key in st.session_state and st.session_state[key] != value:
        held.revisions[name] = held.revisions.get(name, 0) + 1
        key = _key(name)
    if by_state and key not in st.session_state:
        st.session_state[key] = value
    return key


def _key(name: str) -> str:
    """A widget's key has its page in it: Streamlit forgets a page's widgets when one leaves it,
    and a widget that stands on two pages would be forgotten while it is shown."""
    held = state.session()
    revision = held.revisions.get(name, 0)
    key = f"in:{held.page or 'plan'}:{name}"
    return f"{key}#{revision}" if revision else key


def is_current(key: str) -> bool:
    """Whether the widget with this key is the one on the page, not one drawn before a change."""
    name = key.partition("#")[0].split(":", 2)[-1]
    return key == _key(name)


def take(key: str, changes_of: Callable[[Any], Changes]) -> None:
    """Callback of a bound widget: applies its entry to the scenario."""
    if is_current(key):
        state.edit(changes_of(st.session_state[key]), key)


def to_path(path: str) -> Callable[[Any], Changes]:
    """The change that sets one path to the entry."""
    return lambda value: {path: value}


def text(label: str, path: str, value: str, *, name: str = "") -> None:
    """A line of text.

    Its value is a default: what is only in the state never reaches a popover that opens later.
    """
    key = bound(name or path, value, by_state=False)
    st.text_input(label, value, key=key, max_chars=60, on_change=take, args=(key, to_path(path)))


def number(
    label: str,
    path: str,
    value: float | None,
    *,
    bounds: tuple[float | None, float | None],
    step: float,
    help: str | None = None,
    placeholder: str | None = None,
) -> None:
    """A real number; empty where ``value`` may be None."""
    key = bound(path, None if value is None else float(value))
    low, high = bounds
    st.number_input(
        label,
        min_value=None if low is None else float(low),
        max_value=None if high is None else float(high),
        value=None,
        step=float(step),
        format="%g",
        key=key,
        help=help,
        placeholder=placeholder,
        on_change=take,
        args=(key, to_path(path)),
    )


def whole(label: str, path: str, value: int, *, bounds: tuple[int, int]) -> None:
    """A whole number."""
    key = bound(path, int(value))
    st.number_input(
        label,
        min_value=bounds[0],
        max_value=bounds[1],
        step=1,
        key=key,
        on_change=take,
        args=(key, to_path(path)),
    )


def slider(
    label: str,
    name: str,
    value: float,
    changes_of: Callable[[Any], Changes],
    *,
    bounds: tuple[float, float],
    step: float,
    format: str = "%.2f",
    help: str | None = None,
) -> None:
    """A slider; its range widens where the scenario's value lies outside."""
    key = bound(name, float(value))
    st.slider(
        label,
        min_value=float(min(bounds[0], value)),
        max_value=float(max(bounds[1], value)),
        step=float(step),
        format=format,
        key=key,
        help=help,
        on_change=take,
        args=(key, changes_of),
    )


def percent_slider(
    label: str, path: str, ratio: float, *, bounds: tuple[float, float], help: str | None = None
) -> None:
    """A ratio, moved in whole per cent."""
    slider(
        label,
        path,
        round(100 * ratio, 6),
        lambda value: {path: value / 100},
        bounds=bounds,
        step=1,
        format="%.0f %%",
        help=help,
    )


def choice(
    label: str,
    name: str,
    value: T,
    options: Sequence[T],
    changes_of: Callable[[Any], Changes],
    *,
    names: Mapping[T, str] | None = None,
    help: str | None = None,
) -> None:
    """One of several, in a drop-down."""
    known = options if value in options else [*options, value]
    key = bound(name, value)
    st.selectbox(
        label,
        known,
        key=key,
        format_func=lambda option: (names or {}).get(option, str(option)),
        help=help,
        on_change=take,
        args=(key, changes_of),
    )


def segments(
    label: str,
    name: str,
    value: str | None,
    names: Mapping[str, str],
    changes_of: Callable[[Any], Changes],
    *,
    help: str | None = None,
) -> None:
    """One of a few, side by side; none where ``value`` is None."""
    key = bound(name, value)
    st.segmented_control(
        label,
        list(names),
        key=key,
        format_func=lambda option: names[option],
        help=help,
        on_change=take,
        args=(key, changes_of),
    )


def tick(label: str, name: str, value: bool, changes_of: Callable[[Any], Changes]) -> None:
    """A yes or no."""
    key = bound(name, value)
    st.checkbox(label, key=key, on_change=take, args=(key, changes_of))


# ---- controls that stand on more than one page

QUICK_GCO2E_PER_KWH = (17.0, 261.0, 501.0)


HOME = "site"
"""The path of the users' own site."""


def site_at(place: str) -> Site:
    """The site at a path of the scenario: ``site`` or ``other_sites.0``, ``other_sites.1``, ..."""
    first, *others = state.scenario().sites
    return first if place == HOME else others[int(place.rpartition(".")[2])]


def _at(place: str, name: str) -> str:
    """The name of a widget for a site; that of the users' own has none in front."""
    return name if place == HOME else f"{place}.{name}"


def _label(words: str, place: str) -> str:
    """The words with the site's name where there are several."""
    several = len(state.scenario().sites) > 1
    return f"{words} at {plain(site_at(place).name)}" if several else words


def intensity_choice(place: str = HOME) -> None:
    """The region's hours, its yearly mean, or one of three well-known figures."""
    site = site_at(place)
    figures = site.custom_gco2e_per_kwh
    selected: str | None = site.intensity
    if site.intensity == "custom":
        known = len(figures) == 1 and figures[0] in QUICK_GCO2E_PER_KWH
        selected = f"{figures[0]:.0f}" if known else None
    names = {"hourly": "By hour", "annual": "Annual mean"}
    names |= {f"{value:.0f}": f"{value:.0f}" for value in QUICK_GCO2E_PER_KWH}
    segments(
        f"{_label('Carbon intensity', place)}, gCO2e/kWh",
        _at(place, "intensity"),
        selected,
        names,
        lambda chosen: _intensity_changes(chosen, place),
        help="By hour and annual mean are the region's. 17, 261 and 501 are a very clean, an "
        "average and a coal-heavy grid, the same at all hours. The slider takes any other figure.",
    )


def _intensity_changes(selected: str | None, place: str) -> Changes:
    if selected is None:
        return {}
    if selected == "hourly":
        return {f"{place}.intensity": selected, f"{place}.custom_gco2e_per_kwh": []}
    if selected == "annual":
        return by_the_year(place)
    return own_intensity([float(selected)], place)


def all_hours(place: str) -> Changes:
    """What goes with every intensity that is not by the hour."""
    return {f"{place}.season": "year", f"{place}.intensity_kind": "lifecycle"}


def by_the_year(place: str) -> Changes:
    """The change to the region's yearly mean."""
    own = {f"{place}.intensity": "annual", f"{place}.custom_gco2e_per_kwh": []}
    return {**own, **all_hours(place)}


def own_intensity(gco2e_per_kwh: Sequence[Any], place: str = HOME) -> Changes:
    """The change to the user's own figures, one or 24."""
    figures = {f"{place}.intensity": "custom", f"{place}.custom_gco2e_per_kwh": list(gco2e_per_kwh)}
    return {**figures, **all_hours(place)}


def intensity_slider(mean_gco2e_per_kwh: float, place: str = HOME) -> None:
    """The mean intensity; moving it makes the figure the user's own, the same at all hours."""
    own = site_at(place).intensity == "custom"
    slider(
        "The same at all hours, g/kWh",
        _at(place, "intensity_slider"),
        round(mean_gco2e_per_kwh),
        lambda value: own_intensity([value], place),
        bounds=(0, 1000),
        step=1,
        format="%.0f" if own else "mean %.0f",
        help=None
        if own
        else "Used when moved: moving this replaces the region's figure by one of your own.",
    )


def pue_slider(pue: float, place: str = HOME) -> None:
    """Facility energy over IT energy."""
    slider(
        _label("PUE", place),
        _at(place, "pue_slider"),
        pue,
        to_path(f"{place}.pue"),
        bounds=(1.0, 2.0),
        step=0.01,
        help="Power usage effectiveness: facility energy divided by IT energy.",
    )


def objective_choice(value: str) -> None:
    """What the plan is to minimise."""
    path = "policy.objective"
    choice("Objective", path, value, list(OBJECTIVES), to_path(path), names=OBJECTIVES)


def baseline_choice(value: str) -> None:
    """What the plan is set against; not part of the scenario."""
    key = bound("baseline", value)
    choices = state.baselines()
    st.selectbox(
        "Compared with",
        list(choices),
        key=key,
        format_func=lambda name: choices.get(name, name),
        help="As sold: full hosts, always on, offline work as it arrives. Same choices: every "
        "lever this plan has, another objective or pattern.",
        on_change=_take_baseline,
        args=(key,),
    )


def _take_baseline(key: str) -> None:
    if is_current(key):
        state.choose_baseline(st.session_state[key])
