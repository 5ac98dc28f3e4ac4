import re
from dataclasses import replace

import pytest
from studies import BASELINE, BATCH_NORM, DECAY, DROPOUT, SIX, judged, study, versus_of

from bridle.report import verdicts
from bridle.report.narrative import cards, cautions, headline, lead, rows_words, winner
from bridle.report.rows import Report
from bridle.report.series_style import short_names, styles
from bridle.report.tables import comparison_rows
from bridle.results import UNDECIDED

SMALL = {"train": 120, "valid": 40, "test": 60}


def first_line(**changes):
    return headline(Report.of(study(**changes)))


def words_of(made):
    report = Report.of(made)
    return " ".join([headline(report), *lead(report), *(f"{c.label} {c.value} {c.note}" for c in cards(report))])


def test_the_first_line_has_effect_certainty_and_test_result():
    made = study(recipes=(BASELINE, "L2(strength=0.01)"), effects=(0.0, 0.06), level=0.81, rows=SMALL)
    said = headline(Report.of(made))
    row = winner(Report.of(made))
    assert row.difference is not None
    metric = Report.of(made).metric
    ours, base = (each.score("valid", metric).shown for each in (row, Report.of(made).baseline))
    assert said.startswith(f"L2(strength=0.01) helps: validation log-loss {ours} instead of {base} (lower by ")
    assert f"95 % interval {row.difference.sizes}, 5 seeds)" in said
    tests = [each.score("test", metric).shown for each in (row, Report.of(made).baseline)]
    assert f"on the test rows {tests[0]} instead of {tests[1]}, about 4 of 60 rows more are right." in said


def test_rows_are_counted_at_two_hundred_rows():
    made = study(recipes=(BASELINE, DROPOUT), effects=(0.0, 0.015), rows={**SMALL, "test": 200}, spread=0.0)
    report = Report.of(made)
    row = next(row for row in report.rows if row.number)
    assert rows_words(report, row, "test") == "3 of 200 rows more are right"
    assert rows_words(report, report.baseline, "test") == "as many of 200 rows are right"


def test_what_helps_most_is_named_and_the_others_follow():
    report = Report.of(study())
    assert headline(report).startswith("Dropout(rate=0.2) helps most: ")
    also, tested = lead(report)
    assert also.startswith("Also helps: Dropout 0.2 + WeightDecay 0.1 (−0.0280). Hurts: BatchNorm (+0.0174).")
    assert "Cannot tell yet: WeightDecay 0.1 (−0.0053) and L2 0.0001 (−0.0017)." in also
    assert tested.startswith("On the same test rows, by log-loss: Dropout 0.2 0.0742, gradient boosting 0.1216,")


def test_test_rows_that_go_the_other_way_are_said_with_a_but():
    made = study(recipes=(BASELINE, DROPOUT), effects=(0.0, 0.01))
    base = made.baseline.scores["test"]["log_loss"]
    made.contenders[1].scores["test"]["log_loss"] = type(base)(base.mean + 0.1, base.sd, base.values)
    assert "; but on the test rows" in headline(Report.of(made))


def test_worse_than_the_constant_answer_is_said_first():
    said = first_line(level=0.1, effects=(0.0, 0.0, 0.0, 0.4, 0.0, 0.0))
    assert said.startswith("WeightDecay 0.1, L2 0.0001, the baseline and 2 others are worse than the majority class")
    assert "against 2.30" in said and said.index("worse") < said.index("Dropout(rate=0.2) helps")


def test_everything_below_the_constant_answer_is_said_of_every_recipe():
    made = study(level=0.6, effects=(0.0, -0.1), recipes=(BASELINE, DROPOUT))
    made.references[0].scores["valid"]["log_loss"].__dict__.update(mean=0.7, values=[0.7])
    said = headline(Report.of(made))
    assert said.startswith("Every recipe is worse than the majority class (validation log-loss ")


def test_training_that_is_too_short_is_said_before_any_recipe_is_blamed():
    made = study(lengths=(0.3, 0.1, 0.0), effects=(0.0, 0.0, 0.0, 0.0, -0.01, 0.0))
    said = headline(Report.of(made))
    assert said.startswith("Training is too short: validation log-loss still goes from ")
    assert "at 40 epochs to" in said and "at 80, the most that were tried." in said
    assert "hurts" not in said


def test_a_length_that_gained_nothing_is_no_reason():
    assert "too short" not in first_line(lengths=(0.3, 0.0, 0.01))


