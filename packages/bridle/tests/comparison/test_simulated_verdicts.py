"""Simulated studies with known differences: a smaller run of ``benchmarks/verdicts.py``.

Each share is of some thousand studies, so it may lie off its true value by three standard errors, ``off``.
"""

import math

import numpy as np
import pytest

import verdicts

pytestmark = pytest.mark.slow

STUDIES, TABLES = 4000, 600


def off(percent, studies=STUDIES):
    """Three standard errors of a share, in percent."""
    return 3 * math.sqrt(percent * (100 - percent) / studies)


def drawn(scores, contenders, seeds, salt=0):
    """Differences of studies without any effect."""
    random = np.random.default_rng([salt, contenders, seeds])
    return verdicts.differences(verdicts.SCORES[scores](random, (STUDIES, 1 + contenders, seeds)))


@pytest.mark.parametrize("scores", ["normal", "skewed", "heavy-tailed"])
@pytest.mark.parametrize(("contenders", "seeds"), [(1, 3), (5, 3), (5, 5), (10, 10)])
def test_over_all_contenders_together_few_studies_have_a_false_verdict(scores, contenders, seeds):
    found = verdicts.any_verdict(verdicts.studies_of(drawn(scores, contenders, seeds)))
    assert 0.5 < found < 5.0 + off(5.0)


def test_without_adjusting_many_studies_would_have_one():
    found = drawn("normal", 10, 5)
    alone = found.reshape(-1, 1, 5)
    assert verdicts.any_verdict(verdicts.studies_of(alone)) == pytest.approx(5.0, abs=off(5.0, len(alone)))
    any_alone = [verdicts.any_verdict(verdicts.studies_of(study[:, None])) > 0 for study in found[:500]]
    assert np.mean(any_alone) > 0.2


@pytest.mark.parametrize("contenders", [1, 5])
def test_few_effects_as_large_as_the_margin_are_called_the_same(contenders):
    found = drawn("normal", contenders, 5, salt=1) + verdicts.MARGIN
    assert 2.0 < verdicts.any_same(verdicts.studies_of(found, verdicts.MARGIN)) < 5.0 + off(5.0)


@pytest.mark.parametrize("seeds", verdicts.SEEDS)
def test_intervals_hold_the_true_difference(seeds):
    found = drawn("normal", 1, seeds, salt=2) + 0.7
    assert verdicts.covered(verdicts.studies_of(found), 0.7) == pytest.approx(95.0, abs=off(95.0))


@pytest.mark.parametrize("contenders", verdicts.CONTENDERS)
@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_what_is_promised_to_be_shown_is_shown(contenders, seeds):
    random = np.random.default_rng([3, contenders, seeds])
    kept = verdicts.promises_kept(random, verdicts.normal, (STUDIES, contenders, seeds))
    assert kept == pytest.approx(80.0, abs=3.0)


@pytest.mark.parametrize("others", [0.8, 1000.0])
def test_promises_are_kept_beside_contenders_that_differ(others):
    random = np.random.default_rng([4, int(others)])
    kept = verdicts.promises_kept(random, verdicts.normal, (STUDIES, 5, 5), others)
    assert kept == pytest.approx(80.0, abs=3.0)


@pytest.mark.parametrize("effect", [0.5, 1.0])
def test_as_many_seeds_as_are_asked_for_suffice(effect):
    shape = (1000, 5, 5)
    assert verdicts.seeds_suffice(np.random.default_rng(5), verdicts.normal, shape, effect) > 80.0 - off(80.0, 1000)


@pytest.mark.parametrize("rows", [60, 2000])
@pytest.mark.parametrize(("contenders", "seeds"), [(1, 8), (5, 5), (10, 5)])
def test_accuracies_counted_in_rows_have_few_false_verdicts(rows, contenders, seeds):
    random = np.random.default_rng([rows, contenders, seeds])
    found = verdicts.differences(verdicts.accuracies(random, (STUDIES, 1 + contenders, seeds), rows))
    assert verdicts.any_verdict(verdicts.studies_of(found, n_rows=rows)) < 5.0 + off(5.0)
    assert verdicts.covered(verdicts.studies_of(found, n_rows=rows), 0.0) > 95.0 - off(95.0)


def test_splits_of_one_table_need_the_correction_and_have_it():
    scores = verdicts.measured_on_splits(np.random.default_rng(6), verdicts.least_squares, TABLES, 10)
    found = verdicts.differences(scores)[:, :5]
    for ratio, most, least in ((40 / 160, 5.0 + off(5.0, TABLES), 95.0 - off(95.0, TABLES)), (None, 100.0, 0.0)):
        wrong = verdicts.any_verdict(verdicts.studies_of(found, test_to_train=ratio))
        held = verdicts.covered(verdicts.studies_of(found, test_to_train=ratio), 0.0)
        assert (wrong < most, held > least) == (True, True)
        assert (wrong > 15.0, held < 85.0) == (ratio is None, ratio is None)
