"""Classes that are close calls are steady; clear changes, road users and paint are published at once."""

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from perception.classes import DRIVE, UNKNOWN, ClassSet
from perception.datasets.drives import SimulatedDrive
from perception.errors import ConfigError
from perception.evaluation.metrics.flicker import Flicker
from perception.evaluation.metrics.semantic import Confusion
from perception.frame import Frame
from perception.perceiver import Perceiver
from perception.pixels import Yuv420
from perception.resample import Enlarged
from perception.scene import Scene, Status
from perception.tracking.labels import ALIKE, EPOCH_NS, LEAD, LEAST_SIDE, LONGEST_NS, LabelTracker

ROAD, SIDEWALK, VEHICLE, PAINT = (DRIVE.id(n) for n in ("road", "sidewalk", "vehicle", "lane_marking"))
HEIGHT, WIDTH = 64, 96  # of the logits; labels are twice as large, frames four times
CLOSE, CLEAR = LEAD - 0.1, LEAD + 0.1

Labels = npt.NDArray[np.uint8]


def texture(seed: int = 0) -> Labels:
    """A picture with something to follow everywhere, (256, 384, 3)."""
    noise = np.random.default_rng(seed).integers(60, 200, (HEIGHT // 4, WIDTH // 4), np.uint8)
    grey = cv2.resize(noise, (4 * WIDTH, 4 * HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.repeat(np.asarray(grey, np.uint8)[..., None], 3, axis=2)


def halves(left: int, right: int, lead: float, column: int = WIDTH // 2) -> npt.NDArray[np.float32]:
    """Logits (classes, h, w) that lead so much for a class left of a column, and for another right of it."""
    logits = np.full((len(DRIVE), HEIGHT, WIDTH), -9, np.float32)
    logits[[left, right]] = 0
    logits[left, :, :column] = logits[right, :, column:] = lead
    return logits


def seen(
    logits: npt.NDArray[np.float32] | None,
    image: Labels | None = None,
    stamp_ns: int = 0,
    labels: Labels | None = None,
    recording: int = 0,
) -> tuple[Scene, Frame]:
    """A scene whose labels follow from the logits, and its frame."""
    frame = Frame(texture() if image is None else image, stamp_ns, recording=recording)
    if labels is None:
        assert logits is not None
        labels = logits.argmax(0).astype(np.uint8).repeat(2, 0).repeat(2, 1)
    size = frame.height, frame.width
    return Scene.of(frame, Enlarged(labels, *size), np.zeros(size, np.uint16), logits=logits), frame


def after(*views: tuple[Scene, Frame], classes: ClassSet = DRIVE) -> Labels:
    """The labels (h, w) of the last of these views, at the frame's size."""
    tracker = LabelTracker(classes)
    return [tracker.update(*view) for view in views][-1].labels


ALL_ROAD, ALL_SIDEWALK = halves(ROAD, SIDEWALK, CLOSE, WIDTH), halves(ROAD, SIDEWALK, CLOSE, 0)


def test_a_close_call_keeps_the_class_that_was_there() -> None:
    assert (after(seen(ALL_ROAD), seen(ALL_SIDEWALK)) == ROAD).all()


def test_a_clear_lead_is_published_in_the_same_frame() -> None:
    assert (after(seen(ALL_ROAD), seen(halves(ROAD, SIDEWALK, CLEAR, 0))) == SIDEWALK).all()


def test_an_image_does_as_well_as_its_frame() -> None:
    tracker = LabelTracker()
    for scene, frame in seen(ALL_ROAD), seen(ALL_SIDEWALK):
        scene = tracker.update(scene, frame.image)  # noqa: PLW2901
    assert (scene.labels == ROAD).all()


def test_the_first_frame_stays_as_it_is() -> None:
    scene, frame = seen(halves(ROAD, SIDEWALK, CLOSE))
    assert (LabelTracker().update(scene, frame).labels == scene.labels).all()


def test_what_is_kept_stays_kept_while_the_calls_are_close() -> None:
    views = [seen(ALL_ROAD), *(seen(ALL_SIDEWALK, stamp_ns=k) for k in range(9))]
    assert (after(*views) == ROAD).all()


def test_only_pixels_that_change_closely_are_kept() -> None:
    logits = halves(ROAD, SIDEWALK, CLEAR, WIDTH // 2)
    logits[:, HEIGHT // 2 :] = halves(ROAD, SIDEWALK, CLOSE, 0)[:, HEIGHT // 2 :]
    found = after(seen(ALL_ROAD), seen(logits))
    assert (found[: 2 * HEIGHT, : 2 * WIDTH] == ROAD).all()
    assert (found[: 2 * HEIGHT, 2 * WIDTH :] == SIDEWALK).all()
    assert (found[2 * HEIGHT :] == ROAD).all()


@pytest.mark.parametrize(("dx", "dy"), [(5, 0), (-7, 0), (0, 4), (3, -6)])
def test_it_moves_along_with_what_is_seen(dx: int, dy: int) -> None:
    """dx, dy: of the picture, in pixels of the logits; the network now calls all of it the left class."""
    moved = np.roll(texture(), (4 * dy, 4 * dx), (0, 1))
    found = after(seen(halves(ROAD, SIDEWALK, CLOSE)), seen(ALL_ROAD, moved))
    expected = np.full((HEIGHT, WIDTH), ROAD)
    expected[:, WIDTH // 2 + dx :] = SIDEWALK
    inner = np.s_[10:-10, 10:-10]
    assert (found[::4, ::4][inner] == expected[inner]).mean() > 0.93


@pytest.mark.parametrize("quick", [VEHICLE, PAINT])
def test_road_users_and_paint_are_left_alone(quick: int) -> None:
    """A thing's pixels must stay those of its instance."""
    all_quick = halves(ROAD, quick, CLOSE, 0)
    all_road = halves(ROAD, quick, CLOSE, WIDTH)
    assert (after(seen(all_road), seen(all_quick)) == quick).all()
    assert (after(seen(all_quick), seen(all_road)) == ROAD).all()


def test_a_thing_finer_than_the_logits_is_left_alone() -> None:
    scene, frame = seen(ALL_SIDEWALK)
    fine = scene.coarse_labels.copy()
    fine[::2, ::2] = VEHICLE  # in no pixel that stands for its place in the logits
    found = after(seen(ALL_ROAD), (scene.evolve(labels=Enlarged(fine, *scene.size)), frame))
    assert ((found == VEHICLE) == (np.kron(fine, np.ones((2, 2))) == VEHICLE)).all()
    assert (found[found != VEHICLE] == ROAD).all()


def test_labels_at_the_size_of_the_frame_are_steadied_there() -> None:
    """As of a camera with an ego mask."""
    own_car = np.full((4 * HEIGHT, 4 * WIDTH), SIDEWALK, np.uint8)
    own_car[-7:] = UNKNOWN
    found = after(seen(ALL_ROAD), seen(ALL_SIDEWALK, labels=own_car))
    assert (found[-7:] == UNKNOWN).all()
    assert (found[:-8] == ROAD).all()


def test_the_unknown_is_never_kept() -> None:
    unknown = np.full((2 * HEIGHT, 2 * WIDTH), UNKNOWN, np.uint8)
    assert (after(seen(ALL_ROAD, labels=unknown), seen(ALL_ROAD)) == ROAD).all()


def test_what_looks_different_is_another_thing() -> None:
    brighter = texture() + np.uint8(ALIKE + 2)
    assert (after(seen(ALL_ROAD), seen(ALL_SIDEWALK, brighter)) == SIDEWALK).all()
    hardly = texture() + np.uint8(ALIKE - 2)
    assert (after(seen(ALL_ROAD), seen(ALL_SIDEWALK, hardly)) == ROAD).all()


def test_after_a_cut_hardly_anything_is_kept() -> None:
    found = after(seen(ALL_ROAD), seen(ALL_SIDEWALK, texture(1) // 4))
    assert (found == SIDEWALK).mean() > 0.95


@pytest.mark.parametrize(
    "later",
    [
        seen(ALL_SIDEWALK, stamp_ns=10, recording=1),
        seen(ALL_SIDEWALK, stamp_ns=9),
        seen(ALL_SIDEWALK, stamp_ns=11 + LONGEST_NS),
        seen(ALL_SIDEWALK, np.ascontiguousarray(texture()[:-2]), stamp_ns=11),
    ],
    ids=["another recording", "an earlier stamp", "a gap", "another size"],
)
def test_nothing_is_kept_across_recordings(later: tuple[Scene, Frame]) -> None:
    assert (after(seen(ALL_ROAD, stamp_ns=10), later) == SIDEWALK).all()


def test_scenes_without_logits_stay_and_are_forgotten() -> None:
    labels = ALL_SIDEWALK.argmax(0).astype(np.uint8)
    scene, frame = seen(None, labels=labels)
    tracker = LabelTracker()
    tracker.update(*seen(ALL_ROAD))
    assert (tracker.update(scene, frame).labels == scene.labels).all()
    assert (tracker.update(*seen(ALL_SIDEWALK)).labels == SIDEWALK).all()


def test_no_logits_go_on_from_here() -> None:
    scene, frame = seen(ALL_ROAD)
    assert LabelTracker().update(scene, frame).logits is None
    assert scene.unknown(Status.NO_SIGNAL).logits is None


def test_parts_of_a_drive_that_begin_apart_agree_after_an_epoch() -> None:
    """The car stands, and the network wavers: what was seen first must not be held for ever."""
    rng, step = np.random.default_rng(5), LONGEST_NS // 2
    whole, part, apart = LabelTracker(), LabelTracker(), []
    for number in range(2 * EPOCH_NS // step):
        logits = rng.normal(0, 0.2, (len(DRIVE), HEIGHT, WIDTH)).astype(np.float32)
        logits[[ROAD, SIDEWALK]] += 5
        view = seen(logits, stamp_ns=EPOCH_NS // 2 + number * step)
        labels = whole.update(*view).labels
        if number:
            apart.append((part.update(*view).labels != labels).mean())
    first = EPOCH_NS // 2 // step  # of the next epoch
    assert min(apart[: first - 1]) > 0.3
    assert max(apart[first - 1 :]) == 0


def test_the_crf_has_the_last_word() -> None:
    perceiver = Perceiver.load("drive", engine="onnx-cpu", crf=True)
    assert perceiver.perceive(texture()).logits is None


@pytest.mark.parametrize("height", [8, LEAST_SIDE - 16, LEAST_SIDE])
@pytest.mark.parametrize("width", [8, LEAST_SIDE, 1600])
def test_strips_are_left_alone_where_no_flow_is_found(height: int, width: int) -> None:
    views = []
    for logits in ALL_ROAD, ALL_SIDEWALK:
        strip = np.tile(logits[:, :1, :1], (1, height, width))
        image = cv2.resize(texture(), (2 * width, 2 * height))
        views.append(seen(strip, np.asarray(image, np.uint8)))
    kept = ROAD if min(height, width) >= LEAST_SIDE else SIDEWALK
    assert (after(*views) == kept).all()


def test_what_comes_into_view_is_taken_as_it_is() -> None:
    moved = np.roll(texture(), -16, 1)  # 4 pixels of the logits come in from the right
    found = after(seen(ALL_ROAD), seen(ALL_SIDEWALK, moved))[::4, ::4]
    assert (found[10:-10, 10:-10] == ROAD).mean() > 0.9
    assert (found[10:-10, -3:] == SIDEWALK).mean() > 0.9


def test_an_image_of_another_size_is_refused() -> None:
    scene, _ = seen(ALL_ROAD)
    with pytest.raises(ConfigError, match=r"the image is \(256, 200\), the scene is \(256, 384\)"):
        LabelTracker().update(scene, texture()[:, :200])


def test_another_input_size_of_the_network_is_a_beginning() -> None:
    small = ALL_SIDEWALK[:, ::2, ::2]
    assert (after(seen(ALL_ROAD), seen(small)) == SIDEWALK).all()


def test_planes_are_followed_as_their_picture_is() -> None:
    scene, frame = seen(halves(ROAD, SIDEWALK, CLOSE))
    moved = np.roll(texture(), 20, 1)
    other, later = seen(ALL_ROAD, moved)
    planes = [(scene, replace(frame, pixels=Yuv420.of(texture())))]
    planes.append((other, replace(later, pixels=Yuv420.of(moved))))
    of_planes, of_picture = after(*planes), after((scene, frame), (other, later))
    assert (of_planes == of_picture).mean() > 0.99
    assert (of_planes == SIDEWALK).mean() > 0.3


def test_own_classes_without_things_or_paint() -> None:
    classes = ClassSet("own", ("ground", "wall"), ((0, 0, 0), (9, 9, 9)))
    logits = np.zeros((2, HEIGHT, WIDTH), np.float32)
    logits[0] = 0.5
    assert (after(seen(logits), seen(logits[::-1]), classes=classes) == 0).all()


def test_a_simulated_drive_flickers_less_and_is_as_true() -> None:
    drive = SimulatedDrive("drive:sim:?seed=7&frames=8&size=640x360&rate=15")
    perceiver = Perceiver.load("drive", engine="onnx-cpu")
    tracker, raw, steady = LabelTracker(), Flicker(), Flicker()
    before, now = Confusion(DRIVE), Confusion(DRIVE)
    for index in range(len(drive)):
        sample = drive[index]
        frame = Frame(sample.image, index * 66_666_667)
        scene = perceiver.perceive(frame)
        raw.add(sample.image, scene.labels)
        before.add(sample.target, scene.labels)
        scene = tracker.update(scene, frame)
        steady.add(sample.image, scene.labels)
        now.add(sample.target, scene.labels)
    assert steady.counts.share < 0.9 * raw.counts.share
    assert now.accuracy() > before.accuracy() - 0.002
