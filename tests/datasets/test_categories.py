"""What names of categories mean: the field's words for one thing, in any spelling."""

import pytest

from perception.classes import DRIVE
from perception.datasets.categories import COCO_NAMES, IN_DRIVE, NO_THINGS, SYNONYMS, drive_bits, kind_of
from perception.datasets.class_file import ClassFile


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("Car car CARS van Truck trucks bus Buses vehicle Vehicle lorry trailer caravan", "vehicle"),
        ("Person persons people Pedestrian PEDESTRIANS", "pedestrian"),
        (
            "rider Cyclist motorcyclist bicycle bike motorbike Motorcycle two_wheeler two-wheelers",
            "two_wheeler",
        ),
        ("vehicle.bus.rigid object--vehicle--car vehicle.car", "vehicle"),
        ("human.pedestrian.adult human--person", "pedestrian"),
        ("traffic_sign", "traffic_sign"),
    ],
)
def test_the_fields_words_for_a_class(names: str, expected: str) -> None:
    assert {name: drive_bits(name) for name in names.split()} == dict.fromkeys(
        names.split(), DRIVE.bits(expected)
    )


def test_names_of_several_words() -> None:
    assert drive_bits("Pickup Truck") == drive_bits("pickup_truck") == DRIVE.bits("vehicle")
    assert drive_bits("road") == DRIVE.bits("road", "lane_marking")
    assert drive_bits("Traffic Light") == drive_bits("traffic_lights") == NO_THINGS
    assert drive_bits("static_object.bicycle_rack") == NO_THINGS


@pytest.mark.parametrize("name", ["train", "Tram", "boat", "airplane", "DontCare", "Misc", "wheelchair"])
def test_what_may_be_a_road_user_of_no_class_is_unknown(name: str) -> None:
    assert drive_bits(name) == 0


@pytest.mark.parametrize("name", ["flying saucer", "object", "", "car/truck", "no_name.thing", "scar", "bu"])
def test_unknown_names_have_no_meaning(name: str) -> None:
    assert drive_bits(name) is None
    assert kind_of(name) is None


def test_every_name_of_coco_is_known_and_road_users_are_those_they_are() -> None:
    users = {name: drive_bits(name) for name in COCO_NAMES if drive_bits(name) != NO_THINGS}
    assert users == {
        "person": DRIVE.bits("pedestrian"),
        **dict.fromkeys(("bicycle", "motorcycle"), DRIVE.bits("two_wheeler")),
        **dict.fromkeys(("car", "bus", "truck"), DRIVE.bits("vehicle")),
        **dict.fromkeys(("airplane", "train", "boat"), 0),
    }
    assert len(COCO_NAMES) == 80
    assert SYNONYMS.keys() == IN_DRIVE.keys()


def test_class_files_take_synonyms_the_same_name_first() -> None:
    classes = [
        {"name": "walker", "colour": [1, 1, 1], "labels": ["person"]},
        {"name": "lorry", "colour": [2, 2, 2], "labels": ["Truck"]},
        {"name": "other", "colour": [3, 3, 3], "labels": ["vehicle", "lorries"]},
    ]
    own = ClassFile.model_validate({"name": "own", "classes": classes}).own("here")
    names = ("Pedestrian", "truck", "pickup truck", "lorries", "Lorries", "Car", "vehicle", "rider", "cow")
    assert [own.mean((name,)) for name in names] == [1, 2, 2, 4, 4, 4, 4, None, None]
