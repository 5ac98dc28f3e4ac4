"""The export for TensorBoard, read back with TensorBoard's own readers."""

import math

import pytest
from absent_packages import last_words
from studies import BASELINE, DROPOUT, study

from bridle.errors import InputError
from needed import library

library("tensorboard")

from tensorboard import context  # noqa: E402
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider  # noqa: E402
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer  # noqa: E402
from tensorboard.plugins import base_plugin  # noqa: E402
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups  # noqa: E402

from bridle.tracking.tensorboard import to_tensorboard  # noqa: E402

L2 = "L2(strength=0.01)"
RECIPES = (BASELINE, DROPOUT, L2)


@pytest.fixture
def written(tmp_path):
    made = study(recipes=RECIPES, seeds=2, epochs=4, diverged=[(2, 1)])
    to_tensorboard(made, tmp_path / "events")
    return made, tmp_path / "events"


def accumulated(folder):
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def test_each_run_has_a_folder_and_its_curves_by_epoch(written):
    made, folder = written
    assert sorted(path.parent.relative_to(folder).as_posix() for path in folder.rglob("*/events*")) == sorted(
        f"{name}/seed-{seed}" for name in ("0-none", "1-Dropout_0.2", "2-L2_0.01") for seed in (0, 1)
    )
    for number, name in enumerate(("0-none", "1-Dropout_0.2")):
        run = made.contenders[number].runs[1]
        events = accumulated(folder / name / "seed-1").Scalars("loss/valid")
        assert [each.step for each in events] == [1, 2, 3, 4]
        assert [each.value for each in events] == pytest.approx(run.curves["valid_loss"], rel=1e-6)


def test_scores_are_read_back_and_what_diverged_has_none(written):
    made, folder = written
    events = accumulated(folder / "1-Dropout_0.2/seed-0")
    scores = made.contenders[1].runs[0].scores
    for split in ("train", "valid", "test"):
        (found,) = events.Scalars(f"score/{split}_accuracy")
        assert (found.step, found.value) == (4, pytest.approx(scores[split]["accuracy"], rel=1e-6))
    diverged = accumulated(folder / "2-L2_0.01/seed-1")
    assert not [tag for tag in diverged.Tags()["scalars"] if tag.startswith("score/")]
    assert math.isnan(diverged.Scalars("loss/valid")[-1].value)


def dashboard(folder):
    """What TensorBoard's dashboard of hyper-parameters shows: its columns, and the groups of runs."""
    runs = EventMultiplexer().AddRunsFromDirectory(str(folder))
    runs.Reload()
    provider = MultiplexerDataProvider(runs, str(folder))
    backend = backend_context.Context(base_plugin.TBContext(logdir=str(folder), data_provider=provider))
    asked = context.RequestContext()
    experiment = backend.experiment_from_metadata(asked, "", True, backend.hparams_metadata(asked, ""), [])
    statuses = [api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING]
    columns = [api_pb2.ColParams(metric=each.name) for each in experiment.metric_infos]
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0,
        slice_size=100,
        allowed_statuses=statuses,
        aggregation_type=api_pb2.AGGREGATION_AVG,
        col_params=columns,
        include_metrics=True,
    )
    return experiment, list_session_groups.Handler(asked, backend, "", request).run().session_groups


def test_the_dashboard_has_a_column_for_every_knob_and_a_row_for_each_recipe(written):
    made, folder = written
    experiment, groups = dashboard(folder)
    named = {each.name: each.type for each in experiment.hparam_infos}
    assert {"Dropout.rate", "L2.strength", "lr", "recipe", "network"} <= set(named)
    assert (named["Dropout.rate"], named["recipe"]) == (api_pb2.DATA_TYPE_FLOAT64, api_pb2.DATA_TYPE_STRING)
    by_recipe = {group.hparams["recipe"].string_value: group for group in groups}
    assert set(by_recipe) == set(RECIPES)
    assert [len(by_recipe[name].sessions) for name in RECIPES] == [2, 2, 2]
    assert by_recipe[DROPOUT].hparams["Dropout.rate"].number_value == 0.2
    means = {each.name.tag: each.value for each in by_recipe[DROPOUT].metric_values}
    expected = made.contenders[1].scores["valid"]["log_loss"].mean
    assert means["score/valid_log_loss"] == pytest.approx(expected, rel=1e-6)


def test_a_hyper_parameter_of_several_types_is_text(tmp_path):
    made = study(recipes=(BASELINE, L2, "L2(strength=linear(0, 0.1))"), seeds=1)
    to_tensorboard(made, tmp_path / "events")
    experiment, groups = dashboard(tmp_path / "events")
    assert {each.name: each.type for each in experiment.hparam_infos}["L2.strength"] == api_pb2.DATA_TYPE_STRING
    assert {group.hparams["L2.strength"].string_value for group in groups if "L2.strength" in group.hparams} == {
        "0.01",
        '{"schedule": "linear", "start": 0.0, "end": 0.1}',
    }


def test_a_folder_in_use_is_refused_before_anything_is_written(written):
    made, folder = written
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError, match="is not an empty folder; give the export a new one"):
        to_tensorboard(made, folder)
    assert sorted(folder.rglob("*")) == before


def test_recipes_whose_names_read_alike_keep_folders_of_their_own(tmp_path):
    to_tensorboard(study(recipes=(BASELINE, "L2(strength=0.1)", "L2(strength=0.1)", "a/../b"), seeds=1), tmp_path)
    assert len(list(tmp_path.glob("*/seed-0/events*"))) == 4


def test_without_tensorboard_a_sentence_says_what_to_install():
    said = last_words("bridle.tracking.tensorboard", without="tensorboard")
    assert said.endswith(
        "DependencyError: the export for TensorBoard needs TensorBoard: pip install 'bridle[tensorboard]'"
    )
