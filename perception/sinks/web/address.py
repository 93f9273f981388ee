"""Where the live page is served, and who may see it."""

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from perception.uri import Uri

GRAMMAR = "web://HOST:PORT, with ?token=SECRET for hosts other than this one"
HOST, PORT = "127.0.0.1", 8080
EXAMPLE = f"web://{HOST}:{PORT}"


@dataclass(frozen=True, slots=True)
class Address:
    """Attributes:
    host: the address to bind, without the brackets of IPv6.
    port: 0: any free one.
    token: what every request must show; empty: none, which only the loopback may do without.
    """

    host: str = HOST
    port: int = PORT
    token: str = field(default="", repr=False)

    @classmethod
    def read(cls, uri: Uri) -> "Address":
        """The address in `web://HOST:PORT?token=…`; host and port may be left out.

        Raises:
            ConfigError: it is not of this form, or others could watch without a token.
        """
        try:
            parts = urlsplit(uri.text)
            host, port = parts.hostname or HOST, PORT if parts.port is None else parts.port
        except ValueError as error:
            raise uri.error(f"{error}; it is {GRAMMAR}") from error
        if parts.username or parts.path.strip("/") or parts.fragment:
            raise uri.error(f"not a live page's address; it is {GRAMMAR}")
        token = uri.options({"token": _token}, parts.query).get("token", "")
        if not token and not is_loopback(host):
            raise uri.error(
                f"{host} can be reached by others, who would see the camera; "
                "add ?token=SECRET, which they then need, or bind to 127.0.0.1"
            )
        return cls(host, port, token)

    @property
    def uri(self) -> str:
        """The address as it may be shown, without the token."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"web://{host}:{self.port}" + ("?token=***" if self.token else "")


def is_loopback(host: str) -> bool:
    """Whether only this machine answers to that name."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _token(text: str) -> str:
    if not text:
        raise ValueError("it is empty; give one that nobody can guess, or none")
    return text
