"""URIs of sources and sinks: read once, where they come in, into the kind, the place and typed options."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import parse_qsl

from perception.errors import ConfigError
from perception.extras import explain, load_plugin, missing, registered
from perception.redact import masked, printable

T = TypeVar("T")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")


@dataclass(frozen=True, slots=True)
class Uri:
    """The parts of a URI; `str` and `repr` of it show no secrets.

    Attributes:
        role: "source" or "sink", for messages.
        text: as the user wrote it, with its secrets.
        scheme: what stands before the colon; empty for a path.
        rest: what follows the colon; all of a path.
        place: that, up to the question mark.
        query: what follows the question mark.
        shown: the text with secrets as ***.
    """

    role: str
    text: str = field(repr=False)
    scheme: str
    rest: str = field(repr=False)
    place: str = field(repr=False)
    query: str = field(repr=False)
    shown: str

    def __str__(self) -> str:
        return self.shown

    def error(self, words: str) -> ConfigError:
        return ConfigError(f"{self.role} {self.shown}: {printable(words)}")

    def options(self, known: Mapping[str, Callable[[str], Any]], query: str | None = None) -> dict[str, Any]:
        """The options of the query, each read by its reader, which raises ValueError with what is allowed.

        Args:
            query: where they stand elsewhere than behind the question mark.

        Raises:
            ConfigError: an option is unknown, given twice, or has a wrong value.
        """
        values: dict[str, Any] = {}
        pairs = parse_qsl(self.query if query is None else query, keep_blank_values=True)
        for name, text in pairs:
            if name not in known:
                there = f"known are {', '.join(known)}" if known else "it takes none"
                raise self.error(f"unknown option {printable(masked(name))}; {there}")
            if name in values:
                raise self.error(f"{name} is given twice; give it once")
            try:
                values[name] = known[name](text)
            except ValueError as error:
                raise self.error(f"{name} = {masked(text)!r} is refused; {error}") from None
        return values


def one_of(allowed: Mapping[str, T] | Sequence[T]) -> Callable[[str], T]:
    """A reader of an option: one of these names, or what it stands for."""
    values = allowed if isinstance(allowed, Mapping) else {str(one): one for one in allowed}

    def read(text: str) -> T:
        if text not in values:
            raise ValueError(f"allowed are {', '.join(values)}")
        return values[text]

    return read


def switch(text: str) -> bool:
    """The value of an option that is 1 or 0."""
    if text not in ("0", "1"):
        raise ValueError("allowed are 0 and 1")
    return text == "1"


def exists(path: Path) -> bool:
    """Whether there is such a file or folder; false also of a name that no file can have."""
    try:
        return path.exists()
    except OSError:
        return False


class Kind(Protocol):
    """What each kind of source or sink says of itself.

    Attributes:
        grammar: what its URIs look like, for people, such as "an H.264 video (out.mp4)"; empty: not listed.
        read: its options, typed; raises ConfigError where they are wrong.
        on_disk: the URI names a file or a folder.
        options: the options that `read` takes, each with what it does, for people.
        needs: modules of extras.
    """

    @property
    def needs(self) -> tuple[str, ...]: ...
    @property
    def grammar(self) -> str: ...
    @property
    def read(self) -> Callable[[Uri], Any]: ...
    @property
    def on_disk(self) -> bool: ...
    @property
    def options(self) -> Mapping[str, str]: ...


K = TypeVar("K", bound=Kind)


@dataclass(frozen=True, slots=True)
class Resolved(Generic[K]):
    """A URI with the kind that it names and the options that this kind has read from it."""

    uri: Uri
    kind: K
    options: Any = field(repr=False)

    def __str__(self) -> str:
        return self.uri.shown

    def check_needs(self) -> None:
        """Raises: ConfigError: a module is missing, and what brings it."""
        for module in missing(self.kind.needs):
            words = explain(ModuleNotFoundError(name=module), f"{self.uri.role} {self}")
            raise ConfigError(words)

    @property
    def path(self) -> Path | None:
        """The file or folder that it names; None where it names none."""
        return Path(self.uri.place) if self.kind.on_disk else None


class Kinds(Generic[K]):
    """All kinds of sources, or of sinks, each imported when a URI of it is read.

    Args:
        role: "source" or "sink"; other distributions register kinds under the group "perception.sources" or
            "perception.sinks".
        kind: the class of what is registered.
        table: names → "module:ATTRIBUTE". A name is a scheme, the suffix of a file, "/" for a folder or ".*"
            for every other file; a kind with several has a space between them.
        name_of: which of these names a path has.
    """

    def __init__(
        self, role: str, kind: type[K], table: Mapping[str, str], name_of: Callable[[str], str]
    ) -> None:
        self._role, self._kind, self._name_of = role, kind, name_of
        self._group = f"perception.{role}s"
        self._own = {
            name: EntryPoint(name, where, self._group)
            for names, where in table.items()
            for name in names.split()
        }

    def parse(self, text: str) -> Resolved[K]:
        """Read a URI.

        Raises:
            ConfigError: no kind is known by it, a plug-in does not load, or an option is wrong.
        """
        if "\0" in text:
            raise ConfigError(f"{self._role} {printable(masked(text))}: holds the character NUL")
        if text == "-":
            raise Uri(self._role, text, "", text, text, "", text).error(
                f"standard input and output are none; a {self._role} is {self.grammar()}"
            )
        scheme, colon, rest = text.partition(":")
        if not (colon and _SCHEME.fullmatch(scheme) and (rest.startswith("//") or self._find(scheme))):
            scheme, rest = "", text
        # A file that is read may have a question mark in its name.
        literal = self._role == "source" and not scheme and exists(Path(text))
        place, _, query = (rest, "", "") if literal else rest.partition("?")
        uri = Uri(self._role, text, scheme, rest, place, query, printable(masked(text)))
        name = scheme or self._name_of(place)
        entry = self._find(name) or (None if scheme else self._find(".*"))
        unknown, before = f"{name}://" if scheme else name, text.partition(":")[0]
        if (
            name == "/"
            and colon
            and _SCHEME.fullmatch(before)
            and not (place[-1:] == "/" or exists(Path(place)))
        ):
            entry, unknown = None, f"{before}:"  # ros:/car is hardly meant to be a folder
        if entry is None:
            raise uri.error(f"unknown kind {unknown}; a {self._role} is {self.grammar()}")
        kind = load_plugin(entry, f"{self._role} {uri}", self._kind)
        return Resolved(uri, kind, kind.read(uri))

    def grammar(self) -> str:
        """What a URI may be, for people; of plug-ins only the names, so that a broken one breaks nothing."""
        own = dict.fromkeys(load_plugin(one, self._role, self._kind).grammar for one in self._own.values())
        others = (f"{name} (of {one.dist.name})" for name, one in registered(self._group).items() if one.dist)
        *most, last = (*filter(None, own), *others)
        return f"{', '.join(most)} or {last}"

    def listed(self) -> list[K]:
        """All kinds that people may use, those of other distributions last.

        Raises:
            ConfigError: a plug-in does not load.
        """
        entries = [*self._own.values(), *registered(self._group).values()]
        kinds = [load_plugin(entry, f"{self._role} {entry.name}", self._kind) for entry in entries]
        return [kind for i, kind in enumerate(kinds) if kind.grammar and kind not in kinds[:i]]

    def _find(self, name: str) -> EntryPoint | None:
        return self._own.get(name) or registered(self._group).get(name)
