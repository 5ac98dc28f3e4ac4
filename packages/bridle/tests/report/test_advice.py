"""Advice on studies that are made so that the answer is known, and on many at random: never against the table."""

import json
import math
import re
from dataclasses import replace
from functools import cache
from random import Random

import pytest
from studies import BASELINE, DECAY, DROPOUT, SIX, judged, study, versus_of

from bridle.report import advice
from bridle.report.narrative import cards
from bridle.report.page import page
from bridle.report.rows import Report
from bridle.results import HELPS, HURTS, Contender, LayerSummary, Run, Study, Summary

L1, L2 = "L1(strength=0.001)", "L2(strength=0.01)"
MANY_ROWS = {"train": 9000, "valid": 3000, "test": 3000}


def topics(made):
    return [each.topic for each in advice(made)]


def sentence(made, topic):
    (found,) = [each for each in advice(made) if each.topic == topic]
    return found


def with_scores(made, split, name, values, number=0):
    """Set what each run of a contender has on a split."""
    contender = made.contenders[number]
    for run, value in zip(contender.runs, values, strict=True):
        run.scores[split][name] = value
    contender.scores[split][name] = Summary.of(list(values))
    contender.gap = contender.scores["train"][made.metric].mean - contender.scores["valid"][made.metric].mean
    return judged(made.contenders, made.metric)


def test_a_recipe_that_helps_is_advised_with_its_numbers_and_the_test_rows():
    made = study(recipes=(BASELINE, L2), effects=(0.0, 0.06), level=0.81)
    found = sentence(made, "use")
    versus = versus_of(made.contenders[1])
    assert found.sentence.startswith(f"{L2} helps: validation log-loss is lower by ")
    assert "instead of" in found.sentence and "rows more are right" in found.sentence
    assert (found.key, found.value) == ("contenders[1].versus_baseline.difference", versus.difference)
    assert found.anchor == "contender-1"
    assert advice(made)[0] == found


def test_test_rows_that_do_not_confirm_are_said():
    made = study(recipes=(BASELINE, L2), effects=(0.0, 0.06), level=0.81)
    made.contenders[1].scores["test"]["log_loss"] = Summary(9.0, 0.0, [9.0])
    assert "the test rows do not confirm it" in sentence(made, "use").sentence


def test_worse_than_the_constant_answer_comes_before_everything_else():
    made = study(level=0.2, effects=(0.0, 0.3), recipes=(BASELINE, DROPOUT))
    first = advice(made)[0]
    assert first.topic == "below the constant" and first.sentence.startswith(
        "The baseline is worse than the majority class"
    )
    assert first.numbers["references[0].scores.valid.log_loss.mean"] == pytest.approx(math.log(10))
    assert "below the constant" not in topics(study())


def test_underfitting_lengths_are_said_before_any_recipe():
    made = study(lengths=(0.3, 0.1, 0.0), effects=(0.0, -0.05), recipes=(BASELINE, DROPOUT))
    first = advice(made)[0]
    assert first.topic == "underfits" and first.anchor == "lengths"
    assert "Train longer before judging any recipe: 80 epochs" in first.sentence and "--epochs 160" in first.sentence
    assert "underfits" not in topics(study(lengths=(0.3, 0.0, 0.01)))


def test_no_gap_means_that_regularization_is_not_the_problem():
    made = study(recipes=(BASELINE, DROPOUT), effects=(0.0, -0.05), level=0.8, rows=MANY_ROWS)
    with_scores(made, "train", "log_loss", made.baseline.scores["valid"]["log_loss"].values)
    assert sentence(made, "underfits").sentence.startswith(
        "Regularization is not the problem: log-loss of the baseline is 0.6"
    )
    assert "overfits" not in topics(made)


def test_a_perfect_network_does_not_underfit():
    made = study(recipes=(BASELINE, DROPOUT), level=0.999, spread=0.0, effects=(0.0, 0.0), rows=MANY_ROWS)
    with_scores(made, "train", "log_loss", [0.004] * 5)
    with_scores(made, "valid", "log_loss", [0.003] * 5)
    assert "underfits" not in topics(made)


def test_overfitting_is_said_with_the_share_of_the_gap_that_the_winner_closes():
    made = study(recipes=(BASELINE, L2), effects=(0.0, 0.05), level=0.8)
    with_scores(made, "train", "log_loss", [0.02] * 5)
    ours_valid = made.contenders[1].scores["valid"]["log_loss"].values
    with_scores(made, "train", "log_loss", [value - 0.1 for value in ours_valid], 1)
    found = sentence(made, "overfits")
    base, ours = made.baseline.gap, made.contenders[1].gap
    share = round(100 * (1 - abs(ours) / abs(base)))
    assert f"{L2} closes {share} % of that gap" in found.sentence
    assert found.numbers == {"contenders[0].gap": base, "contenders[1].gap": ours}


