"""The catalog's accelerators and servers with their sources."""

from __future__ import annotations

from typing import Any

from app import state
from app.text import capacity, number
from app.views import answer as draw
from ecoserve.catalog import Accelerator, Row, Server


def accelerators() -> None:
    """One row per accelerator."""
    rows = sorted(state.catalog().accelerators.values(), key=lambda row: (row.launch_year, row.id))
    draw.show_table([_accelerator_row(row) for row in rows], "The catalog has none.")


def servers() -> None:
    """One row per server."""
    rows = sorted(state.catalog().servers.values(), key=lambda row: (row.offer, row.id))
    draw.show_table([_server_row(row) for row in rows], "The catalog has none.")


def _accelerator_row(row: Accelerator) -> dict[str, Any]:
    fp8 = "none" if row.fp8_tflops is None else number(row.fp8_tflops)
    return {
        "Accelerator": row.name,
        "Year": row.launch_year,
        "Memory, GB": row.memory_gb,
        "Bandwidth, GB/s": row.memory_gb_per_s,
        "bf16, TFLOPS": row.bf16_tflops,
        "fp8, TFLOPS": fp8,
        "TDP, W": row.tdp_w,
        "Idle, W": row.idle_w,
        "Price, USD": row.capex_usd,
        **_provenance(row),
    }


def _server_row(row: Server) -> dict[str, Any]:
    catalog = state.catalog()
    rental = "bought" if row.rental_usd_per_h is None else f"{row.rental_usd_per_h:g}"
    return {
        "Server": row.name,
        "From": row.provider,
        "Accelerators": f"{row.n_accelerators} {catalog.accelerator(row.accelerator_id).name}",
        "Host": catalog.host(row.host_id).name,
        "DRAM": capacity(row.dram_gb),
        "SSD": capacity(row.ssd_gb),
        "NICs": f"{row.n_nics} x {row.nic_gbps:g} Gb/s",
        "Rental, USD/h": rental,
        "Price of": row.price_date,
        **_provenance(row),
    }


def _provenance(row: Row) -> dict[str, str]:
    source = state.catalog().sources[row.source_id]
    return {
        "Quality": row.quality,
        "Source": f"{source.title}, {source.publisher}",
        "Note": row.note,
        "Id": row.id,
    }
