"""Which requests are allowed, and what browsers may do with the answers."""

import hashlib
import hmac
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from perception.redact import printable
from perception.sinks.web.address import Address, is_loopback

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
OPEN = {"/livez", "/readyz"}  # asked by what starts and restarts the node, which knows no token


class Auth:
    """Refuses requests that a stranger sent, or had somebody's browser send.

    Without a token the loopback is the only protection, and a browser on this machine is inside it. So hosts
    other than the loopback are refused then, as a page elsewhere may let its own name resolve to it (DNS
    rebinding); and always requests of a page of another origin.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._cookie = f"perception-{address.port}"  # browsers keep one jar for all ports of a host
        self._pass = _pass(address.token)  # a token may have characters that a cookie may not

    def admit(self, response: web.StreamResponse) -> None:
        """Let the page load its own files: their addresses carry no token."""
        if self._address.token:
            response.set_cookie(self._cookie, self._pass, httponly=True, samesite="Strict")

    @property
    def middleware(self) -> Middleware:
        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._check_names(request)
            if request.path not in OPEN:
                self._check_token(request)
            return await handler(request)

        return check

    def _check_names(self, request: web.Request) -> None:
        alone = is_loopback(self._address.host) and not self._address.token
        if alone and not is_loopback(_name(request.host)):
            raise web.HTTPForbidden(
                text=f"This page is for this machine alone, and {printable(request.host)} is not its name: "
                f"use http://{self._address.host}:{self._address.port}/"
            )
        origin = request.headers.get("Origin")
        if origin is not None and _netloc(origin) != request.host:
            raise web.HTTPForbidden(text=f"A page of {printable(origin)} may not use this one.")

    def _check_token(self, request: web.Request) -> None:
        if not self._address.token:
            return
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        shown = request.query.get("token") or (bearer if scheme.lower() == "bearer" else "")
        given = _pass(shown) if shown else request.cookies.get(self._cookie, "")
        if not hmac.compare_digest(given.encode(errors="replace"), self._pass.encode()):
            raise web.HTTPUnauthorized(
                text="This address needs the node's token: add ?token=SECRET, as in the sink's URI.",
                headers={"WWW-Authenticate": "Bearer"},
            )


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add `HEADERS` to every answer, errors too."""
    response.headers.update(HEADERS)
    fixed = request.path == "/" or request.path.startswith("/static/")
    response.headers["Cache-Control"] = "no-cache" if fixed else "no-store"


def _name(host: str) -> str:
    """The Host header's name, without its port; empty where it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _netloc(origin: str) -> str | None:
    """Host and port of an Origin header; None where it has none."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def _pass(token: str) -> str:
    """What stands for a token: of one length; also for a header whose bytes were no UTF-8."""
    return hashlib.sha256(b"perception page " + token.encode(errors="surrogatepass")).hexdigest()
