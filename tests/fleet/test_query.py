"""What a query may say, what is refused and in which words, and that no text of it becomes SQL."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.errors import ConfigError
from perception.fleet.columns import COLUMNS
from perception.fleet.query import DEEPEST, LONGEST, parse
from perception.fleet.search import search
from tests.fleet.records import scene, user, write_drive

THINGS = ["vehicle", "pedestrian"]
# All that a query may become.
SQL = re.compile(
    "|".join(
        [
            *sorted((re.escape(column.sql) for column in COLUMNS.values()), key=len, reverse=True),
            r"\$p\d+|n\d+|contains|lower|IS NOT NULL|AND|OR|NOT|<=|>=|<>|[=<>(), ]",
        ]
    )
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    scenes = [
        scene(0),
        scene(1, user("vehicle", 1, distance_m=5.0), user("pedestrian", 2, k=2, distance_m=20.0)),
        scene(2, user("vehicle", 1), user("pedestrian", k=2, score=0.5)),
        scene(3, status="unreliable", reasons=["it's the picture: 100%", "black; DROP"]),
    ]
    return write_drive(tmp_path / "it's a drive", scenes)


def found(folder: Path, where: str) -> list[int]:
    events = search([folder], where, 1e9, 1000).events
    return [hit.sequence for event in events for hit in event.hits]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("vehicle and distance < 10", [1]),
        ("pedestrian and distance < 10", []),  # the vehicle's distance is not the pedestrian's
        ("pedestrian and count(vehicle and distance < 10) >= 1", [1]),
        ("not vehicle", [1, 2]),  # somebody else; frames without anybody hold nobody
        ("not (distance < 10)", [1]),  # a distance that is not known is neither
        ("not known(distance)", [0, 2, 3]),
        ("distance < 10 or distance >= 10", [1]),
        ("known(distance) or vehicle", [1, 2]),
        ("count(vehicle) == 0", [0, 3]),
        ("count(known(distance)) == 2 or count(not known(track)) > 0", [1, 2]),
        ("count(not known(distance)) == 0", [0, 1, 3]),  # nobody is no road user without a distance
        ("known(score) and not known(distance)", [2]),
        ("count(status == unreliable) > 0", []),
        ("not count(vehicle) == 0 and pedestrian", [1, 2]),
        ("vehicle or status != ok and reasons contains drop", [1, 2, 3]),  # and binds closer
        ("(vehicle or status != ok) and reasons contains drop", [3]),
        ("reasons contains '100%'", [3]),
        ("reasons contains '%'", [3]),
        ("reasons contains '_'", []),
        ('reasons contains "it\'s"', [3]),
        ("""drive == "it's a drive" and sequence == 0""", [0]),
        ("drive contains A-DRIVE", []),
        ("0 < sequence <= 2", [1, 2]),
        ("sequence in (0, 3, 7)", [0, 3]),
        ("status in (unreliable, stale)", [3]),
        ("lateral>-.5e1 or time>=0.12", [3]),
        ("width == 20 and height == 30 and area == 600", [1, 2]),
        (" or ".join(["lanes == 7"] * (DEEPEST + 1) + ["vehicle"]), [1, 2]),  # long, but not deep
        ("1 < 2 and sequence == 999999999999999999999", []),
    ],
)
def test_a_query_means(where: str, expected: list[int], folder: Path) -> None:
    assert found(folder, where) == expected


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("", "expected a condition, such as distance < 10, not the end (at character 1"),
        ("distance < 10 and", "not the end (at character 18"),
        ("distnce < 10", "'distnce' is no column; did you mean distance? known: class, score"),
        ("pedestrain", "no column or class; did you mean pedestrian?"),
        ("status == okay", "'okay' is no status; did you mean ok? known: ok, stale"),
        ("class == cow", "'cow' is no class; known: pedestrian, two_wheeler, vehicle"),
        ("class in (vehicle, cow)", "'cow' is no class"),
        ("distance = 10", "'= 10' is not understood; write == for equal (at character 10"),
        ("distance < 10m", "'10m' is not understood"),
        ("distance < vehicle", "'vehicle' is no column"),
        ("distance < '10'", "a number is not compared with text"),
        ("drive == 3", "a number is not compared with text"),
        ("status < ok", "text is compared by == and != only"),
        ("distance", "'distance' is compared with nothing"),
        ("distance contains 3", "'distance' is no column of text"),
        ("reasons contains 3", "contains takes a word or 'some text', not '3'"),
        ("reasons contains drive", "contains takes a word or 'some text', not 'drive'"),
        ("vehicle pedestrian", "expected and, or, or the end, not 'pedestrian'"),
        (
            "vehicle and pedestrian",
            "not both vehicle and pedestrian; for a frame with both, write vehicle and count(",
        ),
        ("(vehicle", "expected ')', not the end"),
        ("known(3)", "'3' is no column"),
        ("known vehicle", "expected '(', not 'vehicle'"),
        ("count(count(vehicle) > 1) > 1", "a count within a count"),
        ("score < 1e999", "1e999 is too large a number"),
        ("drive == 'a", "is not understood"),
        ("and", "expected a condition"),
        ("(" * (DEEPEST + 1) + "vehicle" + ")" * (DEEPEST + 1), "nested more than"),
        ("not " * (DEEPEST + 1) + "vehicle", "nested more than"),
        ("vehicle or " * (LONGEST // 10) + "vehicle", "characters, at most"),
    ],
)
def test_what_is_wrong_is_named(where: str, words: str, folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        found(folder, where)
    assert words in str(caught.value)


def test_a_class_of_ones_own_is_known_where_it_was_seen(tmp_path: Path) -> None:
    folder = write_drive(tmp_path, [scene(0, user("traffic cone"), user("cow", k=2)), scene(1)])
    assert found(folder, "cow") == found(folder, "class == 'traffic cone'") == [0]
    with pytest.raises(
        ConfigError, match=r"'goat' is no column or class; known: .*cow, pedestrian, traffic cone"
    ):
        found(folder, "goat")


@given(
    st.text(max_size=30)
    | st.lists(st.sampled_from([*COLUMNS, *"()'\",;-*/<>=!", "--", "1", "or", "$p0"])).map(" ".join)
)
def test_any_text_is_a_query_or_an_error_in_words(text: str) -> None:
    try:
        query = parse(text, THINGS)
    except ConfigError as error:
        assert str(error).startswith("--where: ")
    else:
        for sql in (query.where, *query.counts):
            assert SQL.sub("", sql) == ""


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE rows; --",
        "' OR 1=1 --",
        "x'); COPY rows TO '/tmp/x'; --",
        "\\'",
        "%' OR '1' = '1",
        "$p9",
    ],
)
@pytest.mark.parametrize("test", ["camera == {}", "camera in ({}, a)", "reasons contains {}", "camera != {}"])
def test_values_are_parameters(test: str, text: str, folder: Path) -> None:
    quoted = f'"{text}"' if "'" in text else f"'{text}'"
    query = parse(test.format(quoted), THINGS)
    assert text in query.parameters.values()
    assert text not in query.where
    assert found(folder, test.format(quoted)) == ([0, 1, 2, 3] if "!=" in test else [])


@pytest.mark.parametrize(
    "text",
    [
        "vehicle; DROP TABLE rows",
        "sequence == 1) OR (1 == 1",
        "read_text('/etc/passwd') == 'x'",
        "(SELECT 1) == 1",
        "sequence == $p0",
        "frame == 0",
        "file == 0",
        "n0 == 0",
        "vehicle -- pedestrian",
        "vehicle /* pedestrian */",
    ],
)
def test_sql_is_no_query(text: str, folder: Path) -> None:
    with pytest.raises(ConfigError):
        found(folder, text)
