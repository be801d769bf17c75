"""What strangers may not do: other sites, other hosts, other people's text, and failed pages."""

from __future__ import annotations

import asyncio
import http.client
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from streamlit.testing.v1 import AppTest

from app import serve, server, sign_in
from app.cli_options import HOSTS_VARIABLE, LOGIN_VARIABLE, USER_HEADER_VARIABLE
from app.presets import load_presets
from ecoserve.analysis.edits import edited
from tests.e2e.conftest import PAGE_LIMIT_MS, AppServer
from tests.e2e.scenes import SMALLEST_PRESET, token
from tests.e2e.server import free_port, running

EVIL = "evil.example"
MARKUP = (
    f'<img src=http://{EVIL}/i.png> ![x](http://{EVIL}/m.png) <a href="http://{EVIL}/a">y</a>'
    f" $x^2$ <b>z</b> [l](http://{EVIL}/l)"
)
NAME = f"http://{EVIL}/l **b** _i_ www.{EVIL} a@{EVIL} & > :red x"
FOREIGN = f"[src*='{EVIL}'], [href*='{EVIL}'], a[*|href*='{EVIL}'], .katex"
"""Elements that nothing but the markup above would make."""


@pytest.fixture(autouse=True)
def _patient() -> Iterator[None]:
    expect.set_options(timeout=PAGE_LIMIT_MS)
    yield
    expect.set_options(timeout=5_000)


# ---- websockets and headers


def handshake(url: str, **headers: str) -> int:
    """The status of a websocket handshake: 101 where it is accepted."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.putrequest("GET", "/_stcore/stream", skip_host="Host" in headers)
    asked = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **headers,
    }
    for name, value in asked.items():
        connection.putheader(name, value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def test_only_this_servers_own_pages_open_a_websocket(app_server: AppServer):
    own = urlsplit(app_server.url)
    assert handshake(app_server.url, Origin=app_server.url) == 101
    for origin in (
        f"http://{EVIL}",
        f"http://{EVIL}:{own.port}",
        f"http://localhost.{EVIL}:{own.port}",
        "http://localhost:1",  # another program of this machine
        "null",
        "",
        "http://[",
    ):
        assert handshake(app_server.url, Origin=origin) == 403, origin


def test_a_name_that_somebody_else_points_here_opens_no_websocket(app_server: AppServer):
    port = urlsplit(app_server.url).port
    host = f"{EVIL}:{port}"
    assert handshake(app_server.url, Host=host, Origin=f"http://{host}") == 403
    assert handshake(app_server.url, Host=host) == 403
    assert handshake(app_server.url, Host=f"localhost:{port}") == 101


def test_a_foreign_origin_is_refused_before_streamlit_asks_the_internet_about_it():
    asked: list[str] = []
    sent: list[Any] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["type"])

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    def open_from(origin: bytes) -> None:
        headers = [(b"host", b"planner.example"), (b"origin", origin)]
        opened = guard({"type": "websocket", "headers": headers}, receive, send)
        with ThreadPoolExecutor(1) as thread:  # this one may already run a browser's loop
            thread.submit(asyncio.run, opened).result()

    guard = server.Guard(inner, {})
    open_from(b"https://evil.example")
    assert asked == []
    assert [message["type"] for message in sent] == ["websocket.close"]
    open_from(b"https://planner.example")
    assert asked == ["websocket"]


def test_origins_that_are_trusted_are_named_in_full():
    scope = {"headers": [(b"host", b"inner:8501"), (b"origin", b"https://planner.example")]}
    assert not server.is_own_page(scope, [])
    assert not server.is_own_page(scope, ["https://planner.example:444", "planner.example"])
    assert server.is_own_page(scope, ["https://planner.example"])


@pytest.mark.parametrize("path", ["/", "/hardware", "/favicon.png", "/_stcore/health"])
def test_every_answer_carries_the_security_headers(app_server: AppServer, path: str):
    connection = http.client.HTTPConnection(urlsplit(app_server.url).netloc, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 200
    given = dict(answer.getheaders())
    connection.close()
    for name, value in server.security_headers().items():
        assert given[name.lower()] == value, name


def test_the_policy_lets_no_script_in_but_this_servers_own():
    policy = dict(p.split(" ", 1) for p in server.content_security_policy().split("; "))
    assert policy["default-src"] == "'self'"
    assert re.fullmatch(r"'self'( 'sha256-[\w+/=]{44}')*", policy["script-src"])
    assert policy["object-src"] == "'none'"
    assert policy["frame-ancestors"] == "'self'"
    assert not any("*" in value or "http" in value for value in policy.values())


def test_settings_are_those_of_a_server_for_strangers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(HOSTS_VARIABLE, raising=False)
    options = serve.streamlit_options("127.0.0.1", 8501)
    assert options["server.allowedHosts"] == ["localhost", "127.0.0.1", "::1"]
    assert options["server.enableXsrfProtection"] is True
    assert options["server.enableCORS"] is True
    assert options["server.enableAgentApi"] is False
    assert options["client.showErrorDetails"] == "none"
    assert options["browser.gatherUsageStats"] is False
    assert "server.allowedHosts" not in serve.streamlit_options("0.0.0.0", 8501)
    monkeypatch.setenv(HOSTS_VARIABLE, " planner.example, *.inner.example ")
    options = serve.streamlit_options("0.0.0.0", 8501)
    assert options["server.allowedHosts"][:2] == ["planner.example", "*.inner.example"]


# ---- other people's text


OWN_ROWS = {
    "accelerators.csv": "id,name,note\nh100_nvl_94gb,{},{}\nb200,{},{}\n",
    "llms.csv": "id,name\nllama_3_1_8b,{}\n",
    "regions.csv": "id,name\naws_eu_central_1,{}\n",
    "servers.csv": "id,name,note\nown_4x_h100_nvl,{},{}\n",
    "sources.csv": "id,title\nnvidia_b200,{}\n",
}
"""What the smallest preset's plan is made of where it may have no others, and an alternative."""
N_CELLS = sum(rows.count("{}") for rows in OWN_ROWS.values())


