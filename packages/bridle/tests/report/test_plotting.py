"""The charts as Plotly figures: those of the page, standing alone, each number where it belongs."""

import pytest
from plotly.graph_objects import Figure
from studies import BASELINE, DROPOUT, study, versus_of

from bridle.errors import InputError
from bridle.report.rows import Report

WAYS = {
    "differences": lambda made: made.plot.differences(),
    "scores": lambda made: made.plot.scores(),
    "other scores": lambda made: made.plot.scores("auroc", "test"),
    "gap": lambda made: made.plot.gap(),
    "curves": lambda made: made.plot.curves(),
    "watched": lambda made: made.plot.curves("accuracy", "train"),
    "strengths": lambda made: made.plot.strengths(),
    "run": lambda made: made.contenders[0].runs[0].plot.curves("accuracy"),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_is_a_figure_that_stands_alone_and_can_be_zoomed(way):
    made = WAYS[way](study(trials=4))
    assert isinstance(made, Figure)
    assert made.layout.title.text
    assert made.layout.dragmode == "zoom"
    assert not any(axis.fixedrange for axis in [*made.select_xaxes(), *made.select_yaxes()])
    assert (made.layout.paper_bgcolor, made.layout.plot_bgcolor) == (None, None)  # the template's
    assert made.to_json()


def test_differences_are_those_of_the_study():
    made = study(recipes=(BASELINE, DROPOUT), seeds=4)
    versus = versus_of(made.contenders[1])
    drawn = made.plot.differences().data
    assert {len(trace.x) for trace in drawn} == {1, 2, 4}
    assert next(tuple(trace.x) for trace in drawn if len(trace.x) == 2) == (versus.low, versus.high)
    assert next(tuple(trace.x) for trace in drawn if len(trace.x) == 4) == tuple(versus.values)


def test_the_main_metric_is_drawn_unless_another_is_named():
    made = study(metric="accuracy")
    assert made.plot.scores().layout.title.text == "Validation accuracy"
    assert made.plot.scores("brier", "train").layout.title.text == "Training Brier score"


def test_curves_have_a_legend_of_the_recipes():
    made = study()
    drawn = made.plot.curves()
    assert drawn.layout.showlegend
    assert sorted(trace.name for trace in drawn.data if trace.showlegend is not False) == sorted(
        row.name for row in Report.of(made).rows
    )


def test_a_tuned_study_has_a_panel_for_each_strength():
    made = study(recipes=(BASELINE, DROPOUT), trials=5)
    drawn = made.plot.strengths()
    assert {text for note in drawn.layout.annotations for text in [note.text]} == {"none", "Dropout 0.2"}
    dots = [trace for trace in drawn.data if len(trace.x) == 5]
    assert len(dots) == len({trace.xaxis for trace in dots}) == 2
    assert {line.xref for line in drawn.layout.shapes} == {"x domain", "x2 domain"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda made: made.plot.differences(), "no contender was paired with the baseline"),
        (lambda made: made.plot.strengths(), r"nothing was tuned in this study; bridle.compare\(tuned=N\) tunes"),
        (lambda made: made.plot.scores("acuracy"), "no metric 'acuracy' was measured; did you mean accuracy"),
        (lambda made: made.plot.scores(split="validation"), "no split 'validation' was measured; did you mean valid"),
        (
            lambda made: made.plot.curves("brier"),
            "no run recorded brier on valid; recorded are: loss on train, loss on",
        ),
        (lambda made: made.contenders[0].runs[0].plot.curves("x"), "no run recorded x; recorded are: loss, accuracy"),
    ],
)
def test_where_there_is_nothing_to_draw_a_sentence_says_why(asked, said):
    with pytest.raises(InputError, match=said):
        asked(study(recipes=(BASELINE,)))


def test_a_study_whose_runs_all_diverged_has_nothing_to_draw():
    made = study(recipes=(BASELINE,), seeds=1, diverged=[(0, 0)])
    with pytest.raises(InputError, match="no run has a finite valid log_loss"):
        made.plot.scores()
    with pytest.raises(InputError, match="no run has a finite score on the training and on the validation rows"):
        made.plot.gap()
