"""Lenses of real cameras, and what hypothesis makes of them."""

from hypothesis import strategies as st

from perception.camera_info import CameraInfo, Mount


def info(
    model: str,
    d: tuple[float, ...],
    focal: float,
    size: tuple[int, int],
    centre: tuple[float, float] | None = None,
) -> CameraInfo:
    """A camera of square pixels, by default with its centre in the middle."""
    width, height = size
    cx, cy = centre or ((width - 1) / 2, (height - 1) / 2)
    k = focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0
    p = focal, 0.0, cx, 0.0, 0.0, focal, cy, 0.0, 0.0, 0.0, 1.0, 0.0
    return CameraInfo(width, height, model, d, k, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), p)


# KITTI's grey camera 0 as it was delivered, before rectification.
KITTI = info(
    "plumb_bob",
    (-0.3728755, 0.2037299, 0.002219027, 0.001383707, -0.07233722),
    984.2,
    (1392, 512),
    (690.0, 233.2),
)
# 100° across: OpenCV's own inverse, with its defaults, is far off at its corners.
WIDE = info("plumb_bob", (-0.28, 0.06, 0.0005, -0.0003, 0.0), 747.0, (1280, 720))
# The colour camera of an Azure Kinect.
RATIONAL = info(
    "rational_polynomial", (0.478, -2.7, 0.0009, -0.0003, 1.56, 0.357, -2.52, 1.49), 917.0, (1280, 720)
)
FISHEYE = info("equidistant", (-0.013, 0.002, -0.0011, 0.0001), 390.0, (1280, 960))  # 190° across
PLAIN = info("plumb_bob", (), 1000.0, (1280, 720))
LENSES = {"kitti": KITTI, "wide": WIDE, "rational": RATIONAL, "fisheye": FISHEYE, "plain": PLAIN}


def between(least: float, most: float) -> st.SearchStrategy[float]:
    return st.floats(least, most, allow_subnormal=False)


_TANGENTIAL = between(-0.005, 0.005)
_DISTORTION = {
    "plumb_bob": st.tuples(
        between(-0.5, 0.2), between(-0.2, 0.3), _TANGENTIAL, _TANGENTIAL, between(-0.1, 0.1)
    ),
    "rational_polynomial": st.tuples(
        between(-0.5, 1.0), between(-0.2, 0.3), _TANGENTIAL, _TANGENTIAL, between(-0.1, 0.1),
        between(0.0, 1.2), between(0.0, 0.3), between(0.0, 0.05),
    ),
    "equidistant": st.tuples(*[between(-0.05, 0.05)] * 2, *[between(-0.01, 0.01)] * 2),
}  # fmt: skip


@st.composite
def lenses(draw: st.DrawFn) -> CameraInfo:
    model = draw(st.sampled_from(sorted(_DISTORTION)))
    return info(model, draw(_DISTORTION[model]), draw(between(400, 2000)), (1280, 720))


mounts = st.builds(Mount, between(0.5, 3.0), between(-0.2, 0.3), between(-0.3, 0.3), between(-0.1, 0.1))
