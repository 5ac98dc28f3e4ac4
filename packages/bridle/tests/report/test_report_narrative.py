import math

import pytest
from studies import BASELINE, DECAY, DROPOUT, SIX, study, versus_of

from bridle.report import verdicts
from bridle.report.narrative import cautions, headline, lead
from bridle.report.rows import Report
from bridle.report.series_style import short_names, styles


def test_the_headline_names_the_recipe_that_helps_most_and_by_how_much():
    made = study(effects=(0.0, 0.0, 0.01, 0.02, 0.0, 0.005))
    best = made.contenders[3]
    assert headline(Report.of(made)).startswith("Dropout 0.2 helps most: +")
    assert f"{100 * versus_of(best).difference:.2f} points of validation accuracy" in headline(Report.of(made))


def test_the_lead_gives_the_size_the_interval_the_test_score_and_what_seeds_cannot_tell():
    made = study()
    answer, tested, noise = lead(Report.of(made))
    dropout, baseline = made.contenders[3], made.baseline
    versus = versus_of(dropout)
    size = f"{100 * versus.difference:.2f} points (95 % interval {100 * versus.low:.2f} to {100 * versus.high:.2f})"
    assert f"Dropout 0.2 is better than the baseline by {size}" in answer
    assert "BatchNorm is worse than the baseline by" in answer
    scores = [100 * each.scores["test"]["accuracy"].mean for each in (dropout, baseline)]
    assert f"{scores[0]:.2f} % accuracy against {scores[1]:.2f} %" in tested
    assert noise.startswith("Is it noise? Hardly")


def test_no_difference_shown_is_said_with_the_smallest_that_would_have_been():
    made = study(recipes=(BASELINE, DROPOUT), effects=(0.0, 0.0))
    made.contenders[1].versus_baseline = undecided(versus_of(made.contenders[1]))
    assert headline(Report.of(made)) == "No difference that 5 seeds can show"
    assert "5 seeds would have shown one of 0.30 points or more" in lead(Report.of(made))[0]
    assert lead(Report.of(made))[-1].startswith("Is it noise? It may well be")


def undecided(versus):
    values = {**vars(versus), "verdict": "no difference shown", "smallest": 0.003}
    return type(versus)(**values)


def test_one_seed_gives_scores_and_no_verdict():
    made = study(seeds=1)
    assert verdicts(made) == []
    assert headline(Report.of(made)).startswith("Scores without a verdict")
    assert lead(Report.of(made))[-1] == "Is it noise? One seed cannot tell."


def test_a_single_contender_is_compared_with_nothing():
    made = study(recipes=(BASELINE,))
    assert headline(Report.of(made)).startswith("none: 9")
    assert lead(Report.of(made))[-1] == "Only one recipe was trained, so there is nothing to compare it with."


def test_regression_speaks_of_r2_and_never_of_percent():
    made = study(task="regression")
    text = " ".join([headline(Report.of(made)), *lead(Report.of(made))]).replace("95 % interval", "")
    assert "validation R²" in text
    assert "%" not in text and "points" not in text


def test_a_contender_without_a_verdict_is_named():
    made = study(diverged=[(4, seed) for seed in range(5)])
    assert "BatchNorm has no verdict" in lead(Report.of(made))[0]


def test_a_baseline_without_a_finite_score_is_said_so():
    made = study(recipes=(BASELINE, DROPOUT), diverged=[(0, seed) for seed in range(5)])
    assert "has no finite score" in lead(Report.of(made))[0]


def test_an_unfinished_study_and_its_notices_are_cautions():
    made = study(finished=False, notices=["Two runs diverged."])
    assert cautions(made) == [
        "This study is not finished (30 runs so far); the same command goes on with the rest.",
        "Two runs diverged.",
    ]
    assert cautions(study()) == []


def test_verdicts_name_the_recipe_as_it_is_written():
    made = study()
    assert [sentence.split(":")[0] for sentence in verdicts(made)] == list(SIX[1:])
    assert verdicts(made)[2] == f"{DROPOUT}: {versus_of(made.contenders[3]).words}"


@pytest.mark.parametrize("number", range(12))
def test_looks_differ_between_any_two_contenders(number):
    found = styles(study(recipes=[f"Dropout(rate=0.{place})" for place in range(12)], seeds=2, epochs=2))
    others = {(style.name, style.color, style.dash) for style in found if style is not found[number]}
    assert len(others) == 11
    assert not any(found[number].name == name for name, _, _ in others)
    assert (found[number].color, found[number].dash) not in {other[1:] for other in others}


def test_only_the_baseline_is_grey():
    red, green, blue = (int(styles(study())[0].color[place : place + 2], 16) for place in (1, 3, 5))
    assert max(red, green, blue) - min(red, green, blue) < 24
    assert len({style.color for style in styles(study())}) == len(SIX)


def test_names_that_would_be_cut_to_the_same_text_are_numbered():
    recipes = [f"{DROPOUT} + {DECAY} + L2(strength={strength})" for strength in (0.1, 0.2)]
    assert len(set(short_names(recipes))) == 2
    assert all(len(name) <= 34 for name in short_names(recipes))


def test_two_seeds_are_enough_for_a_verdict():
    made = study(seeds=2)
    assert len(verdicts(made)) == 5
    assert all(math.isfinite(versus_of(each).low) for each in made.contenders[1:])
