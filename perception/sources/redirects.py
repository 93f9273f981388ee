"""Where cameras redirect to: only within their own host, as what is read must not be theirs to choose, and to
hosts that a URI allows."""

import base64
import re
import ssl
from collections.abc import Container
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import IPv6Address
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit

from perception.redact import masked, printable
from perception.sources.connection import LostError
from perception.sources.trust import Trust

MOST = 5  # times one after another
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


def read_hosts(text: str) -> tuple[str, ...]:
    """Of `#hosts=`, as `urlsplit` gives them."""
    hosts = tuple(text.lower().split(","))
    if not all(_NAME.fullmatch(host) or _is_ipv6(host) for host in hosts):
        raise ValueError("it names hosts without ports, such as relay.example,192.168.0.11")
    return hosts


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def asked(url: str, trust: Trust, timeout_s: float) -> str:
    """Where an HTTP camera redirects to; empty: nowhere.

    Raises:
        LostError: its certificate is not trusted.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = (
        HTTPSConnection(host, parts.port, timeout=timeout_s, context=trust.context)
        if parts.scheme == "https"
        else HTTPConnection(host, parts.port, timeout=timeout_s)
    )
    headers = {}
    try:
        connection.connect()
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"
        connection.request("GET", urlunsplit(("", "", parts.path or "/", parts.query, "")), headers=headers)
        answer = connection.getresponse()
        return answer.getheader("Location", "") if 300 <= answer.status < 400 else ""
    except ssl.SSLCertVerificationError as error:
        raise LostError(untrusted(error)) from error
    except (OSError, HTTPException, ValueError):
        return ""
    finally:
        connection.close()


def untrusted(error: ssl.SSLCertVerificationError) -> str:
    """Why nothing was asked of a camera."""
    words = error.verify_message.rstrip(".") or str(error)
    return (
        f"its certificate is not trusted ({words}), so it was asked nothing; "
        "name its authority, ?ca=FILE, or use ?tls=insecure"
    )


def moved(url: str, place: str, hosts: Container[str] = ()) -> str:
    """The place that a URL redirects to, on the same host with the same user and password.

    Args:
        hosts: others that are allowed; they get no password.

    Raises:
        LostError: it is not within those hosts, or not as safe.
    """
    try:
        old, new = urlsplit(url), urlsplit(urljoin(url, place))
        own = new.hostname == old.hostname
        if (own or new.hostname in hosts) and new.scheme in (old.scheme, f"{old.scheme}s"):
            login = old.netloc.rpartition("@")[0] if own else ""
            port = f":{new.port}" if new.port is not None else ""
            host = f"[{new.hostname}]" if ":" in (new.hostname or "") else new.hostname
            netloc = f"{login}@{host}{port}" if login else f"{host}{port}"
            return urlunsplit(SplitResult(new.scheme, netloc, new.path, new.query, ""))
    except ValueError:
        pass
    where = printable(masked(place[:200]))
    raise LostError(
        f"it redirects to {where}, which is not within its host; give that address if it is right, or allow "
        "its host, #hosts=NAME"
    )