def test_overfitting_without_a_cure_asks_for_stronger_recipes_and_for_weaker_ones_where_these_hurt():
    for effect, asked in ((0.0, "is shown to help: try stronger ones"), (-0.05, "and 1 of 1 hurt: try weaker ones")):
        made = study(recipes=(BASELINE, L2), effects=(0.0, effect), level=0.8)
        with_scores(made, "train", "log_loss", [0.02] * 5)
        assert asked in sentence(made, "overfits").sentence


def test_differences_below_noise_take_the_cheapest_and_say_how_many_seeds_would_tell():
    made = study(recipes=(BASELINE, "L2(strength=0.0001)"), effects=(0.0, 0.0004))
    found = sentence(made, "below noise")
    needed = versus_of(made.contenders[1]).seeds_needed
    assert needed is not None
    assert found.sentence.startswith("Take the baseline, the simplest: no recipe is shown to be better")
    assert f"{needed - 5} more seeds would tell L2(strength=0.0001) (--seeds {needed})" in found.sentence


def test_the_same_within_the_margin_takes_the_simplest():
    made = study(recipes=(BASELINE, L2), effects=(0.0, 0.0001), margin=0.2)
    assert sentence(made, "same").sentence.startswith(
        f"Take the baseline, the simplest: {L2} is the same within 0.2 of log-loss"
    )


def test_between_two_that_help_alike_the_simpler_is_named():
    made = study(recipes=(BASELINE, f"{DROPOUT} + {DECAY}", L2), effects=(0.0, 0.052, 0.05), level=0.8)
    found = sentence(made, "cheaper")
    assert found.sentence.startswith(f"{L2} helps too, and no difference between it and {DROPOUT} + {DECAY} is shown")
    apart = study(recipes=(BASELINE, f"{DROPOUT} + {DECAY}", L2), effects=(0.0, 0.09, 0.04), level=0.8)
    assert "cheaper" not in topics(apart)


def test_coupled_decay_is_said_only_where_both_are_there_and_differ():
    made = study(recipes=(BASELINE, L2, DECAY), effects=(0.0, 0.03, 0.0003))
    found = sentence(made, "coupled decay")
    assert f"{L2} helps (−" in found.sentence and f"{DECAY} cannot be told yet" in found.sentence
    assert "coupled decay" not in topics(study(recipes=(BASELINE, L2, DROPOUT), effects=(0.0, 0.03, 0.0)))
    assert "coupled decay" not in topics(study(recipes=(BASELINE, L2, DECAY), effects=(0.0, 0.03, 0.031)))
    made.protocol["optimizer"] = "sgd"
    assert "coupled decay" not in topics(made)


def test_dead_outputs_are_counted():
    made = study(recipes=(BASELINE, DROPOUT))
    run = made.contenders[1].runs[2]
    run.layers[-1] = replace(run.layers[-1], dead_units=3)
    found = sentence(made, "dead outputs")
    assert f"{DROPOUT} has dead outputs in 1 of 5 runs: up to 3 of 10" in found.sentence
    assert found.numbers == {"contenders[1].runs[2].layers[2].dead_units": 3.0}
    assert "dead outputs" not in topics(study())


def test_silent_layers_are_said():
    made = study(recipes=(BASELINE, DROPOUT))
    for run in made.baseline.runs:
        run.layers[0] = replace(run.layers[0], dead_units=64)
    assert "64 of 128 units of linear1 are silent" in sentence(made, "dead units").sentence
    for run in made.contenders[1].runs:
        run.layers[0] = replace(run.layers[0], dead_units=100)
    (both,) = (each for each in advice(made) if each.topic == "dead units")
    assert both.sentence.startswith(f"{DROPOUT}: 100 of 128 units of linear1 are silent")
    assert "in 2 of 2 contenders many are" in both.sentence and len(both.numbers) == 2
    assert "dead units" not in topics(study())


def memorizing_study():
    made = study(recipes=(BASELINE, L2), effects=(0.0, 0.05), level=0.75)
    for run in made.baseline.runs:
        run.curves["train_accuracy"][-1] = 0.999
        run.curves["valid_loss"][4], run.curves["valid_loss"][-1] = 0.5, 1.6
    return made


