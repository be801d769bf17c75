"""Starts the dashboard: Streamlit in this process, with all of its settings given here."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
import time
from collections.abc import Callable
from importlib import resources

from ecoserve.errors import EcoServeError

START_TIMEOUT_S = 60.0
HOSTS_VARIABLE = "STREAMLIT_SERVER_ALLOWED_HOSTS"
"""Set it to the public host name where a proxy on this machine passes requests on."""
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")

SETTINGS = {
    "browser.gatherUsageStats": "false",
    "client.disableDataExport": "true",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "client.toolbarMode": "minimal",
    "logger.hideWelcomeMessage": "true",
    "logger.level": "warning",
    "server.disconnectedSessionTTL": "120",
    "server.enableStaticServing": "false",
    "server.fileWatcherType": "none",
    "server.maxCacheDataSize": "256mb",
    "server.maxMessageSize": "50",
    "server.maxUploadSize": "64",
    "server.showEmailPrompt": "false",
}
"""The welcome message is off because Streamlit asks the internet for the address it shows there."""

THEME = {
    "theme.baseRadius": "0.3rem",
    "theme.showWidgetBorder": "true",
    "theme.light.primaryColor": "#007A5A",
    "theme.light.backgroundColor": "#FFFFFF",
    "theme.light.secondaryBackgroundColor": "#F4F5F7",
    "theme.light.textColor": "#1B1F24",
    "theme.light.borderColor": "#D9DDE3",
    "theme.light.linkColor": "#00664B",
    "theme.dark.primaryColor": "#12916D",
    "theme.dark.backgroundColor": "#101214",
    "theme.dark.secondaryBackgroundColor": "#1B1E22",
    "theme.dark.textColor": "#E7E9EC",
    "theme.dark.borderColor": "#33383F",
    "theme.dark.linkColor": "#5CD3B0",
}


class AddressError(EcoServeError):
    """The dashboard cannot have this address and port."""


def serve(address: str, port: int, headless: bool, announce: Callable[[str], None]) -> None:
    """Serves the dashboard until interrupted; ``announce`` gets its URL once it answers."""
    check_address(address, port)
    url = f"http://{_url_host(address)}:{port}"
    waiter = threading.Thread(target=_when_up, args=(address, port, url, announce), daemon=True)
    waiter.start()
    from streamlit.web import cli  # slow, and only this command needs it

    with resources.as_file(resources.files("app") / "main.py") as script:
        flags = streamlit_flags(address, port, headless)
        cli.main(["run", str(script), *flags], prog_name="streamlit")


def streamlit_flags(address: str, port: int, headless: bool) -> list[str]:
    """Streamlit's command line, without the script."""
    own = {
        "server.address": address,
        "server.port": str(port),
        "server.headless": str(headless).lower(),
    }
    flags = [f"--{name}={value}" for name, value in {**SETTINGS, **THEME, **own}.items()]
    if _is_loopback(address) and HOSTS_VARIABLE not in os.environ:
        flags += [f"--server.allowedHosts={host}" for host in LOOPBACK_HOSTS]
    return flags


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


def _when_up(address: str, port: int, url: str, announce: Callable[[str], None]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((target, port), timeout=1):
                announce(url)
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