def test_a_network_that_is_no_better_on_its_training_rows_underfits():
    made = study(recipes=(BASELINE, DROPOUT), effects=(0.0, -0.05), level=0.8, rows={**SMALL, "valid": 2000})
    for contender in made.contenders:
        contender.scores["train"] = contender.scores["valid"]
    said = headline(Report.of(made))
    assert said.startswith("The network underfits: log-loss is 0.6")
    assert "hurts" not in said
    made.data["rows"]["valid"] = 60  # so few may be easier than the training rows by chance
    assert "underfits" not in headline(Report.of(made))


def test_nothing_that_helps_is_said_with_what_hurts_most():
    decided = {"recipes": (BASELINE, DROPOUT, BATCH_NORM)}
    assert first_line(**decided, effects=(0.0, -0.01, -0.02)).startswith(
        "No recipe helps; BatchNorm() hurts most: validation log-loss "
    )


def test_what_cannot_be_told_is_not_said_to_be_no_help():
    made = study(effects=(0.0, 0.0, 0.0, -0.01, -0.02, 0.0))
    assert headline(Report.of(made)).startswith("No recipe is shown to help; BatchNorm() hurts most: validation")
    assert "Also hurts: Dropout 0.2" in lead(Report.of(made))[0] and "BatchNorm" not in lead(Report.of(made))[0]


def test_what_cannot_be_told_is_said_with_the_seeds_that_would():
    said = first_line(recipes=(BASELINE, "L2(strength=0.0001)"), effects=(0.0, 0.0004))
    assert said.startswith("No recipe is shown to help by validation log-loss: the nearest is L2(strength=0.0001), ")
    assert "more seeds would tell" in said and "the baseline has 0.09" in said and "% accuracy" in said


def test_an_interval_beside_zero_among_many_is_said_to_be_perhaps_chance():
    made = study(recipes=(BASELINE, DECAY, BATCH_NORM), effects=(0.0, 0.004, 0.0))
    versus = versus_of(made.contenders[1])
    assert versus.high < 0
    made.contenders[1].versus_baseline = replace(versus, verdict=UNDECIDED, seeds_needed=9)
    said = headline(Report.of(made))
    assert "the nearest is WeightDecay(strength=0.1), lower by 0.0" in said
    assert ", 5 seeds; among 2 contenders that may be chance; about 4 more seeds would tell); the baseline has" in said


def test_the_nearest_that_is_no_better_is_said_to_be_none():
    said = first_line(recipes=(BASELINE, DECAY), effects=(0.0, -0.0012), margin=0.0)
    assert ": even the nearest, WeightDecay(strength=0.1), is no better, higher by " in said


def test_what_is_too_weak_is_told_apart_in_table_and_sentences():
    made = study(recipes=(BASELINE, DROPOUT, DECAY), effects=(0.0, -0.0012, -0.0006), margin=0.0)
    made.contenders[2].too_weak = "too weak to act: it takes 1 % off a weight"
    report = Report.of(made)
    assert "the nearest is Dropout" in headline(report)
    assert lead(report)[0].startswith("Too weak to act: WeightDecay 0.1 (")
    assert "WeightDecay(strength=0.1): too weak to act: it takes 1 % off a weight; validation log-loss " in " ".join(
        verdicts(made)
    )
    made.contenders[1].too_weak = "too weak to act: it drops nothing"
    assert headline(Report.of(made)).startswith(
        "No recipe is strong enough to change validation log-loss; the baseline"
    )


def test_what_is_shown_to_help_is_not_called_too_weak():
    made = study(recipes=(BASELINE, DROPOUT), effects=(0.0, 0.02))
    made.contenders[1].too_weak = "too weak to act: it takes 1 % off a weight"
    row = winner(Report.of(made))
    assert row.contender.name == DROPOUT and row.verdict == "helps"


def test_scores_that_read_alike_are_not_set_against_each_other():
    made = study(recipes=(BASELINE, DROPOUT), effects=(0.0, 0.02))
    for split in ("valid", "test"):  # as where the seeds differ by far more than the recipes do
        for contender in made.contenders:
            contender.scores[split]["log_loss"].__dict__.update(mean=0.4, sd=0.1)
    said = headline(Report.of(made))
    assert "instead of" not in said.partition(";")[0] and "on the test rows 0.40 like the baseline" in said


