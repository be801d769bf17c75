"""What follows from a replay: more headroom where it missed, and what the scheduler saves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

import streamlit as st

from app import replay_words, state
from app.replay_asks import ReplayAsked
from app.replays import Simulation
from app.solving.desk import Desk
from app.solving.replaying import RepairSeen, SavingSeen
from app.text import mass_unit, number, percent, plain, sentence
from app.views import answer as draw
from app.views import replay_controls
from app.views.asking import Inquiry
from app.views.asking import asked as inquire
from app.views.replay_controls import Chosen
from app.views.solve import Effort
from ecoserve.scenario import Scenario

OnDisk = Callable[[Chosen], AbstractContextManager[Path | None]]
HEADROOM_DIGITS = 4


def show_fix(found: Simulation, asked: ReplayAsked, choice: Chosen | None, on_disk: OnDisk) -> None:
    """A button that plans with more headroom until the targets hold, and what that costs."""
    if choice is None or choice.asked != asked:
        st.caption("Choose the same traffic again to plan with more headroom until it holds.")
        return
    this = Inquiry(
        question="",
        button="Plan with more headroom until it holds",
        what="Plans and replays in turns, at most four times, with more slack each time.",
        ask=partial(_repaired, choice=choice, on_disk=on_disk),
    )
    known = inquire(f"repair:{asked.name}", this, found.scenario, "interactive")
    if known is None:
        return
    mended: RepairSeen = known.answer
    words = replay_words.repair_words(mended.rounds, state.readable(mended.gave_up))
    st.markdown(f"**{plain(sentence(words))}**")
    draw.show_table(_rounds(mended), "")
    if not mended.gave_up:
        headroom = round(mended.rounds[-1].headroom, HEADROOM_DIGITS)
        st.button(
            f"Take {percent(headroom)} of headroom into the scenario",
            key="replay:take", on_click=state.edit, args=({"policy.headroom": headroom},),
        )  # fmt: skip


def _repaired(
    desk: Desk, scenario: Scenario, effort: Effort, choice: Chosen, on_disk: OnDisk
) -> RepairSeen:
    plan = desk.our_plan(scenario, effort)
    with on_disk(choice) as file:
        return desk.repaired(scenario, plan, choice.asked, file, effort)


def _rounds(mended: RepairSeen) -> list[dict[str, str]]:
    unit = mass_unit(mended.rounds[-1].kgco2e_per_year)
    return [
        {
            "Headroom": percent(one.headroom),
            f"{unit.name}CO2e a year": number(unit.value(one.kgco2e_per_year)),
            "USD/h": number(one.usd_per_h),
            "Misses": ", ".join(one.missed) or "none",
        }
        for one in mended.rounds
    ]


def show_saving(found: Simulation, asked: ReplayAsked) -> None:
    """What running offline work in clean hours saves, where there is any that may wait."""
    if asked.offline == "at_once" or not any(w.kind == "offline" for w in found.replay.workloads):
        return
    st.markdown("### What scheduling by carbon saves")
    day = replace(asked, log=None, hours=replay_controls.DAY_H, start_h=0.0)
    this = Inquiry(
        question="",
        button="Replay it with and without waiting",
        what="The same drawn day twice on the same fleet: offline work as chosen above, and drained"
        " at once. Each runs until its last request is done.",
        ask=partial(_saved, day=day),
    )
    known = inquire(f"saving:{day.name}", this, found.scenario, "interactive")
    if known is not None:
        saved: SavingSeen = known.answer
        st.markdown(f"**{plain(sentence(replay_words.saving_words(saved)))}**")
        st.caption(plain(_saving_conditions(found)))


def _saved(desk: Desk, scenario: Scenario, effort: Effort, day: ReplayAsked) -> SavingSeen:
    return desk.saved(scenario, desk.our_plan(scenario, effort), day)


def _saving_conditions(found: Simulation) -> str:
    grid = found.plan.hourly.gco2e_per_kwh
    offline = [load for day in found.plan.site_days for load in day.loads if load.kind == "offline"]
    work = sum(sum(load.it_power_kw) for load in offline)
    every = sum(
        sum(load.it_power_kw)
        for day in found.plan.site_days
        for load in day.loads
        if load.kind != "standing"
    )
    return (
        f"Electricity above idle, PUE included. A kWh carries {number(min(grid))} to"
        f" {number(max(grid))} gCO2e over the day; {percent(work / every, 2)} of the electricity"
        " above idle is offline work."
    )
