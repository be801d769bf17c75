"""Fleets built to a pattern: which accelerators may serve in which role."""

from __future__ import annotations

from ecoserve.demand import workload_demands
from ecoserve.options import services
from ecoserve.restriction import ANYWHERE, Restriction
from ecoserve.structure import structure_key
from tests.builders import given_fleet, offline, online, tiny_catalog, tiny_scenario

CATALOG = tiny_catalog()
SCENARIO = tiny_scenario(online(), offline())


def left(restriction: Restriction) -> set[tuple[str, str]]:
    demands = workload_demands(SCENARIO, CATALOG)
    options = restriction.allowed(services(SCENARIO, CATALOG, demands))
    return {(service.role, service.device.accelerator_id) for service in options}


def test_none_is_any_and_empty_is_none():
    everything = {(role, a) for role in ("mixed", "prefill", "decode") for a in ("big", "small")}
    everything |= {("host_cpu", "")}
    assert left(ANYWHERE) == everything
    assert left(Restriction(mixed_on=())) == {pair for pair in everything if pair[0] != "mixed"}
    pattern = Restriction(prefill_on=("big",), decode_on=("small",), mixed_on=())
    assert left(pattern) == {("prefill", "big"), ("decode", "small"), ("host_cpu", "")}


def test_patterns_have_structures_of_their_own_and_given_fleets_have_not():
    def key(scenario, restriction=ANYWHERE):
        return structure_key(scenario, CATALOG, {}, restriction)

    given = tiny_scenario(online(), offline(), given=[given_fleet("mine", own_4x_big=1)])
    assert key(given) == key(SCENARIO)
    assert key(SCENARIO, Restriction(mixed_on=())) != key(SCENARIO)
    assert key(SCENARIO, Restriction(mixed_on=())) != key(SCENARIO, Restriction(decode_on=()))