def upload(page: Page, text: str) -> None:
    """Rows of the visitor's own with this text for every name, title and note."""
    quoted = '"' + text.replace('"', '""') + '"'
    page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(
        [
            {"name": name, "mimeType": "text/csv", "buffer": rows.replace("{}", quoted).encode()}
            for name, rows in OWN_ROWS.items()
        ]
    )


def test_other_peoples_text_is_nowhere_more_than_text(app_server: AppServer, browser: Browser):
    visitor = browser.new_context(viewport={"width": 1400, "height": 1000})
    visitor.set_default_timeout(PAGE_LIMIT_MS)
    page = visitor.new_page()
    hosts: set[str] = set()
    refused: list[str] = []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("console", lambda said: refused.append(said.text) if "Policy" in said.text else None)
    renamed = edited(
        load_presets()[SMALLEST_PRESET], {"hardware.accelerators": ["h100_nvl_94gb", "b200"]}
    )
    page.goto(f"{app_server.url}/hardware?s={token(renamed)}")
    upload(page, MARKUP)
    expect(page.get_by_text(f"Not taken: {N_CELLS} problems")).to_be_visible()
    expect(page.get_by_text("text without any of").first).to_be_visible()
    expect(page.locator(FOREIGN)).to_have_count(0)
    upload(page, NAME)
    expect(page.get_by_text("In use here:").first).to_be_visible()
    expect(page.get_by_text("Not taken")).to_have_count(0)
    names = [link.inner_text() for link in page.get_by_test_id("stTopNavLink").all()]
    assert len(names) >= 8
    for name in names:
        page.get_by_test_id("stTopNavLink").filter(has_text=name).first.click()
        expect(page.get_by_role("heading", name=name, exact=True).first).to_be_visible()
        expect(page.locator(".js-plotly-plot").first).to_be_visible()
        expect(page.get_by_test_id("stException")).to_have_count(0)
        expect(page.locator(FOREIGN)).to_have_count(0)
    assert hosts == {urlsplit(app_server.url).netloc}
    assert refused == []
    visitor.close()


# ---- pages that fail

SECRET = "the-secret-of-this-page"
FAILING = f"""
import streamlit as st

def fail():
    secret = "{SECRET}"
    raise RuntimeError(secret)

@st.fragment
def part():
    if st.button("in a part"):
        fail()

st.title("Fine so far")
st.button("in a callback", on_click=fail)
part()
if st.button("on the page"):
    fail()
"""
SERVE = """
import sys
from pathlib import Path
from app import serve, server
options = serve.streamlit_options("localhost", int(sys.argv[2]))
server.application(Path(sys.argv[1])).run(config=options)
"""


@pytest.fixture(scope="module")
def failing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    folder = tmp_path_factory.mktemp("failing")
    script = folder / "page.py"
    script.write_text(FAILING, encoding="utf-8")
    port = free_port()
    with running([sys.executable, "-c", SERVE, str(script), str(port)], port, folder) as started:
        yield started


