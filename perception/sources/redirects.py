"""Where cameras redirect to: only within their own host, as what is read must not be theirs to choose."""

import base64
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit

from perception.redact import masked, printable
from perception.sources.connection import LostError
from perception.sources.trust import Trust

MOST = 5  # times one after another


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


def moved(url: str, place: str) -> str:
    """The place that a URL redirects to, with the same user and password.

    Raises:
        LostError: it is not within the same host, or not as safe.
    """
    try:
        old, new = urlsplit(url), urlsplit(urljoin(url, place))
        if new.hostname == old.hostname and new.scheme in (old.scheme, f"{old.scheme}s"):
            login = old.netloc.rpartition("@")[0]
            port = f":{new.port}" if new.port is not None else ""
            host = f"[{new.hostname}]" if ":" in (new.hostname or "") else new.hostname
            netloc = f"{login}@{host}{port}" if login else f"{host}{port}"
            return urlunsplit(SplitResult(new.scheme, netloc, new.path, new.query, ""))
    except ValueError:
        pass
    where = printable(masked(place[:200]))
    raise LostError(
        f"it redirects to {where}, which is not within its host; give that address if it is right"
    )
