"""Who may see the pages. Off by default: whoever reaches the server may plan.

Two ways, chosen by who runs the server: a login at an identity provider (OpenID Connect), whose
settings are in a file, or the name that a proxy has put into a header. Either is handed to the
pages in an environment variable, as they run in the same process.
"""

from __future__ import annotations

import importlib.util
import os
import tomllib
from pathlib import Path

import streamlit as st

from app.cli_options import LOGIN_VARIABLE, USER_HEADER_VARIABLE
from app.text import plain
from ecoserve.errors import EcoServeError

AUTH_KEYS = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
LIBRARIES = ("authlib", "httpx")
EXTRA = "ecoserve-planner[login]"

_HEADER_FIELD = "header_name"
"""Where ``st.user`` keeps what the proxy's header says."""


class SignInError(EcoServeError):
    """The settings of the login cannot work."""


def streamlit_options() -> dict[str, object]:
    """Streamlit's settings for the way that was chosen; none without one.

    Raises :class:`SignInError` where they cannot work.
    """
    login, header = _chosen()
    if login and header:
        raise SignInError("choose one of --login and --user-header, not both")
    if login:
        _check_login(Path(login))
        return {"secrets.files": [login]}
    if header:
        if not header.replace("-", "").isalnum():
            raise SignInError(f"{header[:60]!r} is no name of a header; try X-Forwarded-Email")
        return {"server.trustedUserHeaders": f'{{"{header}": "{_HEADER_FIELD}"}}'}
    return {}


def admitted() -> bool:
    """Whether this visitor may see the page; says what to do where not."""
    login, header = _chosen()
    if header and not st.user.get(_HEADER_FIELD):
        st.error(
            "This server knows its visitors by the sign-in in front of it, and this visit came"
            " without. Open the planner by the address you were given."
        )
        return False
    if login and not st.user.get("is_logged_in"):
        st.title("EcoServe planner", anchor=False)
        st.button("Sign in", on_click=st.login)
        if st.query_params:  # the provider sends everybody back to the start page
            st.caption("You came by a link: open it once more when you are signed in.")
        return False
    return True


def foot() -> None:
    """Who is signed in at the identity provider, and the way out."""
    login, _ = _chosen()
    if not login:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        name = st.user.get("email") or st.user.get("name") or "an account without a name"
        st.caption(f"Signed in as {plain(str(name))}", width="content")
        st.button("Sign out", on_click=st.logout, type="tertiary")


def _chosen() -> tuple[str, str]:
    """The file of the login and the name of the header; empty where that way is not wanted."""
    login, header = (os.environ.get(v, "") for v in (LOGIN_VARIABLE, USER_HEADER_VARIABLE))
    return login.strip(), header.strip()


def _check_login(file: Path) -> None:
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SignInError(f"cannot read the login settings {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SignInError(f"the login settings {file} are not TOML: {error}") from error
    section = settings.get("auth")
    auth = section if isinstance(section, dict) else {}
    missing = [key for key in AUTH_KEYS if not auth.get(key)]
    if missing:
        raise SignInError(f"the login settings {file} lack in [auth]: {', '.join(missing)}")
    lacking = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if lacking:
        names = " and ".join(lacking)
        raise SignInError(f"a login needs {names}; install with: pip install '{EXTRA}'")
