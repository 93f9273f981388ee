"""Classes of pixels that are steady over time, without a frame of delay.

Where two classes are nearly as likely, as along verges and façades, noise decides between them in each frame.
Here a pixel keeps the class of what it shows from the frame before, which optical flow finds (Kroeger et al.,
"Fast optical flow using dense inverse search", 2016), unless another class leads clearly. Road users and
paint are small and quick, and have trackers of their own: their pixels stay as they are.
"""

import cv2
import numpy as np

from perception.classes import DRIVE, UNKNOWN, ClassSet
from perception.errors import ConfigError
from perception.frame import Frame
from perception.pixels import Pixels, Yuv420, grey, size_of
from perception.resample import fit, resize_ids
from perception.scene import Scene
from perception.types import NS_PER_S, Bools, Floats, Image

LEAD = 1.0  # of its logit by which a class takes a pixel from the one that was there: odds of e to 1
ALIKE = 20  # levels of luma; the most by which a pixel and what it was may differ
LONGEST_NS = NS_PER_S // 2  # between two frames: what was seen before it is forgotten
# At each multiple of it all is forgotten: parts of a drive that are perceived apart soon agree, to the byte,
# and nothing is held for longer against what the network says.
EPOCH_NS = 4 * NS_PER_S
LEAST_SIDE = 32  # px of the logits: in less, the flow is not found


class LabelTracker:
    """Steadies the labels of one camera's scenes, in the order of their stamps.

    It goes before the other trackers. Scenes without `Scene.logits` have the labels that they had.
    """

    def __init__(self, classes: ClassSet = DRIVE) -> None:
        left_alone = {*classes.things, "lane_marking"}
        held = [i for i, name in enumerate(classes.names) if name not in left_alone]
        self._held: Bools = np.isin(np.arange(256), held)
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._stamp_ns = 0
        self._stretch = 0, (0, 0), 0  # recording, size and epoch
        self._before: tuple[Image, Image] | None = None  # luma and labels, at the logits' size

    def update(self, scene: Scene, image: Frame | Image) -> Scene:
        """The scene of that frame, or of its image uint8 (h, w, 3) BGR, with steady labels, without logits.

        Another `Scene.recording`, a stamp before the last one, a gap of half a second, or another size of the
        frame or of the logits is the beginning of another recording: nothing is remembered across it.

        Raises:
            ConfigError: it is no such image, or of another size than the scene.
        """
        frame = image if isinstance(image, Frame) else Frame(image, scene.stamp_ns)
        frame.check()
        pixels = frame.pixels
        if (size := size_of(pixels)) != scene.size:
            raise ConfigError(f"the image is {size}, the scene is {scene.size}: give the image that it is of")
        stretch = scene.recording, scene.size, scene.stamp_ns // EPOCH_NS
        goes_on = stretch == self._stretch and 0 <= scene.stamp_ns - self._stamp_ns <= LONGEST_NS
        before, self._before = self._before if goes_on else None, None
        self._stretch, self._stamp_ns = stretch, scene.stamp_ns
        logits, scene = scene.logits, scene.evolve(logits=None)
        if logits is None or min(logits.shape[1:]) < LEAST_SIDE:
            return scene
        shown = _luma(pixels, *logits.shape[1:])
        labels = now = resize_ids(scene.coarse_labels, *shown.shape)
        if before is not None and before[0].shape == shown.shape:
            earlier, alike = self._follow(*before, shown)
            kept = alike & self._close(logits, now, earlier)
            if kept.any():
                labels = np.where(kept, earlier, now)
                scene = scene.relabelled(_replaced(scene.coarse_labels, now, labels))
        self._before = shown, labels
        return scene

    def _follow(self, shown_before: Image, labels: Image, shown: Image) -> tuple[Image, Bools]:
        """What each pixel was a frame ago, 255 where it was out of view, and whether it still looks so."""
        height, width = shown.shape
        still = np.zeros((height, width, 2), np.float32)  # where the search begins
        flow = np.asarray(self._flow.calc(shown, shown_before, still), np.float32)
        x = flow[..., 0] + np.arange(width, dtype=np.float32)
        y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
        earlier = cv2.remap(
            labels, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=UNKNOWN
        )
        seen = cv2.remap(shown_before, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(earlier, np.uint8), np.asarray(cv2.absdiff(seen, shown) <= ALIKE)

    def _close(self, logits: Floats, now: Image, earlier: Image) -> Bools:
        """Where the class of now does not lead clearly over that of before, and both may be held."""
        close = np.asarray(self._held[now] & self._held[earlier] & (now != earlier))
        rows, columns = np.nonzero(close)
        lead = logits[now[close], rows, columns] - logits[earlier[close], rows, columns]
        close[rows, columns] = lead < LEAD
        return close


def _replaced(labels: Image, now: Image, steady: Image) -> Image:
    """The labels with the steady ones in place of those of now, at their own size.

    What is finer than `now`, as the outline of a road user, stays.
    """
    size = labels.shape
    steady, now = resize_ids(steady, *size), resize_ids(now, *size)
    return np.where(labels == now, steady, labels)


def _luma(pixels: Pixels, height: int, width: int) -> Image:
    """The picture's luma at that size."""
    return fit(pixels.y, height, width) if isinstance(pixels, Yuv420) else grey(fit(pixels, height, width))
