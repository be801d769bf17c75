"""The dashboard as a web application: its pages, what guards them, and what a failure looks like.

Streamlit sends no security headers, accepts a page of any other site that names an address of this
machine, and asks the internet for that address on the first foreign visitor. Nothing of this needs
a proxy to be mended.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import secrets
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAIN = Path(__file__).with_name("main.py")
ORIGINS_OPTION = "server.corsAllowedOrigins"
POLICY_VIOLATION = 1008
"""Code that closes a websocket; before the handshake the browser gets a 403 instead."""
REFERENCE_BYTES = 4

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_log = logging.getLogger("ecoserve")


def application(script: Path = MAIN) -> st.App:
    """The dashboard, ready to run; ``script`` is the page that every visitor starts on."""
    guard = Middleware(Guard, headers=security_headers())
    return st.App(script, middleware=[guard], on_script_error=say_failed)


def say_failed(error: Exception) -> bool:
    """The page of a run that failed: one sentence, and a reference that is in the server's log.

    Streamlit has logged the error itself; nothing of it reaches the page. True: this was told.
    """
    reference = secrets.token_hex(REFERENCE_BYTES)
    _log.error("Reference %s: %s on a page", reference, type(error).__name__)
    st.error(
        "Something went wrong here. Your scenario is in the page's address: reload to go on. If it"
        f" happens again, tell whoever runs this server the reference {reference}."
    )
    return True


def security_headers() -> dict[str, str]:
    """What every answer tells the browser, besides what Streamlit says."""
    return {
        "Content-Security-Policy": content_security_policy(),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Referrer-Policy": "same-origin",  # an address holds the whole scenario
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN",
    }


@cache
def content_security_policy() -> str:
    """Everything from this server alone; styles are made in the page, as are a chart's pictures."""
    inline = " ".join(_inline_script_hashes())
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' {inline}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        )
    )


def _inline_script_hashes() -> list[str]:
    """Streamlit's own lines of script in the page, which the policy names by their content."""
    page = (resources.files("streamlit") / "static" / "index.html").read_text(encoding="utf-8")
    digests = [hashlib.sha256(s.encode()).digest() for s in _INLINE_SCRIPT.findall(page)]
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


class Guard:
    """Refuses websockets that another site's page opens, and adds headers to every answer."""

    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = [(k.lower().encode(), v.encode()) for k, v in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or closes it."""
        if scope["type"] == "websocket" and not is_own_page(scope, st.get_option(ORIGINS_OPTION)):
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                names = {name.lower() for name, _ in given}
                added = [header for header in self._headers if header[0] not in names]
                message = {**message, "headers": [*given, *added]}
            await send(message)

        await self._app(scope, receive, send_guarded)


def is_own_page(scope: Scope, trusted_origins: Sequence[str]) -> bool:
    """Whether a page of this server asks: its origin is the host it asks, or a trusted one.

    A browser always names the origin; who names none is a program, which no other site sent.
    """
    headers: dict[bytes, Any] = dict(scope["headers"])
    origin = headers.get(b"origin", b"").decode("latin-1")
    host = headers.get(b"host", b"").decode("latin-1")
    if b"origin" not in headers or origin in trusted_origins:
        return True
    try:
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False