def test_the_same_within_the_margin_is_said_as_that():
    said = first_line(recipes=(BASELINE, DROPOUT), effects=(0.0, 0.0001), margin=0.1)
    assert said.startswith("No recipe makes a difference of consequence: the same within 0.1 of log-loss")


def test_one_seed_gives_the_best_score_and_no_verdict():
    made = study(seeds=1)
    assert verdicts(made) == []
    assert headline(Report.of(made)).startswith("No verdict, as one seed cannot tell a difference from noise: Dropout")


def test_a_single_contender_is_compared_with_nothing():
    assert first_line(recipes=(BASELINE,)).startswith("Validation log-loss of the baseline: 0.09")


def test_nothing_finite_is_said():
    said = first_line(recipes=(BASELINE, DROPOUT), diverged=[(number, seed) for number in (0, 1) for seed in range(5)])
    assert "No contender has a finite score" in said


def test_regression_speaks_of_r2_and_never_of_percent_or_rows():
    text = words_of(study(task="regression")).replace("95 % interval", "")
    assert "validation R²" in text and "RMSE" in text
    assert "%" not in text and "points" not in text and "more are right" not in text
    assert "R2" not in text and "r2" not in text


def test_a_contender_without_a_verdict_is_named():
    made = study(diverged=[(4, seed) for seed in range(5)])
    assert "BatchNorm has no verdict" in lead(Report.of(made))[0]


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("spread", [0.3, 4.0])
def test_sentences_and_table_have_the_same_digits(task, spread):
    made = study(task=task, spread=spread, level=0.85)
    report = Report.of(made)
    table = {cell.replace("−", "").replace("+", "") for row in comparison_rows(report).rows for cell in row}
    shown = {number for cell in table for number in re.findall(r"\d+\.\d+", cell)}
    said = " ".join([headline(report), *lead(report), *verdicts(made)])
    sizes = {number for number in re.findall(r"\d+\.\d+", re.sub(r"\w+\([^)]*\)|[A-Z]\w+ 0\.\d+", "", said))}
    told = {number for number in sizes if not re.search(rf"show {re.escape(number)}|within {re.escape(number)}", said)}
    assert told <= shown


def test_cards_have_the_key_numbers():
    report = Report.of(study())
    by_label = {card.label: card for card in cards(report)}
    assert by_label["Validation log-loss"].value == "0.0942 → 0.0646"
    assert by_label["Validation log-loss"].note == "−0.0296 [−0.0318, −0.0275]"
    assert by_label["Validation log-loss"].css == "helps"
    assert by_label["Test accuracy"].note == "about 3 of 360 rows more are right"
    assert by_label["Gradient boosting, test log-loss"].value == "0.1216"
    assert by_label["Training"].value == "20 epochs"


def test_an_unfinished_study_and_its_notices_are_cautions():
    made = study(finished=False, notices=["Two runs diverged."])
    assert cautions(made) == [
        "This study is not finished (30 runs so far); the same command goes on with the rest.",
        "Two runs diverged.",
    ]
    assert cautions(study()) == []


def test_a_note_on_a_pair_names_the_contender_or_is_not_there():
    note = "Dropout and BatchNorm: A norm behind it remembers too large a variance."
    both = f"{DROPOUT} + {BATCH_NORM}"
    made = study(recipes=(BASELINE, DROPOUT, both), notices=[note], seeds=2)
    assert cautions(made) == [f"{made.contenders[2].name}: {note}"]
    assert cautions(study(recipes=(BASELINE, DROPOUT, BATCH_NORM), notices=[note], seeds=2)) == []
    columns = "Age and Income: 3 values are missing."
    assert cautions(study(notices=[columns], seeds=2)) == [columns]


def test_verdicts_name_the_recipe_as_it_is_written_and_the_best_comes_first():
    made = study()
    names = [sentence.split(": ")[0] for sentence in verdicts(made)]
    assert names == [row.contender.name for row, _ in Report.of(made).compared] and set(names) == set(SIX[1:])
    assert verdicts(made)[0] == f"{DROPOUT}: {versus_of(made.contenders[3]).words}"


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


def test_the_baseline_is_used_where_nothing_helps():
    made = study(recipes=(BASELINE, DROPOUT), effects=(0.0, -0.02))
    assert winner(Report.of(made)).number == 0
    judged(made.contenders, made.metric)
    assert winner(Report.of(study())).contender.name == DROPOUT
