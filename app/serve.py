"""Starts the dashboard: Streamlit in this process, with all of its settings given here."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import threading
import time
import webbrowser
from collections.abc import Callable

from app.cli_options import HOSTS_VARIABLE
from ecoserve.errors import EcoServeError

START_TIMEOUT_S = 60.0
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")

SETTINGS: dict[str, object] = {
    "browser.gatherUsageStats": False,
    "client.disableDataExport": True,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "minimal",
    "logger.hideWelcomeMessage": True,
    "logger.level": "warning",
    "runner.magicEnabled": False,
    "server.disconnectedSessionTTL": 120,
    "server.enableAgentApi": False,
    "server.enableCORS": True,
    "server.enableStaticServing": False,
    "server.enableXsrfProtection": True,
    "server.fileWatcherType": "none",
    "server.maxCacheDataSize": "256mb",
    "server.maxMessageSize": 50,
    "server.maxUploadSize": 64,
    "server.showEmailPrompt": False,
}
"""The welcome message is off because Streamlit asks the internet for the address it shows there,
magic because it would show what is written below a constant of a page."""

THEME: dict[str, object] = {
    "theme.baseRadius": "0.3rem",
    "theme.headingFontSizes": ["2.25rem", "1.5rem", "1.25rem"],
    "theme.showWidgetBorder": True,
    "theme.light.primaryColor": "#007A5A",
    "theme.light.backgroundColor": "#FFFFFF",
    "theme.light.secondaryBackgroundColor": "#F4F5F7",
    "theme.light.textColor": "#101418",
    "theme.light.borderColor": "#D9DDE3",
    "theme.light.linkColor": "#00664B",
    "theme.dark.primaryColor": "#14996F",
    "theme.dark.backgroundColor": "#101214",
    "theme.dark.secondaryBackgroundColor": "#1B1E22",
    "theme.dark.textColor": "#E7E9EC",
    "theme.dark.borderColor": "#33383F",
    "theme.dark.linkColor": "#5CD3B0",
}


class AddressError(EcoServeError):
    """The dashboard cannot have this address and port."""


def serve(address: str, port: int, headless: bool, announce: Callable[[str], None]) -> None:
    """Serves the dashboard until interrupted; ``announce`` gets its URL once it answers.

    Raises :class:`AddressError` or :class:`SignInError` where it cannot.
    """
    check_address(address, port)
    from app.server import application  # slow, and only this command needs it

    options = streamlit_options(address, port)
    url = f"http://{_url_host(address)}:{port}"

    def ready() -> None:
        announce(url)
        if not headless:
            webbrowser.open(url)

    threading.Thread(target=_when_up, args=(address, port, ready), daemon=True).start()
    application().run(config=options)


def streamlit_options(address: str, port: int) -> dict[str, object]:
    """All of Streamlit's settings. Raises :class:`SignInError` where a login cannot work."""
    from app import sign_in

    own: dict[str, object] = {
        "server.address": address,
        "server.port": port,
        "server.headless": True,
    }
    hosts = [name for name in re.split(r"[,\s]+", os.environ.get(HOSTS_VARIABLE, "")) if name]
    if hosts or _is_loopback(address):
        own["server.allowedHosts"] = [*hosts, *LOOPBACK_HOSTS]
    return {**SETTINGS, **THEME, **own, **sign_in.streamlit_options()}


def check_address(address: str, port: int) -> None:
    """Raises :class:`AddressError` where nothing can listen there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        if os.name != "nt":  # on Windows it would allow two servers on one port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise AddressError(
                f"cannot serve on {address}:{port} ({error.strerror});"
                " choose another with --port or --address"
            ) from error
        except UnicodeError as error:
            raise AddressError(f"{address[:60]!r} is no address; try localhost") from error


def _when_up(address: str, port: int, ready: Callable[[], None]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((target, port), timeout=1):
                ready()
                from app.views import solve  # as slow as the pages, which need it next

                solve.tasks().manager.warm_up()
                return
        except OSError:
            time.sleep(0.1)


def _url_host(address: str) -> str:
    if address in ("0.0.0.0", "::"):
        return "localhost"
    return f"[{address}]" if ":" in address else address


def _is_loopback(address: str) -> bool:
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
