import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from perception.decode.grouping import Groups, make_instances


@given(arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 4)))
def test_each_box_is_the_extent_of_its_groups_pixels(numbers: npt.NDArray[np.uint16]) -> None:
    """Also of groups that touch each other, the frame's edges, lie in several parts, or have no pixels."""
    groups = Groups(numbers, np.array([8, 9, 8, 10]), np.array([0.9, 0.8, 0.7, 0.6]))
    instance_map, instances = make_instances(groups, *numbers.shape)
    assert len(instances) == np.count_nonzero(np.unique(numbers))
    for one in instances:
        y, x = np.nonzero(instance_map == one.id)
        assert one.box == (x.min(), y.min(), x.max() + 1, y.max() + 1)
    assert groups.extents.areas.tolist() == [np.count_nonzero(numbers == n) for n in (1, 2, 3, 4)]