def test_label_noise_looks_like_learning_by_heart():
    found = sentence(memorizing_study(), "memorizes")
    assert found.sentence.startswith("The baseline learns its training rows by heart: 99.9")
    assert "from 0.500 up to 1.60. Wrong labels look like this, and so do classes that overlap" in found.sentence
    assert found.key == "contenders[0].runs[0].curves.train_accuracy[19]"
    assert "memorizes" not in topics(study())


def test_few_rows_are_said_where_they_leave_more_in_doubt_than_recipes_differ_by():
    made = study(rows={"train": 120, "valid": 40, "test": 40}, level=0.8)
    found = sentence(made, "few rows")
    assert found.sentence.startswith("40 validation rows know an accuracy of 80.")
    assert "only to within 12 points (one row is 2.5)" in found.sentence
    assert found.key == "data.rows.valid"
    assert "few rows" not in topics(study(rows={"train": 90_000, "valid": 30_000, "test": 30_000}))
    for number in range(len(made.contenders)):
        with_scores(made, "valid", "accuracy", [0.8] * 5, number)
    assert "and all recipes here have the same: whether" in sentence(made, "few rows").sentence
    made.splits["varies"] = True  # then the interval covers the rows as well
    assert "few rows" not in topics(made)


def test_redundant_features_are_guessed_only_where_zeros_beat_small_weights():
    made = study(recipes=(BASELINE, L1, L2), effects=(0.0, 0.06, 0.02), level=0.85)
    found = sentence(made, "redundant features")
    assert found.sentence.startswith(f"{L1} is better than {L2} by 0.1")
    assert "some inputs may be redundant" in found.sentence
    assert "redundant features" not in topics(study(recipes=(BASELINE, L1, L2), effects=(0.0, 0.06, 0.06), level=0.85))
    assert "redundant features" not in topics(study(recipes=(BASELINE, L1, L2), effects=(0.0, 0.02, 0.06), level=0.85))


def test_a_reference_that_beats_every_recipe_is_said_plainly():
    made = study(level=0.9, effects=(0.0, 0.01), recipes=(BASELINE, DROPOUT))
    found = sentence(made, "reference wins")
    assert found.sentence.startswith("A reference beats every recipe here: gradient boosting, with test log-loss 0.12")
    assert found.anchor == "reference-2"
    assert "reference wins" not in topics(study(level=0.99))


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_reference_that_is_better_on_one_split_or_under_some_seeds_alone_beats_nothing(split):
    made = study(level=0.9, effects=(0.0, 0.01), recipes=(BASELINE, DROPOUT))
    made.references = made.references[2:]
    score = made.references[0].scores[split]["log_loss"]
    best = min(made.contenders[1].scores[split]["log_loss"].values)
    made.references[0].scores[split]["log_loss"] = replace(score, mean=best + 0.001, values=[best + 0.001])
    report = Report.of(made)
    assert "reference wins" not in topics(made)
    assert "the best reference" in [card.note for card in cards(report)]


def test_a_contender_that_is_too_weak_is_called_that():
    made = study()
    made.contenders[1].too_weak = "too weak to act: over its whole training it takes 1 % off a weight"
    assert sentence(made, "too weak").sentence.startswith("L2(strength=0.0001) is too weak to act: over its whole")


def test_probabilities_are_off_only_beyond_what_few_rows_explain():
    made = study(recipes=(BASELINE,), rows=MANY_ROWS)
    with_scores(made, "test", "ece", [0.12] * 5)
    assert "off by 12.00 points on average on the test rows" in sentence(made, "calibration").sentence
    made.data["rows"]["test"] = 100  # by chance alone 15 bins of 100 rows may be off by 15 points
    assert "calibration" not in topics(made)


def test_runs_that_diverged_are_counted():
    made = study(recipes=(BASELINE, DROPOUT), diverged=[(1, 0), (1, 4)])
    assert "diverged in 2 of 5 runs, the first in epoch 3" in sentence(made, "diverged").sentence


def test_one_seed_is_too_few():
    assert topics(study(seeds=1))[0] == "one seed"


def test_there_is_always_a_sentence():
    made = study(recipes=(BASELINE,), references=False, rows=MANY_ROWS)
    with_scores(made, "train", "log_loss", [value - 0.01 for value in made.baseline.scores["valid"]["log_loss"].values])
    assert topics(made) == ["nothing"]
    lost = study(recipes=(BASELINE,), references=False, diverged=[(0, seed) for seed in range(5)])
    for run in lost.baseline.runs:
        run.diverged_at = None  # as where an interrupt left nothing to score
    assert "has no finite score to measure others by" in sentence(lost, "nothing").sentence


