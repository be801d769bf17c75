"""Shared by all tests: hypothesis profiles and the golden switch."""

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


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))
