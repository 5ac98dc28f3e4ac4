"""The checks that every regularizer of the catalog passes, for a regularizer of your own.

>>> from bridle import L2
>>> from bridle.testing import check_regularizer
>>> check_regularizer(L2)  # silent where all is well

They need no test runner. Within pytest, :func:`checks_of` gives them one by one::

    @pytest.mark.parametrize("check", checks_of(Mine))
    def test_mine(check):
        check(Mine)
"""

from bridle.testing.check import check_regularizer as check_regularizer
from bridle.testing.check import checks_of as checks_of
