"""Queries find what plain Python finds, with what is not known as SQL has it, and nothing else is SQL."""

from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from perception.fleet.search import search
from perception.scene import Status
from tests.fleet.records import CLASSES, Scene, doubts_of, drives, rows_of, write_drive

Row = dict[str, Any]
Truth = bool | None  # None: not known
FRAMES = Callable[[Row, list[Row]], Truth]

# What a column is, by hand, of the rows of `rows_of`.
VALUES: dict[str, Callable[[Row], Any]] = {
    "score": lambda row: row["score"],
    "track": lambda row: row["track"],
    "distance": lambda row: row["distance_m"],
    "lateral": lambda row: row["lateral_m"],
    "ttc": lambda row: row["ttc_s"],
    "x0": lambda row: row["x0"],
    "y1": lambda row: row["y1"],
    "width": lambda row: None if row["x0"] is None else row["x1"] - row["x0"],
    "height": lambda row: None if row["y0"] is None else row["y1"] - row["y0"],
    "area": lambda row: None if row["x0"] is None else (row["x1"] - row["x0"]) * (row["y1"] - row["y0"]),
    "sequence": lambda row: row["sequence"],
    "time": lambda row: row["stamp_ns"] / 1e9,
    "age": lambda row: row["age_ms"],
    "lanes": lambda row: row["lanes"],
    "road_offset": lambda row: row["road_offset_m"],
    "road_width": lambda row: row["road_width_m"],
    "curvature": lambda row: row["curvature_per_m"],
    "doubt": lambda row: row["doubt"],
}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


class Tree(NamedTuple):
    """A query as text, and what it means: of a row, and of all rows of its frame."""

    text: str
    holds: FRAMES


def compared(a: Any, sign: str, b: Any) -> Truth:
    return None if a is None or b is None else COMPARE[sign](a, b)


def both(truths: list[Truth]) -> Truth:
    return False if False in truths else None if None in truths else True


def either(truths: list[Truth]) -> Truth:
    return True if True in truths else None if None in truths else False


def negated(truth: Truth) -> Truth:
    return None if truth is None else not truth


NUMBERS = st.integers(-30, 100).map(lambda tenths: tenths / 10) | st.integers(-3, 40)
SIGNS = st.sampled_from(list(COMPARE))
COLUMN = st.sampled_from(list(VALUES))
EQUAL = st.sampled_from(["==", "!="])


def _number(column: str, sign: str, number: float) -> Tree:
    return Tree(f"{column} {sign} {number}", lambda row, _: compared(VALUES[column](row), sign, number))


def _between(low: float, column: str, high: float) -> Tree:
    def holds(row: Row, _: list[Row]) -> Truth:
        value = VALUES[column](row)
        return both([compared(low, "<", value), compared(value, "<=", high)])

    return Tree(f"{low}<{column}<={high}", holds)


def _columns(a: str, sign: str, b: str) -> Tree:
    return Tree(f"{a} {sign} {b}", lambda row, _: compared(VALUES[a](row), sign, VALUES[b](row)))


def _text(column: str, sign: str, word: str, quote: str) -> Tree:
    return Tree(f"{column} {sign} {quote}{word}{quote}", lambda row, _: compared(row[column], sign, word))


def _listed(column: str, words: list[str]) -> Tree:
    return Tree(
        f"{column} in ({', '.join(words)})",
        lambda row, _: either([compared(row[column], "==", w) for w in words]),
    )


def _class(name: str) -> Tree:
    return Tree(name, lambda row, _: compared(row["class"], "==", name))


def _known(column: str) -> Tree:
    return Tree(f"known({column})", lambda row, _: VALUES[column](row) is not None)


def _reasons(text: str) -> Tree:
    return Tree(
        f"reasons contains '{text}'", lambda row, _: text.lower() in "; ".join(row["reasons"]).lower()
    )


def _count(inner: Tree, sign: str, number: int) -> Tree:
    def holds(row: Row, frame: list[Row]) -> Truth:
        users = [one for one in frame if one["class"] is not None]  # a frame without any is one row of nobody
        return COMPARE[sign](sum(inner.holds(one, frame) is True for one in users), number)

    return Tree(f"count({inner.text}) {sign} {number}", holds)


def _all(parts: list[Tree]) -> Tree:
    # One road user is of one class: classes that stand next to one another are refused.
    parts = [p if p.text not in CLASSES else Tree(f"(not not {p.text})", p.holds) for p in parts]
    return Tree(
        f"({' and '.join(p.text for p in parts)})",
        lambda row, frame: both([p.holds(row, frame) for p in parts]),
    )


def _any(parts: list[Tree]) -> Tree:
    return Tree(
        f"({' or '.join(p.text for p in parts)})",
        lambda row, frame: either([p.holds(row, frame) for p in parts]),
    )


def _not(part: Tree) -> Tree:
    return Tree(f"not {part.text}", lambda row, frame: negated(part.holds(row, frame)))


TEXTS = st.one_of(
    st.builds(
        _text, st.just("class"), EQUAL, st.sampled_from(list(CLASSES)), st.sampled_from(["", "'", '"'])
    ),
    st.builds(_text, st.just("status"), EQUAL, st.sampled_from(list(Status)), st.sampled_from(["", "'"])),
    st.builds(_listed, st.just("class"), st.lists(st.sampled_from(list(CLASSES)), min_size=1, max_size=3)),
)
TESTS = st.one_of(
    st.builds(_number, COLUMN, SIGNS, NUMBERS),
    st.builds(_between, NUMBERS, COLUMN, NUMBERS),
    st.builds(_columns, COLUMN, SIGNS, COLUMN),
    TEXTS,
    st.builds(_class, st.sampled_from(list(CLASSES))),
    st.builds(_known, COLUMN),
    st.builds(_reasons, st.sampled_from(["Blur", "black", "12", ""])),
)


def grown(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.one_of(
        st.builds(_all, st.lists(inner, min_size=2, max_size=3)),
        st.builds(_any, st.lists(inner, min_size=2, max_size=3)),
        st.builds(_not, inner),
    )


INNER = st.recursive(TESTS, grown, max_leaves=4)
TREES = st.recursive(TESTS | st.builds(_count, INNER, SIGNS, st.integers(0, 3)), grown, max_leaves=6)


def expected(scenes: list[Scene], tree: Tree) -> list[int]:
    doubts = doubts_of(scenes)
    rows = [row | {"doubt": doubts[row["frame"]]} for row in rows_of(scenes)]
    frames = [[row for row in rows if row["frame"] == i] for i in range(len(scenes))]
    return [i for i, frame in enumerate(frames) if any(tree.holds(row, frame) is True for row in frame)]


@settings(max_examples=30)
@given(scenes=drives, trees=st.lists(TREES, min_size=1, max_size=4))
def test_a_query_finds_what_plain_python_finds(
    scenes: list[Scene], trees: list[Tree], tmp_path_factory: Any
) -> None:
    folder = write_drive(tmp_path_factory.mktemp("drive"), scenes)
    for tree in trees:
        found = search([folder], tree.text, 1e9, 1)
        sequences = [hit.sequence for event in found.events for hit in event.hits]
        assert sequences == expected(scenes, tree), tree.text
        assert found.frames == len(sequences)
