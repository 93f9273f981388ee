"""Classes of pixels that are steady over time, without a frame of delay.

Where two classes are nearly as likely, as along verges and façades, noise decides between them in each frame.
Here a pixel keeps the class of what it shows from the frame before, which optical flow finds (Kroeger et al.,
"Fast optical flow using dense inverse search", 2016), unless another class leads clearly. Road users and
paint are small and quick, and have trackers of their own: their pixels stay as they are.
"""

import cv2
import numpy as np

from perception.classes import DRIVE, UNKNOWN, ClassSet
from perception.frame import Frame
from perception.pixels import Yuv420, grey
from perception.resample import Enlarged, fit, resize_ids
from perception.scene import Scene
from perception.types import Bools, Floats, Image

LEAD = 1.0  # of its logit by which a class takes a pixel from the one that was there: odds of e to 1
ALIKE = 20  # grey levels; the most by which a pixel and what it was may differ


class LabelTracker:
    """Steadies the labels of one camera's scenes, in the order of their stamps.

    It goes before the other trackers, and leaves scenes without `Scene.logits` as they are.
    """

    def __init__(self, classes: ClassSet = DRIVE) -> None:
        left_alone = {*classes.things, "lane_marking"}
        held = [i for i, name in enumerate(classes.names) if name not in left_alone]
        self._held: Bools = np.isin(np.arange(256), held)
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._stamp_ns = 0
        self._recording = 0, (0, 0)
        self._before: tuple[Image, Image] | None = None  # grey levels and labels, at the logits' size

    def update(self, scene: Scene, image: Frame | Image) -> Scene:
        """The scene of that frame, or of its image uint8 (h, w, 3) BGR, with steady labels.

        Another `Scene.recording`, a stamp before the last one, or another size of the frame is the beginning
        of another recording: nothing is remembered across it.
        """
        before, self._before = self._before, None
        if (scene.recording, scene.size) != self._recording or scene.stamp_ns < self._stamp_ns:
            before = None
        self._stamp_ns, self._recording = scene.stamp_ns, (scene.recording, scene.size)
        if scene.logits is None:
            return scene
        shown = _grey(image, *scene.logits.shape[1:])
        labels = resize_ids(scene.coarse_labels, *shown.shape)
        if before is not None and before[0].shape == shown.shape:
            earlier, alike = self._follow(*before, shown)
            kept = alike & self._close(scene.logits, labels, earlier)
            labels = np.where(kept, earlier, labels)
            scene = scene.evolve(labels=self._take_over(scene, earlier, kept))
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

    def _close(self, logits: Floats, labels: Image, earlier: Image) -> Bools:
        """Where the class of now does not lead clearly over that of before, and both may be held."""
        close = np.asarray(self._held[labels] & self._held[earlier] & (labels != earlier))
        rows, columns = np.nonzero(close)
        lead = logits[labels[close], rows, columns] - logits[earlier[close], rows, columns]
        close[rows, columns] = lead < LEAD
        return close

    def _take_over(self, scene: Scene, earlier: Image, kept: Bools) -> Enlarged[np.uint8]:
        """The scene's labels, as fine as they were, with the earlier ones where those are kept."""
        labels = scene.coarse_labels
        size = labels.shape
        fine = resize_ids(kept.view(np.uint8), *size).view(np.bool_) & self._held[labels]
        return Enlarged(np.where(fine, resize_ids(earlier, *size), labels), *scene.size)


def _grey(image: Frame | Image, height: int, width: int) -> Image:
    """The picture's grey levels at that size."""
    pixels = image.pixels if isinstance(image, Frame) else image
    return fit(pixels.y, height, width) if isinstance(pixels, Yuv420) else grey(fit(pixels, height, width))
