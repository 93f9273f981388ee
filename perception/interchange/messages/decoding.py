"""Serialised messages as objects with attributes, by the definition that comes with them."""

import json
import re
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeAlias

from perception.errors import SourceError
from perception.interchange.messages.channels import Schema

Data: TypeAlias = bytes | memoryview
Reader: TypeAlias = Callable[[Data], Any]

_CDR_HEADER = 4  # bytes
_IDL = "=" * 80 + "\nIDL: "


class UndecodableError(ValueError):
    """One message that is damaged, or says what cannot be; others of its topic may be whole."""


def message_reader(schema: Schema) -> Reader:
    """What turns the bytes of a message into an object; it raises UndecodableError where they are damaged.

    The definition decides, so that two logs, or two topics of one, may define a type differently. Messages of
    ROS that come without one (live ones, old bags) are read as the types that ROS itself has.

    Raises:
        SourceError: the encoding is not known, or the definition is missing or wrong.
        ModuleNotFoundError: the package that reads this encoding is not installed.
    """
    match schema.message_encoding:
        case "protobuf":
            return _protobuf_reader(schema)
        case "cdr" | "ros1":
            return _ros_reader(schema)
        case "json":
            return _read_json
        case other:
            raise SourceError(
                f"messages {schema.name} are encoded as {other or 'nothing known'!r}; protobuf, cdr, ros1 "
                "and json can be read"
            )


def nanoseconds(time: Any) -> int:
    """A time of any family of messages, in ns.

    Raises:
        UndecodableError: its nanoseconds make a second or more.
    """
    seconds = time.sec if hasattr(time, "sec") else time.seconds
    names = [name for name in ("nanosec", "nsec", "nanos") if hasattr(time, name)]
    fraction = getattr(time, names[0]) if names else 0
    if not (isinstance(seconds, int) and isinstance(fraction, int) and 0 <= fraction < 10**9):
        raise UndecodableError(f"its time is {seconds!r} s and {fraction!r} ns")
    return int(seconds) * 10**9 + int(fraction)


def _protobuf_reader(schema: Schema) -> Reader:
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - of an extra
    from mcap.exceptions import McapError  # noqa: PLC0415
    from mcap.records import Schema as Record  # noqa: PLC0415
    from mcap_protobuf.decoder import DecoderFactory  # noqa: PLC0415

    record = Record(data=schema.definition, encoding=schema.encoding, id=1, name=schema.name)
    try:
        parse: Any = DecoderFactory().decoder_for("protobuf", record)
    except (McapError, DecodeError, TypeError, KeyError, UnicodeDecodeError) as error:
        raise SourceError(f"the definition of {schema.name} is damaged ({_words(error)})") from error
    if parse is None:
        raise SourceError(f"the definition of {schema.name} is {schema.encoding or 'missing'}, not protobuf")

    def read(data: Data) -> Any:
        try:
            return parse(data)
        except DecodeError as error:
            raise UndecodableError(f"no {schema.name} ({_words(error)})") from error

    return read


def _ros_reader(schema: Schema) -> Reader:
    from rosbags.serde import SerdeError  # noqa: PLC0415 - of an extra
    from rosbags.typesys import Stores, TypesysError, get_typestore  # noqa: PLC0415

    cdr = schema.message_encoding == "cdr"
    name = schema.name if "/msg/" in schema.name else schema.name.replace("/", "/msg/", 1)
    try:
        if schema.definition:
            store = get_typestore(Stores.EMPTY)
            store.register(_ros_types(schema, name))
        else:
            store = get_typestore(Stores.LATEST if cdr else Stores.ROS1_NOETIC)
        store.get_msgdef(name)
    except (TypesysError, KeyError, ValueError, RecursionError) as error:
        missing = "is damaged" if schema.definition else "is missing, and it is none of ROS's own"
        raise SourceError(f"the definition of {schema.name} {missing} ({_words(error)})") from error
    deserialise = store.deserialize_cdr if cdr else store.deserialize_ros1

    def read(data: Data) -> Any:
        if cdr and len(data) < _CDR_HEADER:
            raise UndecodableError(f"no {schema.name}: it has {len(data)} bytes")
        if cdr and data[:2] not in (b"\0\0", b"\0\1"):
            raise SourceError(
                f"a message {schema.name} begins with {bytes(data[:2]).hex(' ')}; only plain CDR (00 00, "
                "00 01) can be read, as ROS 2 writes it"
            )
        try:
            return deserialise(data, name)
        except (SerdeError, struct.error, ValueError, IndexError) as error:
            raise UndecodableError(f"no {schema.name} ({_words(error)})") from error

    return read


def _ros_types(schema: Schema, name: str) -> Any:
    from rosbags.typesys import get_types_from_idl, get_types_from_msg  # noqa: PLC0415

    text = schema.definition.decode()
    if schema.encoding != "ros2idl":
        return get_types_from_msg(text, name)
    parts = [part.partition("\n")[2] for part in text.split(_IDL)[1:]] or [text]
    plain = (re.sub(r"(?m)^#.*$", "", part) for part in parts)  # its parser knows no #include
    return {name: types for part in plain for name, types in get_types_from_idl(part).items()}


def _read_json(data: Data) -> Any:
    try:
        message = json.loads(bytes(data), object_hook=lambda fields: SimpleNamespace(**fields))
    except (ValueError, RecursionError) as error:
        raise UndecodableError(f"not JSON ({_words(error)})") from error
    if not isinstance(message, SimpleNamespace):
        raise UndecodableError("its JSON is no object")
    return message


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
