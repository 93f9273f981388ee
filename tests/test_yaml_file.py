"""YAML of strangers: plain values or one clear error, in little time and memory."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from perception.errors import ConfigError
from perception.parsing import parse_json, read_yaml
from perception.yaml_file import parse_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("a: 1\nb: [2.5, -3e2, .5]\nc: {d: true, e: null, f: ~}", {"a": 1, "b": [2.5, -300.0, 0.5],
         "c": {"d": True, "e": None, "f": None}}),
        ("[1:30, 1:30.5, 010, 0o10, 0x1F, 1_000, +5, -0]",
         ["1:30", "1:30.5", "010", "0o10", "0x1F", "1_000", 5, 0]),
        ("[no, yes, on, off, y, NO, .inf, -.Inf, .nan, inf, nan]",
         ["no", "yes", "on", "off", "y", "NO", ".inf", "-.Inf", ".nan", "inf", "nan"]),
        ("[2026-11-28, 2026-11-28T10:30:00Z, '1', \"a\\u1234\", !!str 5]",
         ["2026-11-28", "2026-11-28T10:30:00Z", "1", "a\u1234", "5"]),
        ("a: &x [1, 2]\nb: *x\nc: [*x, *x]", {"a": [1, 2], "b": [1, 2], "c": [[1, 2], [1, 2]]}),
        ("names: {0: car, 1: bus}", {"names": {0: "car", 1: "bus"}}),
    ],
)  # fmt: skip
def test_values(text: str, value: Any) -> None:
    assert parse_yaml(text) == value
    assert repr(parse_yaml(text)) == repr(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "more than 100000 values"),
        ("a: &a [*a]", "holds itself"),
        ("&a {b: {c: *a}}", "holds itself"),
        ("[" * 5000, "nested more than"),
        ("a:\n  - " + "- " * 200 + "x", "nested more than"),
        ("{a: 1, b: 2, a: 3}", "the key a comes twice, in line 1"),
        ("a: 1\nb:\n  c: 1\n  c: 2", "the key c comes twice, in line 4"),
        ("a: !!python/object/apply:os.system ['id']", "values of the kind tag:yaml.org,2002:python"),
        ("a: !!timestamp nonsense", "are not read"),
        ("a: !!binary '%'", "are not read"),
        ("a: !!set {b, c}", "are not read"),
        ("a: !!int abc", "is no int"),
        ("a: !!int ''", "is no int"),
        ("a: !!float .inf", "is no float"),
        ("a: !!bool maybe", "is no bool"),
        ("a: 1e999", "too large"),
        ("a: " + "9" * 5000, "5000 digits"),
        ("? [1, 2]\n: x", "no text and no number"),
        ("a: *nowhere", "undefined alias"),
        ("<<: {a: 1}", None),
        ("a: [1, 2", "in line 1"),
        ("a: 'secret", "in line 1"),
        ("\x00", "not allowed"),
        ("--- a\n--- b", "another document"),
    ],
)
def test_what_is_refused(text: str, words: str | None, tmp_path: Path) -> None:
    if words is None:
        assert parse_yaml(text) == {"<<": {"a": 1}}  # a key like others
        return
    with pytest.raises(ValueError, match=words) as refused:
        parse_yaml(text)
    assert "secret" not in str(refused.value) and len(str(refused.value)) < 300
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_yaml(path)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    for data, words in ((b"\xff\xfe", "cannot be read"), (b"#" * 2_000_000, "longer than 256 KiB")):
        path.write_bytes(data)
        with pytest.raises(ConfigError, match=words):
            read_yaml(path)
    for odd in (tmp_path, Path("/dev/zero"), tmp_path / "a\0b", tmp_path / ("x" * 300)):
        with pytest.raises(ConfigError):
            read_yaml(odd)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=5), one, max_size=3),
    max_leaves=8,
)


@given(plain)
def test_what_others_write_is_read(value: Any) -> None:
    assert parse_yaml(yaml.safe_dump(value, default_style='"')) == value


pieces = st.sampled_from(
    ["a", ": ", "- ", "[", "]", "{", "}", "&x ", "*x", "!!int ", "!!float ", "? ", "\n", "  ", "'", '"', "|",
     ">", "%", "---", "...", "#", ",", "1:30", ".inf", "\t", "\0", "<<", "!<x>", "@", "`",
     "\x85", "\ufeff", "\\"]
)  # fmt: skip


@given(st.lists(pieces, max_size=30).map("".join) | st.text(max_size=60))
def test_nothing_else_is_raised(text: str) -> None:
    try:
        parse_yaml(text)
    except ValueError as error:
        assert len(str(error)) < 400


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "[" * 100_000, "9" * 5000, "{", b"\xff"])
def test_json_that_is_none(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=""):
        parse_json(text)
