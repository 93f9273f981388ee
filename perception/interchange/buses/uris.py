"""What the URIs of buses say, for sources and sinks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from perception.uri import Uri

_ROS_NAME = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)+")
_KEY = re.compile(r"[^/*$#?\s]+(/[^/*$#?\s]+)*")
_ENDPOINT = re.compile(r"(tcp|udp|tls|quic|ws|unixsock-stream)/\S+")

ZENOH_OPTIONS: Mapping[str, str] = {
    "connect": "where a router or a peer listens [default, without listen and config: tcp/127.0.0.1:7447]",
    "listen": "where others reach this end, such as tcp/127.0.0.1:7448",
    "config": "a configuration file of Zenoh, which then says everything",
}


@dataclass(frozen=True, slots=True)
class ZenohOptions:
    """Where a session meets others: endpoints of Zenoh, or a file."""

    connect: str = ""
    listen: str = ""
    config: Path | None = None


def check_ros_name(uri: Uri, example: str) -> None:
    """Raises: ConfigError: the place is no absolute name of ROS."""
    if not _ROS_NAME.fullmatch(uri.place):
        parts = "each part of letters, digits and _, no digit first"
        raise uri.error(f"needs a name that begins with /, {parts}, such as {example}")


def zenoh_options(uri: Uri, example: str) -> ZenohOptions:
    """Raises: ConfigError: the place is no key of Zenoh, or an option is wrong."""
    if not _KEY.fullmatch(uri.place):
        raise uri.error(f"needs a key: no / at its ends, no wildcards, such as {example}")
    options = ZenohOptions(**uri.options({"connect": _endpoint, "listen": _endpoint, "config": Path}))
    if options.config and (options.connect or options.listen):
        raise uri.error("config says where to meet others; leave connect and listen to it")
    return options


def _endpoint(text: str) -> str:
    if not _ENDPOINT.fullmatch(text):
        raise ValueError("an endpoint is such as tcp/127.0.0.1:7447")
    return text
