"""Shared by all tests: hypothesis profiles, their order and the golden switch."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# No deadline: a shared machine's pauses are not failures. In CI the same examples every time.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
# Tables have the width of a pipe, whatever the terminal of whoever runs the tests.
os.environ.pop("COLUMNS", None)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the golden files instead of comparing with them; review the diff",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that drive a browser first, unit tests last, so that two workers end together."""
    long = {item.path for item in items if "browser" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: (item.path not in long, item.path.parent.name != "e2e"))


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))
