"""What the node sees, live in Foxglove's app: `foxglove://127.0.0.1:8765`."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from perception.extras import load_late
from perception.sinks.base import Opening, Sink, SinkKind, SinkUri
from perception.sinks.web.address import is_loopback
from perception.uri import Uri

HOST, PORT = "127.0.0.1", 8765
EXAMPLE = f"foxglove://{HOST}:{PORT}"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where the server listens: `host` without the brackets of IPv6; `port` 0: any free one."""

    host: str = HOST
    port: int = PORT


def _read(uri: Uri) -> ServerAddress:
    try:
        parts = urlsplit(uri.text)
        host, port = parts.hostname or HOST, PORT if parts.port is None else parts.port
    except ValueError as error:
        raise uri.error(f"{error}; it is {EXAMPLE}") from error
    if parts.username or parts.path.strip("/") or parts.fragment:
        raise uri.error(f"not a server's address; it is {EXAMPLE}")
    uri.options({}, parts.query)
    if not is_loopback(host):
        raise uri.error(
            f"{host} can be reached by others, who would see the camera: the server of Foxglove's SDK knows "
            f"no token; bind to {HOST}; ssh -L {PORT}:{HOST}:{PORT} CAR reaches it from elsewhere"
        )
    return ServerAddress(host, port)


def _open(given: SinkUri, how: Opening) -> Sink:
    opener = load_late("perception.sinks.foxglove_server:FoxgloveSink", f"sink {given}")
    sink: Sink = opener(given.options, how.classes)
    return sink


KIND = SinkKind(
    f"a live server for Foxglove ({EXAMPLE})",
    _open,
    read=_read,
    shared=True,
    viewers=True,
    needs=("foxglove", "foxglove_schemas_protobuf"),
)
