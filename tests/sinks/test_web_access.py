"""Where the live page may be served, and whom it lets in."""

import pytest
from aiohttp import ClientSession, WSServerHandshakeError
from hypothesis import given
from hypothesis import strategies as st

from perception.errors import ConfigError
from perception.sinks.registry import SINKS
from tests.sinks.web import page, talk, url_of


@pytest.mark.parametrize(
    ("uri", "address", "shown"),
    [
        ("web://127.0.0.1:8080", ("127.0.0.1", 8080, ""), "web://127.0.0.1:8080"),
        ("web://", ("127.0.0.1", 8080, ""), "web://127.0.0.1:8080"),
        ("web://localhost:0/", ("localhost", 0, ""), "web://localhost:0"),
        ("web://[::1]:81", ("::1", 81, ""), "web://[::1]:81"),
        ("web://127.1.2.3?token=abc", ("127.1.2.3", 8080, "abc"), "web://127.1.2.3:8080?token=***"),
        ("web://0.0.0.0:80?token=a%26b", ("0.0.0.0", 80, "a&b"), "web://0.0.0.0:80?token=***"),
    ],
)
def test_addresses(uri: str, address: tuple[str, int, str], shown: str) -> None:
    resolved = SINKS.parse(uri)
    parsed = resolved.options
    assert (parsed.host, parsed.port, parsed.token) == address
    assert parsed.uri == shown
    if parsed.token:
        assert parsed.token not in f"{resolved} {resolved!r} {parsed!r}"


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("web://0.0.0.0:8080", r"0\.0\.0\.0 can be reached by others.*add \?token=SECRET.*or bind to 127"),
        ("web://[::]:8080", "can be reached by others"),
        ("web://192.168.1.7", "can be reached by others"),
        ("web://car.local", "can be reached by others"),
        ("web://127.0.0.1.evil.example", "can be reached by others"),
        ("web://0.0.0.0:8080?token=", "token = '' is refused; it is empty"),
        ("web://127.0.0.1:http", "it is web://HOST:PORT"),
        ("web://127.0.0.1:70000", "it is web://HOST:PORT"),
        ("web://[::1", "it is web://HOST:PORT"),
        ("web://127.0.0.1/live", "not a live page's address"),
        ("web://me:pass@127.0.0.1", "not a live page's address"),
        ("web:8080", "not a live page's address"),
        ("web://127.0.0.1?size=9", "unknown option size"),
    ],
)
def test_addresses_that_are_refused(uri: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        SINKS.parse(uri)


@given(st.text(), st.text(st.characters(min_codepoint=65, max_codepoint=90), min_size=6))
def test_no_address_fails_otherwise_nor_shows_its_token(text: str, token: str) -> None:
    uri = f"web://{text}?token={token}"
    try:
        assert token not in SINKS.parse(uri).options.uri
    except ConfigError as error:
        assert f"token={token}" not in str(error)


TOKEN = "correct-horse"


@pytest.mark.parametrize(
    "path", ["/", "/static/main.js", "/health", "/metrics", "/frame.jpg", "/live", "/none"]
)
def test_with_a_token_every_address_needs_it(path: str) -> None:
    async def look(session: ClientSession) -> None:
        url = url_of(sink, path)
        for wrong in ({}, {"token": ""}, {"token": "correct-hors"}, {"token": "correct-horsé"}):
            async with session.get(url, params=wrong) as refused:
                assert refused.status == 401
                assert "needs the node's token" in await refused.text()
        async with session.get(url, params={"token": TOKEN}) as by_query:
            assert by_query.status != 401
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        async with session.get(url, headers=bearer) as by_header:
            assert by_header.status == by_query.status
        for probe in ("/livez", "/readyz"):
            async with session.get(url_of(sink, probe)) as asked:
                assert asked.status == 503  # as no health was reported, and not 401

    with page(f"web://0.0.0.0:0?token={TOKEN}") as sink:
        assert TOKEN not in sink.uri
        talk(look)


def test_the_page_loads_its_files_by_a_cookie() -> None:
    async def look(session: ClientSession) -> None:
        async with session.get(url_of(sink, "/"), params={"token": TOKEN}) as answer:
            cookie = answer.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie
            headers = {"Cookie": cookie.partition(";")[0]}
        async with session.get(url_of(sink, "/static/main.js"), headers=headers) as answer:
            assert answer.status == 200
        async with session.get(url_of(sink, "/static/main.js"), headers={"Cookie": "perception=x"}) as answer:
            assert answer.status == 401

    with page(f"web://127.0.0.1:0?token={TOKEN}") as sink:
        talk(look)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:9000", 200),  # forwarded from another port
        ("[::1]:{port}", 200),
        ("evil.example:{port}", 403),
        ("127.0.0.1.evil.example", 403),
        ("[::1", 403),
        ("192.168.1.7:{port}", 403),
    ],
)
def test_names_that_are_not_the_loopbacks_are_refused(host: str, status: int) -> None:
    async def look(session: ClientSession) -> None:
        headers = {"Host": host.format(port=sink.address.port)}
        async with session.get(url_of(sink), headers=headers) as answer:
            assert answer.status == status

    with page() as sink:
        talk(look)


def test_behind_a_proxy_that_keeps_the_name_the_token_decides() -> None:
    """A page elsewhere that lets its name resolve to the loopback knows no token."""

    async def look(session: ClientSession) -> None:
        host = {"Host": "car.example", "Origin": "https://car.example"}
        async with session.get(url_of(sink, "/health"), headers=host) as answer:
            assert answer.status == 401
        with pytest.raises(WSServerHandshakeError) as refused:
            await session.ws_connect(url_of(sink, "/live"), headers=host)
        assert refused.value.status == 401
        asked = url_of(sink, f"/live?token={TOKEN}")
        async with session.ws_connect(asked, headers=host):
            pass
        with pytest.raises(WSServerHandshakeError) as refused:
            await session.ws_connect(asked, headers={**host, "Origin": "https://evil.example"})
        assert refused.value.status == 403

    with page(f"web://127.0.0.1:0?token={TOKEN}") as sink:
        talk(look)


def test_pages_of_another_origin_are_refused() -> None:
    async def look(session: ClientSession) -> None:
        port = sink.address.port
        for origin in (
            "https://evil.example",
            f"http://127.0.0.1:{port + 1}",
            f"http://localhost:{port}",
            "null",
        ):
            with pytest.raises(WSServerHandshakeError) as refused:
                await session.ws_connect(url_of(sink, "/live"), headers={"Origin": origin})
            assert refused.value.status == 403
        async with session.ws_connect(url_of(sink, "/live"), headers={"Origin": f"http://127.0.0.1:{port}"}):
            pass

    with page() as sink:
        talk(look)


@pytest.mark.parametrize(
    "path", ["/", "/static/main.js", "/health", "/none", "/static/../server.py", "/frame.jpg"]
)
def test_every_answer_is_fenced_in(path: str) -> None:
    async def look(session: ClientSession) -> None:
        async with session.get(url_of(sink, path)) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'self'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            fixed = path in {"/", "/static/main.js"}
            assert answer.headers["Cache-Control"] == ("no-cache" if fixed else "no-store")
            assert answer.status == (200 if fixed or path == "/health" else 404)

    with page() as sink:
        talk(look)
