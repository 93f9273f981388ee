"""What an ONNX file says of itself, read without the package `onnx`."""

from collections.abc import Iterator

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
                raise ValueError("not a protobuf message, or one that was cut short")
            value, rest = rest[:size], rest[size:]
        yield tag >> 3, value


def _varint(rest: memoryview) -> tuple[int, memoryview]:
    value = 0
    for place, byte in enumerate(rest[:10]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, rest[place + 1 :]
    raise ValueError("not a protobuf message, or one that was cut short")