@pytest.mark.parametrize("button", ["on the page", "in a callback", "in a part"])
def test_a_page_that_fails_shows_a_reference_and_nothing_of_the_error(
    failing_server: AppServer, page: Page, button: str
):
    page.goto(failing_server.url)
    page.get_by_role("button", name=button).click()
    alert = page.get_by_test_id("stAlert")
    expect(alert).to_contain_text("Something went wrong here")
    shown = page.content()
    for trace in (SECRET, "RuntimeError", "Traceback", "page.py"):
        assert trace not in shown
    found = re.search(r"reference ([0-9a-f]{8})", alert.inner_text())
    assert found is not None
    log = Path(failing_server.log).read_text(encoding="utf-8")
    assert f"Reference {found[1]}: RuntimeError" in log
    assert SECRET in log


# ---- who may see the pages

MAIN = Path(server.MAIN)
LOGIN = """
[auth]
redirect_uri = "https://planner.example/oauth2callback"
cookie_secret = "x"
client_id = "planner"
client_secret = "y"
server_metadata_url = "https://id.example/.well-known/openid-configuration"
"""


def test_without_the_proxys_header_nobody_sees_a_page(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(USER_HEADER_VARIABLE, "X-Forwarded-Email")
    monkeypatch.setattr("streamlit.user", {})
    page = AppTest.from_file(str(MAIN), default_timeout=60).run()
    assert "came without" in page.error[0].value
    assert not page.metric
    assert not page.title


def test_who_is_not_signed_in_sees_the_way_in_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv(LOGIN_VARIABLE, str(tmp_path / "login.toml"))
    monkeypatch.setattr("streamlit.user", {"is_logged_in": False})
    page = AppTest.from_file(str(MAIN), default_timeout=60).run()
    assert [button.label for button in page.button] == ["Sign in"]
    assert not page.caption
    page.query_params["s"] = "1abc"
    assert "open it once more" in page.run().caption[0].value
    assert not page.metric


def signed_in_page() -> None:
    """A page with what stands below every page."""
    import streamlit as st

    from app import sign_in

    st.write(f"admitted: {sign_in.admitted()}")
    sign_in.foot()


def test_who_is_signed_in_sees_the_page_and_the_way_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv(LOGIN_VARIABLE, str(tmp_path / "login.toml"))
    monkeypatch.setattr("streamlit.user", {"is_logged_in": True, "email": "a*b*@c.example"})
    page = AppTest.from_function(signed_in_page, default_timeout=60).run()
    assert page.markdown[0].value == "admitted: True"
    assert [button.label for button in page.button] == ["Sign out"]
    assert page.caption[0].value == "Signed in as a\\*b\\*\\@\N{WORD JOINER}c\\.example"


def test_who_comes_through_the_proxy_sees_the_page(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(USER_HEADER_VARIABLE, "X-Forwarded-Email")
    monkeypatch.setattr("streamlit.user", {"header_name": "ada@c.example"})
    page = AppTest.from_function(signed_in_page, default_timeout=60).run()
    assert page.markdown[0].value == "admitted: True"
    assert not page.error
    assert not page.button


def test_ways_in_are_off_unless_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert sign_in.streamlit_options() == {}
    monkeypatch.setenv(USER_HEADER_VARIABLE, "X-Forwarded-Email")
    [(name, value)] = sign_in.streamlit_options().items()
    assert name == "server.trustedUserHeaders"
    assert value == '{"X-Forwarded-Email": "header_name"}'
    monkeypatch.setenv(LOGIN_VARIABLE, str(tmp_path / "login.toml"))
    with pytest.raises(sign_in.SignInError, match="not both"):
        sign_in.streamlit_options()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot read the login settings"),
        ("[auth", "are not TOML"),
        ("auth = 3", "lack in .auth.: redirect_uri, cookie_secret, client_id"),
        (LOGIN.replace('client_secret = "y"', ""), "lack in .auth.: client_secret$"),
    ],
)
def test_a_login_that_cannot_work_is_said_at_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None, said: str
):
    file = tmp_path / "login.toml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    monkeypatch.setenv(LOGIN_VARIABLE, str(file))
    with pytest.raises(sign_in.SignInError, match=said):
        sign_in.streamlit_options()


def test_a_whole_login_is_handed_to_streamlit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    file = tmp_path / "login.toml"
    file.write_text(LOGIN, encoding="utf-8")
    monkeypatch.setenv(LOGIN_VARIABLE, str(file))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name in sign_in.LIBRARIES)
    assert sign_in.streamlit_options() == {"secrets.files": [str(file)]}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(sign_in.SignInError, match=r"ecoserve-planner\[login\]"):
        sign_in.streamlit_options()
