"""Takes the README's picture from the real page: python -m tests.bench.screenshot FILE.png"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.e2e.browser import ARGUMENTS, find_chromium
from tests.e2e.server import running_app


def main(target: Path) -> None:
    """The Plan page of the default preset, finished, in light."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        running_app(Path(scratch)) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light")
        page.goto(server.url)
        page.get_by_role("heading", name="Replica pools").wait_for(timeout=60_000)
        page.get_by_text("A better answer is being worked out").wait_for(state="detached")
        page.get_by_text("Planned anew with").first.wait_for(timeout=60_000)
        page.get_by_text("so far by quick answers").wait_for(state="detached", timeout=60_000)
        page.screenshot(path=target)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