@cache
def random_study(number: int) -> Study:
    """Return a study of anything: strong and weak effects, few and many rows, tuned or not, with runs that diverged."""
    random = Random(number)
    recipes = [BASELINE, *random.sample([*SIX[1:], L1, L2], random.randrange(0, 6))]
    size = random.choice([0.001, 0.01, 0.1])
    made = study(
        recipes=recipes,
        seeds=random.choice([1, 2, 3, 5]),
        task=random.choice(["classification", "classification", "regression"]),
        effects=[0.0, *(random.gauss(0, size) for _ in recipes[1:])],
        level=random.choice([0.3, 0.8, 0.95]),
        spread=random.choice([0.0, 0.3, 1.0, 5.0]),
        epochs=random.choice([2, 8]),
        rows={"train": 100, "valid": random.choice([12, 60, 5000]), "test": random.choice([12, 5000])},
        margin=random.choice([None, 0.0, 0.02]),
        references=random.random() < 0.8,
        lengths=random.choice([(), (0.2, 0.1, 0.0), (0.1, 0.0, 0.05)]),
        trials=random.choice([0, 0, 3]),
        diverged=[(random.randrange(len(recipes)), 0)] if random.random() < 0.2 else [],
    )
    for contender in made.contenders:
        if random.random() < 0.2:
            contender.too_weak = "too weak to act: it takes 1 % off a weight"
        for run in contender.runs:
            if random.random() < 0.1:
                run.layers[-1] = replace(run.layers[-1], dead_units=random.randrange(4))
    return made


MANY = range(40)
CLAIM = re.compile(r" (helps|hurts)\b")


def claims(text: str, contenders: list[Contender]) -> list[tuple[Contender, str]]:
    """Return who is said to help or hurt: the longest name of a contender that stands before the word."""
    found = []
    for claim in CLAIM.finditer(text):
        before = text[: claim.start()]
        named = [each for each in contenders if before.endswith(each.name)]
        assert named, text
        found.append((max(named, key=lambda each: len(each.name)), claim[1]))
    return found


@pytest.mark.parametrize("number", MANY)
def test_no_sentence_contradicts_the_table(number):
    made = random_study(number)
    for each in advice(made):
        assert each.sentence.endswith(".") and "nan" not in each.sentence and "—" not in each.sentence, each
        for contender, word in claims(each.sentence, made.contenders):
            assert versus_of(contender).verdict == {"helps": HELPS, "hurts": HURTS}[word], each
        if each.topic in ("below noise", "same"):
            assert not [one for one in made.contenders if one.versus_baseline and one.versus_baseline.verdict == HELPS]


@pytest.mark.parametrize("number", MANY)
def test_every_number_stands_in_the_study_and_every_link_on_the_page(number):
    made = random_study(number)
    plain = made.to_json()
    text = page(made) if number % 6 == 0 else ""
    for each in advice(made):
        assert each.numbers
        for path, value in each.numbers.items():
            assert at(plain, path) == pytest.approx(value), path
        assert not text or f'id="{each.anchor}"' in text, each.anchor


def at(plain, path):
    """Return what stands at a path such as "contenders[2].gap"."""
    for key in re.findall(r"[^.\[\]]+", path):
        plain = plain[int(key)] if isinstance(plain, list) else plain[key]
    return plain


def test_random_studies_have_every_verdict_and_most_topics():
    studies = [random_study(number) for number in MANY]
    verdicts = {each.versus_baseline.verdict for made in studies for each in made.contenders if each.versus_baseline}
    assert verdicts == {"helps", "hurts", "the same", "cannot tell yet"}
    assert len({topic for made in studies for topic in topics(made)}) >= 12


def test_a_claim_against_the_table_would_be_seen():
    made = study(recipes=(BASELINE, L2, f"{L2} + {DECAY}"), effects=(0.0, 0.05, -0.05))
    said = f"{L2} + {DECAY} helps, and {L2} hurts"
    assert [(one.name, word) for one, word in claims(said, made.contenders)] == [
        (f"{L2} + {DECAY}", "helps"),
        (L2, "hurts"),
    ]


def test_advice_reads_a_saved_study_alike(tmp_path):
    made = study(lengths=(0.2, 0.0), trials=3)
    made.save(tmp_path / "study.json")
    assert advice(Study.load(tmp_path)) == advice(made)
    assert json.dumps([each.numbers for each in advice(made)], allow_nan=False)


def test_a_run_without_curves_or_layers_breaks_nothing():
    made = study(recipes=(BASELINE, DROPOUT))
    bare = [Run(run.recipe, run.seed, run.scores, {}, [], run.seconds) for run in made.baseline.runs]
    made.contenders[0].runs = bare
    assert advice(made)
    assert isinstance(made.contenders[1].runs[0].layers[0], LayerSummary)
