"""The language of `perception mine --where`: conditions on one road user and its frame, made into SQL.

    query = all {"or" all}
    all   = one {"and" one}
    one   = "not" one | "(" query ")" | "known" "(" COLUMN ")" | CLASS | test
    test  = value (== | != | < | <= | > | >=) value {…}        5 < distance < 10
          | COLUMN "in" "(" value {"," value} ")"               status in (stale, unreliable)
          | COLUMN "contains" text                              reasons contains blurred
    value = COLUMN | NUMBER | WORD | 'TEXT' | "TEXT" | "count" "(" query ")"

A frame is found where the query holds for one of its road users. A frame without any counts as one whose
columns of a road user are NULL. CLASS alone means that it is one of that class, `count(query)` is the number
of the frame's road users for which a query holds. As in SQL, a comparison with NULL is neither true nor
false, and neither is its negation. Values reach DuckDB as parameters, and columns come from `COLUMNS`: no
text of a user's becomes SQL.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from typing import Literal, NamedTuple

from perception.errors import ConfigError
from perception.fleet.columns import COLUMNS, Kind
from perception.scene import Status

LONGEST = 2000  # characters
DEEPEST = 40  # parentheses and nots in one another
MOST_SHOWN = 40  # of what is known: there may be thousands of drives
_DIGITS = 15  # all such whole numbers are exact
_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])"
    r"|(?P<word>[^\W\d][\w-]*)|(?P<text>'[^']*'|\"[^\"]*\")|(?P<sign>[=!<>]=|[<>(),]))"
)
_SQL = {"==": "=", "!=": "<>"}
_RESERVED = {"and", "or", "not", "in", "contains", "known", "count"}


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class _Value(NamedTuple):
    sql: str
    kind: Kind | Literal["word"]
    token: _Token


class _Test(NamedTuple):
    sql: str
    class_name: str = ""  # where it is nothing but that


@dataclass
class Query:
    """A query as SQL over rows of the table, with columns `n0`, `n1` and so on for its counts.

    Attributes:
        where: true for the rows that are found.
        counts: for each count, what is true for the rows that it counts.
        parameters: by name, without their $.
        columns: those that it names.
    """

    where: str = ""
    counts: list[str] = field(default_factory=list)
    parameters: dict[str, str | int | float] = field(default_factory=dict)
    columns: set[str] = field(default_factory=set)


def parse(text: str, classes: Collection[str], drives: Collection[str] | None = None) -> Query:
    """The query as SQL; `classes` are the names of road users, `drives` all there are, where that is known.

    Raises:
        ConfigError: it is no query, or names what is not known.
    """
    return _Parser(text, sorted(classes), drives).query()


class _Parser:
    def __init__(self, text: str, classes: list[str], drives: Collection[str] | None) -> None:
        self._text, self._classes = text, classes
        self._known: dict[str, list[str]] = {"status": list(Status), "class": classes}
        self._known |= {} if drives is None else {"drive": sorted(drives)}
        self._found = Query()
        self._depth = 0
        if len(text) > LONGEST:
            raise ConfigError(f"--where: {len(text)} characters, at most {LONGEST}")
        self._tokens = self._split()
        self._next = 0

    def query(self) -> Query:
        self._found.where = self._any().sql
        if self._token.kind != "end":
            raise self._error(f"expected and, or, or the end, not {_shown(self._token)}")
        return self._found

    def _split(self) -> list[_Token]:
        tokens, at, end = [], 0, len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if match is None:
                rest = self._text[at:].lstrip()
                hint = "; write == for equal" if rest.startswith("=") else ""
                raise self._error(f"{rest[:12]!r} is not understood{hint}", end - len(rest.rstrip()))
            kind = str(match.lastgroup)
            tokens.append(_Token(kind, match[kind], match.start(kind)))
            at = match.end()
        return [*tokens, _Token("end", "", end)]

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *texts: str) -> str:
        """The next word or sign where it is one of these."""
        token = self._token
        if token.kind in {"word", "sign"} and token.text in texts:
            self._next += 1
            return token.text
        return ""

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._error(f"expected {text!r}, not {_shown(self._token)}")

    def _any(self) -> _Test:
        tests = [self._all()]
        while self._take("or"):
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else _Test(f"({' OR '.join(one.sql for one in tests)})")

    def _all(self) -> _Test:
        tests = [self._one()]
        while self._take("and"):
            tests.append(self._one())
        names = list(dict.fromkeys(one.class_name for one in tests if one.class_name))
        if len(names) > 1:
            raise self._error(
                f"one road user is not both {names[0]} and {names[1]}; for a frame with both, write "
                f"{names[0]} and count({names[1]}) >= 1"
            )
        return tests[0] if len(tests) == 1 else _Test(f"({' AND '.join(one.sql for one in tests)})")

    def _one(self) -> _Test:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(f"nested more than {DEEPEST} deep")
        test = self._nested()
        self._depth -= 1
        return test

    def _nested(self) -> _Test:
        if self._take("not"):
            return _Test(f"(NOT {self._one().sql})")
        if self._take("("):
            inner = self._any()
            self._expect(")")
            return inner
        if self._take("known"):
            self._expect("(")
            column = self._column()
            self._expect(")")
            return _Test(f"({column.sql} IS NOT NULL)")
        return self._test()

    def _test(self) -> _Test:
        left = self._value()
        if self._take("in"):
            return self._listed(left)
        if self._take("contains"):
            if left.token.text not in COLUMNS or left.kind != "text":
                raise self._error(f"{left.token.text!r} is no column of text, which alone contains something")
            text = self._value()
            if text.kind == "number" or text.token.text in COLUMNS:
                raise self._error(f"contains takes a word or 'some text', not {text.token.text!r}")
            return _Test(f"contains(lower({left.sql}), lower({self._parameter(_unquoted(text.token))}))")
        tests = []
        while sign := self._take("==", "!=", "<=", ">=", "<", ">"):
            right = self._value()
            tests.append(self._compared(left, sign, right))
            left = right
        if tests:
            return _Test(tests[0] if len(tests) == 1 else f"({' AND '.join(tests)})")
        if left.kind == "word" and left.token.text in self._classes:
            return _Test(f"(class = {self._parameter(left.token.text)})", left.token.text)
        if left.kind == "word":
            raise self._unknown(left.token, "column or class", [*COLUMNS, *self._classes])
        raise self._error(f"{left.token.text!r} is compared with nothing; write such as distance < 10")

    def _listed(self, left: _Value) -> _Test:
        self._expect("(")
        tests = [self._compared(left, "==", self._value())]
        while self._take(","):
            tests.append(self._compared(left, "==", self._value()))
        self._expect(")")
        return _Test(f"({' OR '.join(tests)})")

    def _compared(self, left: _Value, sign: str, right: _Value) -> str:
        kinds = {left.kind, right.kind}
        words = [one for one in (left, right) if one.kind == "word"]
        if words and "text" not in kinds:
            raise self._unknown(words[0].token, "column", [*COLUMNS])
        if kinds == {"number", "text"}:
            raise self._error(f"{left.token.text} and {right.token.text}: a number is not compared with text")
        if "text" in kinds and sign not in {"==", "!="}:
            raise self._error(f"text is compared by == and != only, not by {sign}")
        sides = [self._side(one, other) for one, other in ((left, right), (right, left))]
        return f"({sides[0]} {_SQL.get(sign, sign)} {sides[1]})"

    def _side(self, value: _Value, other: _Value) -> str:
        """A column or a number as it is; a word must be one that the column on the other side can hold."""
        if value.sql:
            return value.sql
        word = _unquoted(value.token)
        allowed = self._known.get(other.token.text)
        if allowed is not None and word not in allowed:
            raise self._unknown(value.token, other.token.text, allowed)
        return self._parameter(word)

    def _value(self) -> _Value:
        token = self._token
        self._next += 1
        if token.kind == "number":
            return _Value(self._parameter(self._number(token)), "number", token)
        if token.kind == "text":
            return _Value("", "text", token)
        if token.kind == "word" and token.text == "count":
            self._expect("(")
            number = len(self._found.counts)
            inner = self._any().sql
            self._expect(")")
            if len(self._found.counts) > number:
                raise self._error("a count within a count", token.at)
            self._found.counts.append(inner)
            return _Value(f"n{number}", "number", token)
        if token.kind == "word" and token.text in COLUMNS:
            self._next -= 1
            return self._column()
        if token.kind == "word" and token.text not in _RESERVED:
            return _Value("", "word", token)
        self._next -= 1
        raise self._error(f"expected a condition, such as distance < 10, not {_shown(token)}")

    def _column(self) -> _Value:
        token = self._token
        if token.kind != "word" or token.text not in COLUMNS:
            raise self._unknown(token, "column", [*COLUMNS])
        self._next += 1
        self._found.columns.add(token.text)
        return _Value(COLUMNS[token.text].sql, COLUMNS[token.text].kind, token)

    def _number(self, token: _Token) -> int | float:
        if token.text.lstrip("-").isdigit() and len(token.text.lstrip("-")) <= _DIGITS:
            return int(token.text)
        number = float(token.text)
        if abs(number) == float("inf"):
            raise self._error(f"{token.text} is too large a number", token.at)
        return number

    def _parameter(self, value: str | float) -> str:
        name = f"p{len(self._found.parameters)}"
        self._found.parameters[name] = value
        return f"${name}"

    def _unknown(self, token: _Token, what: str, allowed: Collection[str]) -> ConfigError:
        word = _unquoted(token)
        near = get_close_matches(word, allowed, n=3)
        left = len(allowed) - MOST_SHOWN
        shown = [*allowed] if left <= 0 else [*islice(allowed, MOST_SHOWN), f"and {left:,} more"]
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        return self._error(f"{word!r} is no {what}; {meant}known: {', '.join(shown)}", token.at)

    def _error(self, words: str, at: int | None = None) -> ConfigError:
        place = self._token.at if at is None else at
        return ConfigError(f"--where: {words} (at character {place + 1} of {self._text!r})")


def _unquoted(token: _Token) -> str:
    return token.text[1:-1] if token.kind == "text" else token.text


def _shown(token: _Token) -> str:
    return repr(token.text) if token.text else "the end"
