"""Names of categories in other people's label files, and what they mean.

Names are compared without case, spaces, hyphens and underscores, in the singular; of a name in levels
(`vehicle.bus.rigid`, `object--vehicle--car`) the last level that is known counts.
"""

import re
from collections.abc import Sequence

from perception.classes import DRIVE


def _listed(names: str) -> tuple[str, ...]:
    return tuple(" ".join(name.split()) for name in names.split(",") if name.strip())


NO_THINGS = (1 << len(DRIVE)) - 1 & ~DRIVE.bits(*DRIVE.things)  # no road user, whatever else
# What the field calls one kind of object: kind → other names of it.
SYNONYMS = {
    kind.strip(): _listed(names)
    for kind, _, names in (
        entry.partition(":")
        for entry in """
    person: pedestrian, people, human, man, woman, child, boy, girl, adult, walker, person sitting, \
        other person, police officer, construction worker
    rider: cyclist, bicyclist, motorcyclist, biker, bike rider, other rider
    bicycle: bike, cycle, pedal cycle, e-bike
    motorcycle: motorbike, moped, scooter, motor scooter, motor cycle
    two wheeler: bicycle or motorcycle
    car: automobile, auto, passenger car, sedan, suv, hatchback, taxi, cab, police car, jeep, wagon, \
        other car
    van: minivan, delivery van
    truck: lorry, pickup, pickup truck, pick up, pick up truck, trailer truck, heavy truck, fire \
        truck, garbage truck, cargo truck, semi
    bus: coach, minibus, school bus
    trailer:
    caravan: camper, motorhome, rv
    vehicle: motor vehicle, land vehicle, other vehicle, emergency vehicle, ambulance, tractor, \
        autorickshaw, auto rickshaw, rickshaw, tuk tuk, tricycle, three wheeler, construction \
        vehicle, vehicle fallback
    train: tram, on rails, streetcar, trolley, subway, metro
    boat: ship
    airplane: aeroplane, plane, aircraft, helicopter
    unclear: wheelchair, stroller, personal mobility, skateboarder, dont care, ignore, misc
    lane marking: lane line, road marking
    road: drivable area, street, driveable surface
    sidewalk: pavement, footpath
    traffic sign: road sign
    vegetation: tree
    building:
    fence:
    pole:
    sky:
    """.strip().splitlines()
    )
}
# What each kind is in the class set `drive`; none: it may be a road user of none of these classes.
IN_DRIVE: dict[str, tuple[str, ...]] = {
    "person": ("pedestrian",),
    **dict.fromkeys(("rider", "bicycle", "motorcycle", "two wheeler"), ("two_wheeler",)),
    **dict.fromkeys(("car", "van", "truck", "bus", "trailer", "caravan", "vehicle"), ("vehicle",)),
    **dict.fromkeys(("train", "boat", "airplane", "unclear"), ()),
    "road": ("road", "lane_marking"),
    "lane marking": ("lane_marking",),
    "traffic sign": ("traffic_sign",),
    **{name: (name,) for name in ("sidewalk", "vegetation", "building", "fence", "pole", "sky")},
}
# Kinds of which another is the more general word.
GENERAL = {
    **dict.fromkeys(("car", "van", "truck", "bus", "trailer", "caravan"), "vehicle"),
    **dict.fromkeys(("bicycle", "motorcycle"), "two wheeler"),
}
# COCO's categories by YOLO's numbers. Those that are no kind above are no road users.
COCO_NAMES = _listed("""
    person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant,
    stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe,
    backpack, umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball
    bat, baseball glove, skateboard, surfboard, tennis racket, bottle, wine glass, cup, fork, knife,
    spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair,
    couch, potted plant, bed, dining table, toilet, tv, laptop, mouse, remote, keyboard, cell phone,
    microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear, hair drier,
    toothbrush
""")
OTHERS = _listed("""
    traffic cone, cone, barrier, debris, bicycle rack, bike rack, animal, trash can, bollard, traffic
    signal, background
""")


def plain(name: str) -> str:
    """A name as it is compared: `Traffic_Light` and `traffic-lights` are `trafficlight`."""
    letters = re.sub(r"[\W_]+", "", name.casefold())
    if letters.endswith("ses"):
        return letters[:-2]
    plural = len(letters) > 3 and letters.endswith("s") and letters[-2] not in "su"
    return letters[:-1] if plural else letters


_KINDS = {plain(name): kind for kind, names in SYNONYMS.items() for name in (kind, *names)}
_NO_ROAD_USERS = {plain(name) for name in (*COCO_NAMES, *OTHERS)} - _KINDS.keys()


def levels(name: str) -> Sequence[str]:
    """The whole name and, of one in levels, each level from the most special one on, as compared."""
    parts = re.split(r"--|[.]", name)
    return [plain(name), *(plain(part) for part in reversed(parts))]


def kind_of(name: str) -> str | None:
    """The kind of object that a category's name means; None where it is in no table."""
    for level in levels(name):
        if level in _KINDS or level in _NO_ROAD_USERS:
            return _KINDS.get(level)
    return None


def drive_bits(name: str) -> int | None:
    """The classes of `drive` that a category may be, as bits; 0: unknown to `drive`. None: unknown name."""
    for level in levels(name):
        if level in _KINDS:
            return DRIVE.bits(*IN_DRIVE[_KINDS[level]])
        if level in _NO_ROAD_USERS:
            return NO_THINGS
    return None
