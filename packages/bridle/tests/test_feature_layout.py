import numpy as np
import pytest
from numpy.testing import assert_allclose

from bridle.feature_layout import Layout


@pytest.mark.parametrize(
    ("shape", "image"), [((28, 28), (1, 28, 28)), ((3, 32, 16), (3, 32, 16)), ((784,), None), ((2, 3, 4, 5), None)]
)
def test_rows_of_two_or_three_axes_are_images(shape, image):
    assert Layout.of(shape).image == image


def test_without_names_every_column_stands_alone():
    assert Layout.of((3,)).groups == (0, 1, 2)
    assert Layout.of((2, 1, 1, 2)).groups == (0, 1, 2, 3)


def test_the_columns_of_a_category_stay_together():
    names = ("age", "sex=F", "sex=M", "height", "job=a=b", "job=(rare)")
    assert Layout.of((6,), names).groups == (0, 1, 1, 2, 3, 3)


def test_an_amount_and_where_it_is_missing_stay_together():
    names = ("age", "height", "height is missing", "age is missing", "sex=missing")
    assert Layout.of((5,), names).groups == (0, 1, 1, 0, 2)


def test_a_column_named_like_a_number_is_not_taken_for_the_column_of_that_place():
    assert Layout.of((3,), ("age", "0=F", "0=M")).groups == (0, 1, 1)


def test_the_noise_of_a_group_is_read_at_its_first_feature():
    layout = Layout(groups=(5, 2, 5, 2, 7))
    assert layout.first_of_group.tolist() == [0, 1, 0, 1, 4]
    assert sorted(layout.firsts.tolist()) == [0, 1, 4]


def test_the_centers_of_pixels_are_those_of_the_rows_flattened():
    layout = Layout((2, 3, 4))
    vertical, horizontal = layout.centers.reshape(2, 2, 3, 4)
    assert_allclose(vertical[1, :, 0], [1 / 6, 3 / 6, 5 / 6])
    assert_allclose(horizontal[0, 2], [1 / 8, 3 / 8, 5 / 8, 7 / 8])
    assert np.ptp(vertical, axis=(0, 2)).max() == np.ptp(horizontal, axis=(0, 1)).max() == 0


def test_a_table_has_no_centers():
    layout = Layout.of((4,))
    with pytest.raises(ValueError, match="no place in an image"):
        _ = layout.centers


def test_equal_layouts_are_one_key():
    assert len({Layout.of((28, 28)), Layout((1, 28, 28)), Layout.of((4,))}) == 2
