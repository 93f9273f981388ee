import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from perception.resample import resize_ids

sides = st.integers(1, 40)


@given(sides, sides, sides, sides, st.sampled_from([np.uint8, np.uint16]))
def test_each_pixel_takes_the_id_under_its_centre(
    h: int, w: int, height: int, width: int, dtype: type
) -> None:
    ids = np.arange(h * w, dtype=np.uint16).reshape(h, w)
    resized = resize_ids(ids.astype(dtype), height, width)
    assert resized.dtype == dtype
    if dtype is np.uint8:  # whose ids run over
        np.testing.assert_array_equal(resized, resize_ids(ids, height, width).astype(np.uint8))
        return
    rows, columns = np.divmod(resized, w)
    for found, size, given_size in ((rows[:, 0], height, h), (columns[0], width, w)):
        centre = (np.arange(size) + 0.5) * given_size / size
        assert (np.abs(centre - (found + 0.5)) <= 0.5 + 1e-3).all()
    np.testing.assert_array_equal(rows, np.broadcast_to(rows[:, :1], rows.shape))
    np.testing.assert_array_equal(columns, np.broadcast_to(columns[:1], columns.shape))


@given(sides, sides, st.integers(0, 60), st.integers(0, 60))
def test_enlarging_keeps_every_pixel(h: int, w: int, more_h: int, more_w: int) -> None:
    ids = np.arange(h * w, dtype=np.uint16).reshape(h, w)
    assert set(np.unique(resize_ids(ids, h + more_h, w + more_w))) == set(ids.flat)
