import io

import pytest
from rich.console import Console
from studies import BASELINE, BATCH_NORM, DECAY, DROPOUT, SIX, study, versus_of

from bridle.report import comparison_table, inspection


def printed(renderable, width):
    screen = io.StringIO()
    Console(file=screen, width=width, color_system=None).print(renderable)
    return screen.getvalue()


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("width", [80, 100, 130, 200])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(task, width):
    text = printed(comparison_table(study(task=task)), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for contender in study(task=task).contenders[1:]:
        versus = versus_of(contender)
        low = f"{100 * versus.low:+.2f}" if task == "classification" else f"{versus.low:+.3f}"
        assert low.replace("+0.000", "0.000") in text


def test_eighty_columns_fold_the_table_in_two_and_a_wide_terminal_has_one():
    assert printed(comparison_table(study()), 80).count("recipe") == 2
    assert printed(comparison_table(study()), 140).count("recipe") == 1


def test_recipes_of_the_default_comparison_stay_in_one_piece_at_eighty_columns():
    text = printed(comparison_table(study()), 80)
    for recipe in (*SIX[:5], DECAY):
        assert text.count(recipe) >= 2, recipe


def test_the_table_has_means_with_spread_gap_loss_dead_units_and_seconds():
    made = study()
    text = printed(comparison_table(made), 140)
    scores = made.contenders[3].scores
    for split in ("train", "valid", "test"):
        assert f"{100 * scores[split]['accuracy'].mean:.2f} ± {100 * scores[split]['accuracy'].sd:.2f}" in text
    assert f"+{100 * made.contenders[3].gap:.2f}" in text
    assert f"{100 * scores['test']['calibration_error'].mean:.2f}" in text
    assert f"{made.contenders[3].dead_units:g}" in text and f"{made.contenders[3].seconds:.2f}" in text


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
