"""What axe-core says about a page as it stands."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRAVE = ("moderate", "serious", "critical")
BEING_REDRAWN = {"exclude": [['[data-stale="true"]']]}
"""Streamlit fades what it is about to replace; nobody is meant to read that."""


def grave_violations(page: Page) -> list[str]:
    """Violations that are more than minor, one line per element: rule, element, what is wrong."""
    found = Axe().run(page, context=BEING_REDRAWN, options={"resultTypes": ["violations"]})
    return [
        f"{violation['id']}: {node['html'][:200]}: {node['failureSummary'][:300]}"
        for violation in found.response["violations"]
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    ]
