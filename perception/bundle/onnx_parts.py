"""What an ONNX file reads besides itself, found in its protobuf fields without any library."""

from collections.abc import Iterator

# Messages that tensors stand in: the field's number → what it holds (onnx.proto3).
_FIELDS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a tensor
_DEEPEST = 64


def reads_other_files(data: bytes) -> bool:
    """Whether tensors of an ONNX model lie in other files.

    Raises:
        ValueError: it is no protobuf.
    """
    waiting = [("model", 0, len(data), 0)]
    while waiting:
        kind, start, end, depth = waiting.pop()
        if depth > _DEEPEST:
            raise ValueError("is nested too deeply")
        for number, begin, stop in _fields(data, start, end):
            if kind == "tensor":
                if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and data[begin:stop] != b"\0"):
                    return True
            elif inner := _FIELDS[kind].get(number):
                waiting.append((inner, begin, stop, depth + 1))
    return False


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, begin and end of the content of each field of a message."""
    while at < end:
        key, at = _varint(data, at, end)
        begin = at
        match key & 7:
            case 0:
                _, at = _varint(data, at, end)
            case 1:
                at += 8
            case 2:
                size, begin = _varint(data, at, end)
                at = begin + size
            case 5:
                at += 4
            case _:
                raise ValueError("is no ONNX model")
        if at > end:
            raise ValueError("is no whole ONNX model")
        yield key >> 3, begin, at


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("is no whole ONNX model")
