"""YAML as this project reads it: plain values, keys once, and no more of them than are written."""

import re
from math import inf
from typing import Any

import yaml

# With what aliases stand for, which may make a gigabyte of a hundred bytes; or two for each letter.
MOST_VALUES = 100_000
DEEPEST = 50

# YAML 1.2's core schema without its infinities: YAML 1.1, which PyYAML reads, takes 1:30 for 90, 010 for 8,
# no for false and 2026-11-28 for a date.
_PLAIN = (
    ("null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    ("int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)"), list("-+0123456789")),
    (
        "float",
        re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"),
        list("-+.0123456789"),
    ),
)
_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Reads scalars by `_PLAIN` alone."""


_Loader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in _PLAIN:
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern.pattern})\Z"), _first)


def parse_yaml(text: str) -> Any:
    """The value of a YAML document: None, bool, int, float, str, list or dict; None where it is empty.

    Raises:
        ValueError: what is wrong, and in which line; never with the line's text, which may hold a password.
    """
    try:
        node = _Loader(text).get_single_node()
        return None if node is None else _Values(len(text)).of(node, ())
    except yaml.MarkedYAMLError as error:
        what = error.problem or error.context or "it cannot be parsed"
        raise ValueError(f"{what}{_line(error.problem_mark or error.context_mark)}") from None
    except yaml.YAMLError as error:  # characters that YAML does not allow
        raise ValueError(getattr(error, "reason", None) or type(error).__name__) from None
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST} deep") from None


class _Values:
    """Makes values of nodes, and counts them."""

    def __init__(self, letters: int) -> None:
        self._most = self._left = max(MOST_VALUES, 2 * letters)

    def of(self, node: yaml.Node, above: tuple[yaml.Node, ...]) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"it holds more than {self._most} values, counting what its aliases stand for")
        if any(node is one for one in above):
            raise ValueError(f"it holds itself, by an alias{_line(node.start_mark)}")
        if len(above) >= DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep{_line(node.start_mark)}")
        inside = (*above, node)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.of(one, inside) for one in node.value]
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            found: dict[Any, Any] = {}
            for key_node, value in node.value:
                key = self.of(key_node, inside)
                if key is None or isinstance(key, list | dict):
                    raise ValueError(f"a key is no text and no number{_line(key_node.start_mark)}")
                if key in found:
                    raise ValueError(f"the key {key!s:.40} comes twice{_line(key_node.start_mark)}")
                found[key] = self.of(value, inside)
            return found
        return self._scalar(node)

    def _scalar(self, node: yaml.Node) -> Any:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if not isinstance(node, yaml.ScalarNode) or kind not in {"str", *(name for name, *_ in _PLAIN)}:
            raise ValueError(f"values of the kind {node.tag:.60} are not read{_line(node.start_mark)}")
        if kind == "str":
            return text
        if not any(name == kind and pattern.fullmatch(text) for name, pattern, _ in _PLAIN):
            raise ValueError(f"a value is no {kind}{_line(node.start_mark)}")
        if kind in {"int", "float"} and len(text) > 100:
            raise ValueError(f"a number has {len(text)} digits{_line(node.start_mark)}")
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        number = int(text) if kind == "int" else float(text)
        if abs(number) == inf:
            raise ValueError(f"a number is too large{_line(node.start_mark)}")
        return number


def _line(mark: Any) -> str:
    return "" if mark is None else f", in line {mark.line + 1}"
