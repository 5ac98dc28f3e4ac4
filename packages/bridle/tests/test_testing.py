"""``bridle.testing``: the checks of the catalog, for a regularizer of one's own."""

import warnings

import pytest
import torch
from small_regularizers import PLACES

import bridle
from bridle import Dropout
from bridle.places import Layer
from bridle.testing import check_regularizer


@pytest.mark.parametrize("name", PLACES)
def test_the_checks_for_a_regularizer_of_ones_own_pass_the_small_ones(load, name):
    check_regularizer(load(name))


@pytest.mark.parametrize(
    ("name", "right", "fault", "said"),
    [
        (
            "Cost",
            ", 2 * strength * w",
            ", strength * w",
            "Cost fails check_hand_gradient. The gradient written by hand",
        ),
        (
            "Climb",
            "w**2 * g / (norm + 1e-12)",
            "w**2 * g / norm",
            "check_edges_stay_finite.*It ran into RuntimeWarning",
        ),
        ("Cost", "array([2., 2.])", "array([1., 1.])", "Cost fails check_example_runs"),
    ],
)
def test_a_fault_is_told_with_the_check_that_finds_it(load, name, right, fault, said):
    with warnings.catch_warnings(), pytest.raises(AssertionError, match=said):
        warnings.simplefilter("ignore")  # as where no test runner makes errors of warnings
        check_regularizer(load(name, right, fault))


@pytest.mark.parametrize("given", [3, "Dropout", Dropout(), int, Layer], ids=str)
def test_what_is_no_class_of_a_regularizer_cannot_be_checked(given):
    with pytest.raises(ValueError, match="the checks take"):
        check_regularizer(given)


def test_the_checks_leave_torchs_random_numbers_as_they_were():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    check_regularizer(Dropout)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_module_is_at_hand_with_the_package():
    assert bridle.testing.check_regularizer is check_regularizer
