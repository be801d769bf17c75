"""Trimmed hosts on paper.

Four Big have 320 GB. With 20 GB and half a GB per accelerator GB, 180 GB are needed; two sockets
have 16 channels, so 16 x 8 = 128 GB is too little and 16 x 16 = 256 GB it is. SSD: 100 + 2 x 320 =
740 GB, two drives of 480 GB.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecoserve.errors import ScenarioError
from ecoserve.rows import HostVariant
from ecoserve.variants import trimmed
from tests.builders import BIG_HOST, BIG_SERVER, CPU, HALF_SERVER, ROW, tiny_catalog

RULE = HostVariant(
    id="lean", name="Lean", dram_base_gb=20.0, dram_gb_per_accelerator_gb=0.5, dram_module_gb=8.0,
    ssd_base_gb=100.0, ssd_gb_per_accelerator_gb=2.0, ssd_drive_gb=480.0, note="", **ROW,
)  # fmt: skip
CATALOG = tiny_catalog()


def test_dram_fills_every_channel_with_the_same_module_and_ssd_comes_in_drives():
    lean = trimmed(BIG_SERVER, RULE, CATALOG)
    assert (lean.dram_gb, lean.ssd_gb) == (256.0, 960.0)
    assert replace(lean, dram_gb=500.0, ssd_gb=5000.0) == BIG_SERVER


def test_one_module_per_channel_is_the_least():
    none = replace(RULE, dram_base_gb=0.0, dram_gb_per_accelerator_gb=0.0)
    assert trimmed(BIG_SERVER, none, CATALOG).dram_gb == 128.0


def test_exactly_enough_is_enough():
    exact = replace(RULE, dram_base_gb=128.0, dram_gb_per_accelerator_gb=0.0, ssd_base_gb=320.0)
    lean = trimmed(BIG_SERVER, exact, CATALOG)
    assert (lean.dram_gb, lean.ssd_gb) == (128.0, 960.0)


def test_never_more_than_the_server_has():
    greedy = replace(RULE, dram_base_gb=4000.0, ssd_base_gb=90_000.0)
    assert trimmed(BIG_SERVER, greedy, CATALOG) == BIG_SERVER
    small = replace(BIG_SERVER, dram_gb=200.0)
    assert trimmed(small, RULE, CATALOG).dram_gb == 200.0


def test_no_disk_is_no_drive():
    diskless = replace(RULE, ssd_base_gb=0.0, ssd_gb_per_accelerator_gb=0.0)
    assert trimmed(BIG_SERVER, diskless, CATALOG).ssd_gb == 0.0


def test_soldered_memory_stays():
    soldered = replace(BIG_HOST, cpu=replace(CPU, memory_type="lpddr5x"))
    lean = trimmed(BIG_SERVER, RULE, tiny_catalog(soldered))
    assert (lean.dram_gb, lean.ssd_gb) == (500.0, 960.0)


def test_rented_servers_are_refused():
    with pytest.raises(ScenarioError, match="rented as it is"):
        trimmed(HALF_SERVER, RULE, CATALOG)
