"""Puts mixes and profiles of the visitor's own into this tab's catalog, and a workload on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app import own_catalog, state
from app.records import named_overlay
from catalog_db.own_traffic import OwnMix, OwnProfile, own_id, traffic_files


def row_id(name: str, prefix: str) -> str:
    """The id for rows of this name: that of the visitor's older ones, else one nobody has."""
    catalog = state.catalog()
    known = {("length_mixes", i) for i in catalog.length_mixes}
    known |= {("rate_profiles", i) for i in catalog.rate_profiles}
    return own_id(name, {i for _, i in known - set(catalog.overlay_rows)}, prefix)


def put_in_use(mix: OwnMix, profile: OwnProfile | None, changes: Mapping[str, Any]) -> None:
    """Adds the rows and makes the changes, by dotted path, to the scenario.

    Raises :class:`~ecoserve.errors.CatalogError` where the rows are not taken; a change that does
    not hold up becomes a notice of the page.
    """
    named = named_overlay()
    kept = dict(named.files) if named else {}
    kept |= {name: content.decode("utf-8-sig") for name, content in own_catalog.own_files().items()}
    files = traffic_files(kept, mix, profile)
    own_catalog.lay_over({name: text.encode() for name, text in files.items()})
    state.edit(changes)
