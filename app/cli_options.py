"""Options that several commands of the terminal share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

OVERLAY_VARIABLE = "ECOSERVE_OVERLAY"
"""Environment variable with the folder of the user's own rows."""
HOSTS_VARIABLE = "ECOSERVE_HOSTS"
"""Environment variable with the names under which visitors may reach the dashboard."""
LOGIN_VARIABLE = "ECOSERVE_LOGIN"
"""Environment variable with the TOML file whose [auth] section names an identity provider."""
USER_HEADER_VARIABLE = "ECOSERVE_USER_HEADER"
"""Environment variable with the header in which a trusted proxy names the visitor."""


def finite(value: str) -> float:
    """A number from the command line that is neither infinite nor missing."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise typer.BadParameter(f"{value[:40]!r} is not a finite number")
    return number


def positive(value: str) -> float:
    """A number above zero."""
    number = finite(value)
    if number <= 0:
        raise typer.BadParameter(f"{value[:40]} is not above zero")
    return number


LIBRARY_VARIABLE = "ECOSERVE_LIBRARY"
"""Environment variable with the file of the saved scenarios."""
LibraryFile = Annotated[
    Path | None,
    typer.Option(
        "--library",
        metavar="FILE",
        envvar=LIBRARY_VARIABLE,
        show_envvar=False,
        help=f"Where saved scenarios are kept; also {LIBRARY_VARIABLE}.",
    ),
]
OverlayFolder = Annotated[
    Path | None,
    typer.Option(
        "--overlay",
        metavar="DIR",
        envvar=OVERLAY_VARIABLE,
        show_envvar=False,
        help=f"Folder of CSV files with your own rows; also {OVERLAY_VARIABLE}.",
    ),
]
Hosts = Annotated[
    str | None,
    typer.Option(
        "--hosts",
        metavar="NAMES",
        envvar=HOSTS_VARIABLE,
        show_envvar=False,
        help="Names by which visitors reach it, with commas between; any other is refused.",
    ),
]
Login = Annotated[
    Path | None,
    typer.Option(
        "--login",
        metavar="FILE",
        envvar=LOGIN_VARIABLE,
        show_envvar=False,
        help="Settings of an OpenID Connect login; docs/deploy.md has the keys.",
    ),
]
UserHeader = Annotated[
    str | None,
    typer.Option(
        "--user-header",
        metavar="NAME",
        envvar=USER_HEADER_VARIABLE,
        show_envvar=False,
        help="Header in which a trusted proxy names the visitor; who comes without is refused.",
    ),
]
Coefficients = Annotated[
    str | None, typer.Option(metavar="SET", help="Embodied coefficient set, for example pcf.")
]
Years = Annotated[float, typer.Option(parser=positive, metavar="YEARS")]
Effort = Annotated[
    Literal["quick", "interactive", "report"],
    typer.Option(help="How long to look for a better answer; interactive is what the page shows."),
]
