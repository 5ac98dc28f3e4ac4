import io

import pytest
from rich.console import Console
from studies import BASELINE, BATCH_NORM, DECAY, DROPOUT, SIX, study, versus_of

from bridle.report import comparison_table, inspection, study_text
from bridle.report.rows import Report


def printed(renderable, width):
    screen = io.StringIO()
    Console(file=screen, width=width, color_system=None).print(renderable)
    return screen.getvalue()


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("width", [80, 100, 130, 200])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(task, width):
    made = study(task=task)
    text = printed(comparison_table(made), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for _, found in Report.of(made).compared:
        assert f"{found.mean} {found.interval}".replace("−", "-") in text


def test_eighty_columns_fold_the_table_in_two_and_a_hundred_have_one():
    assert printed(comparison_table(study()), 80).count("recipe") == 2
    assert printed(comparison_table(study()), 100).count("recipe") == 1


def test_recipes_of_the_default_comparison_stay_in_one_piece_at_eighty_columns():
    text = printed(comparison_table(study()), 80)
    for recipe in (*SIX[:5], DECAY):
        assert text.count(recipe) >= 2, recipe


def test_the_table_has_scores_difference_and_verdict_in_one_line_each():
    made = study()
    lines = study_text(made).splitlines()
    (line,) = [line for line in lines if line.startswith(f" {DROPOUT}  ")]
    scores, versus = made.contenders[3].scores, versus_of(made.contenders[3])
    expected = [f"{scores[split]['log_loss'].mean:.4f}" for split in ("valid", "test")]
    expected += [f"{100 * scores['test']['accuracy'].mean:.2f}", f"{versus.difference:+.4f}"]
    assert line.split()[1:5] == expected and line.endswith(" helps")


@pytest.mark.parametrize("changes", [{}, {"task": "regression"}, {"seeds": 1}, {"trials": 3}, {"spread": 9.0}])
def test_a_study_as_text_is_at_most_a_hundred_wide_and_plain(changes):
    text = study_text(study(**changes))
    assert max(map(len, text.splitlines())) <= 100
    assert "\x1b" not in text and "−" not in text and not text.endswith("\n")


def test_contenders_are_sorted_by_effect_and_references_stand_below():
    made = study(recipes=SIX[:5])
    order = [row.contender.name for row in Report.of(made).rows]
    order += ["gradient boosting", "linear model", "majority class"]
    text = study_text(made)
    places = [text.index(f"\n {name} ") for name in order]
    assert places == sorted(places) and order[0] == DROPOUT and BASELINE in order[1:-3]


def test_references_are_dim_and_have_no_verdict():
    screen = io.StringIO()
    Console(file=screen, width=120, force_terminal=True, color_system="standard").print(comparison_table(study()))
    (line,) = [line for line in screen.getvalue().splitlines() if "linear model" in line]
    assert "\x1b[2m" in line and "reference" not in line


def test_one_seed_has_means_without_spread_and_no_difference():
    text = printed(comparison_table(study(seeds=1)), 80)
    assert "±" not in text and "one seed" in text
    assert "95 % interval" in text and "[+" not in text


def test_diverged_and_missing_runs_are_counted_beside_the_recipe():
    made = study(recipes=(BASELINE, DROPOUT), diverged=[(1, 0), (1, 3)])
    made.contenders[0].runs.pop()
    text = printed(comparison_table(made), 80)
    assert "runs: 5, 2 diverged" in text and "runs: 4 of 5" in text
    assert "nan" not in text


def test_a_recipe_with_markup_in_its_name_is_printed_as_it_is():
    name = "L2(strength=0.1, on='[red]x[/red]')"
    text = printed(comparison_table(study(recipes=(BASELINE, name))), 200)
    assert "[red]x[/red]" in text.replace("\n", "")
    assert "[red]x[/red]" in printed(inspection(study(recipes=(BASELINE, name))), 80)


def test_an_inspection_has_each_layer_with_norm_dead_units_and_gammas():
    made = study(recipes=(BASELINE, BATCH_NORM))
    text = printed(inspection(made), 80)
    assert text.count("linear1") == 2 and text.count("output") == 2
    gammas = [gamma for run in made.contenders[1].runs for gamma in run.layers[0].gammas or []]
    for value in (min(gammas), sorted(gammas)[len(gammas) // 2], max(gammas)):
        assert f"{value:.2f}" in text
    assert text.count("gamma") == 1 and "█" in text
    assert "of 128" in text and "5.20" in text


def test_an_inspection_of_runs_that_all_diverged_prints_dashes():
    text = printed(inspection(study(recipes=(BASELINE, BATCH_NORM), diverged=[(1, seed) for seed in range(5)])), 80)
    assert "5 diverged" in text and "—" in text and "nan" not in text
