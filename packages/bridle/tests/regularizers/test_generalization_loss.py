"""What GeneralizationLoss's card claims: Prechelt's criterion, also where his quotient cannot be formed."""

import numpy as np
import pytest
import torch

from bridle import GeneralizationLoss
from bridle.regularizers.stop.generalization_loss import Lowest

INF, NAN = float("inf"), float("nan")


def follow(losses, limit):
    """Both forms over the epochs: those that improved, and the one after which training stops (None: never)."""
    ours, theirs, improved = Lowest(np.array(INF)), Lowest(torch.tensor(INF, dtype=torch.float64)), []
    for epoch, loss in enumerate(losses):
        better, stop, ours = GeneralizationLoss.vanilla(loss, ours, limit=limit)
        fast, over, theirs = GeneralizationLoss.torch(torch.tensor(loss, dtype=torch.float64), theirs, limit=limit)
        assert [each.item() for each in (fast, over, *theirs)] == [float(each) for each in (better, stop, *ours)]
        if better:
            improved.append(epoch)
        if stop:
            return improved, epoch
    return improved, None


def prechelt(losses, alpha):
    """GL_alpha as it stands in the paper: stop after the first epoch with a generalization loss above alpha."""
    for epoch, loss in enumerate(losses):
        lowest = min(losses[: epoch + 1])
        if 100 * (loss / lowest - 1) > alpha:
            return epoch
    return None


@pytest.mark.parametrize("limit", [0.5, 1.0, 5.0, 30.0])
def test_it_stops_where_the_paper_says(limit):
    random = np.random.default_rng(0)
    stops = []
    for _ in range(30):
        losses = list(np.exp(0.05 * random.normal(size=50).cumsum()))
        stops.append(prechelt(losses, limit))
        improved, stopped = follow(losses, limit)
        assert stopped == stops[-1]
        seen = losses[: len(losses) if stopped is None else stopped + 1]
        assert improved[-1] == int(np.argmin(seen))
    assert any(stop is not None for stop in stops)


def test_a_higher_limit_never_stops_sooner():
    losses = list(np.exp(0.1 * np.random.default_rng(0).normal(size=200).cumsum()))
    stops = [follow(losses, limit)[1] for limit in (0.0, 1.0, 2.0, 5.0, 10.0)]
    assert None not in stops and stops == sorted(stops)


def test_without_a_limit_the_first_rise_is_the_end():
    assert follow([3.0, 2.0, 2.0, 1.0, 1.001], limit=0.0) == ([0, 1, 3], 4)


def test_a_plateau_is_never_left():
    assert follow([1.0, *[1.04] * 1000], limit=5.0) == ([0], None)


def test_a_loss_of_zero_can_be_held_but_not_left():
    assert follow([1.0, 0.0, 0.0, 0.0], limit=5.0) == ([0, 1], None)
    assert follow([1.0, 0.0, 1e-30], limit=5.0) == ([0, 1], 2)


def test_a_loss_that_is_not_a_number_neither_improves_nor_stops():
    assert follow([NAN, 2.0, NAN, 1.0], limit=5.0) == ([1, 3], None)


def test_an_infinite_loss_stops_unless_there_was_no_other():
    assert follow([INF, 2.0, INF], limit=5.0) == ([1], 2)


def test_variants_of_a_stack_stop_each_at_its_own_limit():
    losses, limits = torch.tensor([[1.0, 1.03], [1.0, 1.07], [1.0, 0.5]]), torch.tensor([2.0, 10.0, 2.0])
    state = Lowest(torch.full((3,), INF))
    for epoch in range(2):
        improved, stop, state = GeneralizationLoss.torch(losses[:, epoch], state, limit=limits)
    assert improved.tolist() == [0, 0, 1]
    assert stop.tolist() == [1, 0, 0]
    assert state.best.tolist() == [1.0, 1.0, 0.5]
