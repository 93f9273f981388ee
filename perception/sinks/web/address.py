"""Where the live page is served, and who may see it."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from perception.errors import ConfigError
from perception.redact import masked

GRAMMAR = "web://HOST:PORT, with ?token=SECRET for hosts other than this one"
HOST, PORT = "127.0.0.1", 8080


@dataclass(frozen=True, slots=True)
class Address:
    """Attributes:
    host: the address to bind, without the brackets of IPv6.
    port: 0: any free one.
    token: what every request must show; empty: none, which only the loopback may do without.
    """

    host: str = HOST
    port: int = PORT
    token: str = ""

    @classmethod
    def parse(cls, uri: str) -> "Address":
        """The address that `web://HOST:PORT?token=…` names; host and port may be left out.

        Raises:
            ConfigError: it is not of this form, or others could look on without a token.
        """
        start = f"sink {masked(uri)}:"
        try:
            parts = urlsplit(uri)
            host, port = parts.hostname or HOST, PORT if parts.port is None else parts.port
        except ValueError as error:
            raise ConfigError(f"{start} {error}; it is {GRAMMAR}") from error
        if parts.scheme != "web" or parts.username or parts.path.strip("/") or parts.fragment:
            raise ConfigError(f"{start} not a live page's address; it is {GRAMMAR}")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        token = options.pop("token", None)
        if options:
            raise ConfigError(f"{start} unknown option {', '.join(options)}; it is {GRAMMAR}")
        if token == "":
            raise ConfigError(f"{start} the token is empty; give one that nobody can guess, or none")
        if token is None and not is_loopback(host):
            raise ConfigError(
                f"{start} {host} can be reached by others, who would see the camera; "
                "add ?token=SECRET, which they then need, or bind to 127.0.0.1"
            )
        return cls(host, port, token or "")

    @property
    def uri(self) -> str:
        """As it may be shown."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"web://{host}:{self.port}" + ("?token=***" if self.token else "")


def is_loopback(host: str) -> bool:
    """Whether only this machine answers to that name."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
