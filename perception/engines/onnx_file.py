"""Facts from an ONNX file, read without the package `onnx`."""

import re
from collections.abc import Iterator
from pathlib import Path

_MODEL_GRAPH, _GRAPH_NODE, _NODE_NAME, _NODE_OPERATOR = 7, 1, 3, 4
_MODEL_OPSET, _SET_DOMAIN, _SET_VERSION = 8, 1, 2  # numbers of the fields in onnx.proto
_FIXED = {1: 8, 5: 4}  # bytes of the wire types that have a fixed size


def opset(graph: bytes) -> int | None:
    """The version of ONNX's own operators that the graph is written in; None where it says none.

    Raises:
        ValueError: it is not a protobuf message.
    """
    for number, value in _fields(graph):
        if number == _MODEL_OPSET and isinstance(value, memoryview):
            operators = dict(_fields(value))
            version = operators.get(_SET_VERSION)
            if not operators.get(_SET_DOMAIN) and isinstance(version, int):
                return version
    return None


def layers(graph: bytes) -> Iterator[tuple[str, str]]:
    """Name and operator of each layer.

    Raises:
        ValueError: it is not a protobuf message.
    """
    for number, value in _fields(graph):
        if number == _MODEL_GRAPH and isinstance(value, memoryview):
            for kind, node in _fields(value):
                if kind == _GRAPH_NODE and isinstance(node, memoryview):
                    said = {
                        k: bytes(v).decode()
                        for k, v in _fields(node)
                        if isinstance(v, memoryview) and k in (_NODE_NAME, _NODE_OPERATOR)
                    }
                    yield said.get(_NODE_NAME, ""), said.get(_NODE_OPERATOR, "")


def named(path: Path, message: str) -> str:
    """The layers that a runtime's error message about operators concerns, to be appended to it."""
    try:
        found = [(name, operator) for name, operator in layers(path.read_bytes()) if name]
    except (ValueError, OSError):
        return ""  # then the message is about that
    words = set(re.findall(r"\w+", message))
    concerned = [(name, operator) for name, operator in found if operator in words and name not in message]
    first = ", ".join(f"{operator} in the layer {name!r}" for name, operator in concerned[:3])
    return f" ({first}{', …' if concerned[3:] else ''})" if concerned else ""


def _fields(message: bytes | memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a protobuf message."""
    rest = memoryview(message)
    while rest:
        tag, rest = _varint(rest)
        value: int | memoryview
        if tag & 7 == 0:
            value, rest = _varint(rest)
        else:
            size = _FIXED.get(tag & 7)
            if tag & 7 == 2:
                size, rest = _varint(rest)
            if size is None or size > len(rest):
                raise ValueError("not a protobuf message, or a truncated one")
            value, rest = rest[:size], rest[size:]
        yield tag >> 3, value


def _varint(rest: memoryview) -> tuple[int, memoryview]:
    value = 0
    for place, byte in enumerate(rest[:10]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, rest[place + 1 :]
    raise ValueError("not a protobuf message, or a truncated one")
