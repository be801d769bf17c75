"""Finds the Chromium that the browser tests drive, or installs one.

Order: the environment variable ECOSERVE_CHROMIUM, a Chromium or Chrome on the PATH, the one that
Playwright downloaded. ``python -m tests.e2e.browser --install`` gets one where there is none:
Debian's package as root, else Playwright's download. Each candidate is started once, so that a
placeholder (Ubuntu's ``chromium-browser`` without its snap) or a browser without its libraries
does not count.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "ECOSERVE_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome")
# No sandbox: containers run as root. The rest keeps the browser quiet and off the network.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NO_BROWSER = (
    "No Chromium for the browser tests: install one (apt-get install chromium, or "
    "python -m playwright install chromium) or name one in ECOSERVE_CHROMIUM."
)


class BrowserError(Exception):
    """The browser that ECOSERVE_CHROMIUM names does not start."""


def find_chromium() -> str | None:
    """The path of a Chromium that starts, or None; a wrong ECOSERVE_CHROMIUM is an error."""
    named = os.environ.get(VARIABLE)
    if named:
        path = shutil.which(named)
        if path is None or not _starts(path):
            raise BrowserError(f"{VARIABLE} names {named}, which does not start as a Chromium.")
        return path
    return next((path for path in _candidates() if _starts(path)), None)


def install_chromium() -> None:
    """Try Debian's package, then Playwright's download; look with find_chromium afterwards."""
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    apt = as_root and shutil.which("apt-get") is not None
    if apt and _install_package() and find_chromium():
        return
    command = [sys.executable, "-m", "playwright", "install"]
    if not (apt and _run([*command, "--with-deps", "chromium"])):
        _run([*command, "chromium"])


def _candidates() -> Iterator[str]:
    yield from filter(None, map(shutil.which, NAMES))
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    if Path(own).is_file():
        yield own


def _starts(path: str) -> bool:
    """Whether it opens an empty page, in a profile of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [path, "--headless", *ARGUMENTS, f"--user-data-dir={profile}"]
        try:
            done = subprocess.run(
                [*command, "--dump-dom", "about:blank"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=60,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == 0 and "<html" in done.stdout


def _install_package() -> bool:
    """Debian's chromium; False where the package does not exist or only points at a snap."""
    _run(["apt-get", "update"])
    policy = subprocess.run(
        ["apt-cache", "policy", "chromium"], capture_output=True, text=True, check=False
    ).stdout
    candidate = policy.partition("Candidate:")[2].strip().partition("\n")[0]
    if candidate in {"", "(none)"} or "snap" in candidate:
        return False
    return _run(
        ["apt-get", "install", "-y", "--no-install-recommends", "chromium", "fonts-liberation"]
    )


def _run(command: list[str]) -> bool:
    """Run it unattended, its output on stderr; True when it succeeds within ten minutes."""
    print("$", *command, file=sys.stderr, flush=True)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            timeout=600,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main() -> int:
    """Print the browser's path; with --install, get one first where there is none."""
    try:
        path = find_chromium()
        if path is None and "--install" in sys.argv[1:]:
            install_chromium()
            path = find_chromium()
    except BrowserError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Browser for the tests: {path}" if path else NO_BROWSER, file=sys.stderr)
    return 0 if path else 1


if __name__ == "__main__":
    sys.exit(main())
