"""The terminal's command about making: one product part by part, or published footprints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app import records, reports
from app.cli_data import Json
from app.cli_options import Coefficients, OverlayFolder, Years
from app.records import open_catalog
from app.terminal import emit, emit_json
from ecoserve.errors import Problem, ScenarioError, UnknownIdError

if TYPE_CHECKING:
    from ecoserve.catalog import Catalog
    from ecoserve.embodied import Footprint

DEFAULT_SET = "pcf"
DEFAULT_YEARS = 4.0


def embodied(
    product: Annotated[str | None, typer.Argument(metavar="SERVER|ACCELERATOR")] = None,
    coefficients: Coefficients = None,
    accelerator_years: Years = DEFAULT_YEARS,
    host_years: Years = DEFAULT_YEARS,
    variant: Annotated[
        str | None, typer.Option(metavar="VARIANT", help="Host variant, for example trimmed.")
    ] = None,
    validate: Annotated[
        bool, typer.Option("--validate", help="Published footprints beside ours, for every set.")
    ] = False,
    overlay: OverlayFolder = None,
    as_json: Json = False,
) -> None:
    """Carbon of making a server or an accelerator, part by part."""
    if validate == (product is not None):
        message = "name one server or accelerator, or ask for --validate alone"
        raise ScenarioError([Problem("embodied", message)])
    catalog = open_catalog(records.read_overlay(overlay))
    if product is None:
        _show_validation(catalog, as_json)
        return
    _show_product(
        product, coefficients or DEFAULT_SET, variant, (accelerator_years, host_years), catalog,
        as_json,
    )  # fmt: skip


def _show_validation(catalog: Catalog, as_json: bool) -> None:
    from ecoserve.footprints import check_footprints

    checks = check_footprints(catalog)
    if as_json:
        emit_json({**records.stamp(catalog), **records.validation_record(checks)})
    else:
        emit(reports.validation_report(checks))


def _show_product(
    product_id: str,
    set_id: str,
    variant_id: str | None,
    years: tuple[float, float],
    catalog: Catalog,
    as_json: bool,
) -> None:
    if set_id not in catalog.coefficient_sets:
        raise UnknownIdError("coefficient set", set_id, catalog.coefficient_sets)
    by_set = {
        name: _footprint(product_id, name, variant_id, catalog) for name in catalog.coefficient_sets
    }
    answer = by_set.pop(set_id)
    others = sorted(by_set.values(), key=lambda other: other.total_kgco2e)
    if as_json:
        record = records.footprint_record(answer, others, *years)
        emit_json({**records.stamp(catalog), **record})
    else:
        named = catalog.servers.get(product_id) or catalog.accelerators[product_id]
        title = f"{named.name} ({product_id})" + (f", {variant_id}" if variant_id else "")
        emit(reports.footprint_report(answer, title, others, years, catalog))


def _footprint(product_id: str, set_id: str, variant_id: str | None, catalog: Catalog) -> Footprint:
    from ecoserve.embodied import footprint, node_footprint
    from ecoserve.variants import trimmed

    if variant_id is None:
        return footprint(product_id, set_id, catalog)
    if product_id in catalog.accelerators:
        message = "is an accelerator; host variants are for servers: leave --variant out"
        raise ScenarioError([Problem(product_id, message)])
    server = trimmed(catalog.server(product_id), catalog.host_variant(variant_id), catalog)
    return node_footprint(server, set_id, catalog)
