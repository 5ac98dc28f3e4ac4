"""A recipe in Keras on torch does what it does in a torch model of the same weights, and what Keras's own does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bridle
from bridle.attaching import attach
from needed import keras_on_torch

keras = keras_on_torch()

from keras import layers  # noqa: E402

from bridle.adapters.keras import Regularize  # noqa: E402
from bridle.adapters.keras_views import ModelView  # noqa: E402

# NumPy 2 warns of an argument that Keras's variables do not know.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

ROWS, FEATURES, CLASSES, BATCH = 48, 6, 3, 16
rng = np.random.default_rng(5)
X = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
IDS = (X[:, :CLASSES] + 0.5 * rng.normal(size=(ROWS, CLASSES))).argmax(1)
Y = np.eye(CLASSES, dtype=np.float32)[IDS]
IMAGES = rng.normal(size=(ROWS, 6, 5, 2)).astype(np.float32)
LOSS = keras.losses.CategoricalCrossentropy(from_logits=True)


def network(shape: tuple[int, ...], *inside: Any) -> Any:
    """A network with the same weights and noise each time."""
    keras.utils.set_random_seed(0)
    made = [each() for each in inside]
    return keras.Sequential([keras.Input(shape), *made, layers.Dense(CLASSES, name="last")])


def plain(*more: Callable[[], Any]) -> Any:
    return network((FEATURES,), lambda: layers.Dense(8, "relu", name="first"), *more)


def images() -> Any:
    return network((6, 5, 2), lambda: layers.Conv2D(4, 3, activation="relu"), layers.GlobalAveragePooling2D)


class Means(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def twin(model: Any) -> nn.Module:
    """The same network in torch, with the same weights."""
    made: list[nn.Module] = []
    for layer in model.layers:
        if isinstance(layer, layers.Dense | layers.Conv2D):
            kernel, bias = (torch.tensor(each) for each in layer.get_weights())
            if isinstance(layer, layers.Dense):
                weighted: nn.Linear | nn.Conv2d = nn.Linear(*kernel.shape)
                kernel = kernel.T
            else:
                weighted = nn.Conv2d(kernel.shape[2], kernel.shape[3], (kernel.shape[0], kernel.shape[1]))
                kernel = kernel.permute(3, 2, 0, 1)
            weighted.load_state_dict({"weight": kernel, "bias": bias})
            made += [weighted] if layer.activation is keras.activations.linear else [weighted, nn.ReLU()]
        else:
            made.append(Means())
    return nn.Sequential(*made)


def as_keras(model: nn.Module) -> list[np.ndarray]:
    """The weights of a twin in the shapes of Keras."""
    axes = {1: (0,), 2: (1, 0), 4: (2, 3, 1, 0)}
    return [each.detach().permute(axes[each.ndim]).numpy() for each in model.parameters()]


def fit(
    model: Any, recipe: Any, optimizer: Any = None, *, x: Any = X, y: Any = Y, loss: Any = LOSS, **settings: Any
) -> Any:
    model.compile(optimizer or keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    usual: dict[str, Any] = {"epochs": 2, "batch_size": BATCH, "shuffle": False, "verbose": 0}
    callbacks = (
        [Regularize(recipe, seed=3), *settings.pop("callbacks", [])]
        if recipe is not None
        else settings.pop("callbacks", [])
    )
    return model.fit(x, y, callbacks=callbacks, **{**usual, **settings})


def assert_close(found: list[np.ndarray], expected: list[np.ndarray], rtol: float = 1e-5) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize(
    "recipe",
    [
        "none",
        "Mixup(alpha=0.4) + LabelSmoothing(strength=0.1)",
        "FGSM(radius=0.05) + HardBootstrap",
        "InputNoise(spread=0.1) + ConfidencePenalty(strength=0.1)",
        "VAT(strength=0.5)",
        "L1(strength=0.001) + L2ToInit(strength=0.01) + Orthogonality(strength=0.01)",
        "GroupLasso(strength=0.01) + L2(strength=0.01, on='Dense')",
        "SpectralPenalty(strength=0.1)",
        "SAM(radius=0.1) + L2(strength=0.01)",
        "ASAM + ConfidencePenalty",
        "ClipNorm(limit=0.1) + ClipValue(limit=0.05)",
        "AdaptiveClip(limit=0.01) + GradientCentralization",
        "WeightDecay(strength=0.1) + MaxNorm(limit=0.5)",
        "WeightDecay(strength={'Dense': linear(0, 0.5), '*': 0.1})",
        "ShrinkPerturb(every=0.3, spread=0) + UnitNorm",
        "SoftThreshold(strength=0.1) + NonNegative",
        "EMA(decay=0.8)",
        "SWA(start=0.3)",
        "Lookahead(period=2)",
    ],
)
@pytest.mark.parametrize("make", [plain, images])
def test_model_trains_like_its_twin_in_torch(recipe: str, make: Callable[[], Any]) -> None:
    model = make()
    x = X if make is plain else IMAGES
    other = twin(model)
    own = torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
    steps = 2 * ROWS // BATCH
    text = recipe.replace("Dense", "Linear")
    handle = attach(other, own, text, loss=nn.CrossEntropyLoss(), steps=steps, seed=3)
    for step in range(steps):
        rows = slice(step * BATCH % ROWS, step * BATCH % ROWS + BATCH)
        shown = torch.from_numpy(x[rows])
        handle.step(shown if make is plain else shown.movedim(-1, 1), torch.from_numpy(Y[rows]))
    fit(model, recipe, keras.optimizers.SGD(0.1, momentum=0.9), x=x)
    with handle.averaged():
        assert_close(model.get_weights(), as_keras(other), rtol=1e-3)


@pytest.mark.parametrize(
    ("layer", "shape", "run"),
    [
        (layers.Dense(3), (4,), nn.functional.linear),
        (layers.Conv1D(3, 2), (5, 4), nn.functional.conv1d),
        (layers.Conv2D(3, (2, 3)), (5, 6, 4), nn.functional.conv2d),
        (layers.Conv3D(3, (2, 3, 1)), (5, 6, 3, 4), nn.functional.conv3d),
        (layers.Conv1DTranspose(3, 2), (5, 4), nn.functional.conv_transpose1d),
        (layers.Conv2DTranspose(3, (2, 3)), (5, 6, 4), nn.functional.conv_transpose2d),
        (layers.Conv3DTranspose(3, (2, 3, 1)), (5, 6, 3, 4), nn.functional.conv_transpose3d),
    ],
)
def test_mirror_has_weights_as_torch_has_them(layer: Any, shape: tuple[int, ...], run: Any) -> None:
    model = keras.Sequential([keras.Input(shape), layer])
    (kernel,) = (each for each in ModelView(model).parameters() if each.ndim > 1)
    x = torch.randn(2, *shape)
    weight = kernel.transpose(0, 1) if "transpose" in run.__name__ else kernel
    assert kernel.shape[:2] == (3, 4)
    assert kernel.data_ptr() == layer.kernel.value.data_ptr()
    with torch.no_grad():
        torch.testing.assert_close(model(x), run(x.movedim(-1, 1), weight).movedim(1, -1), atol=1e-5, rtol=1e-5)


def test_l2_is_kerass_regularizer() -> None:
    model = plain()
    own = keras.models.clone_model(model)
    for layer in own.layers:
        layer.kernel_regularizer = keras.regularizers.L2(0.05)
        layer.kernel.regularizer = layer.kernel_regularizer
    own.set_weights(model.get_weights())
    fit(model, "L2(strength=0.05)")
    fit(own, None)
    assert own.losses
    assert_close(model.get_weights(), own.get_weights())


def test_weight_decay_is_that_of_kerass_adamw() -> None:
    model = plain()
    own = keras.models.clone_model(model)
    own.set_weights(model.get_weights())
    fit(model, "WeightDecay(strength=0.1, on='all')", keras.optimizers.Adam(0.05))
    fit(own, None, keras.optimizers.AdamW(0.05, weight_decay=0.1))
    assert_close(model.get_weights(), own.get_weights())


def test_clip_norm_is_kerass_global_clipnorm() -> None:
    model = plain()
    own = keras.models.clone_model(model)
    own.set_weights(model.get_weights())
    fit(model, "ClipNorm(limit=0.2)")
    fit(own, None, keras.optimizers.SGD(0.1, global_clipnorm=0.2))
    assert_close(model.get_weights(), own.get_weights())


def test_max_norm_is_kerass_constraint() -> None:
    model = plain()
    own = keras.models.clone_model(model)
    own.set_weights(model.get_weights())
    for layer in own.layers:
        layer.kernel.constraint = keras.constraints.MaxNorm(0.7, axis=0)
    fit(model, "MaxNorm(limit=0.7)")
    fit(own, None)
    assert_close(model.get_weights(), own.get_weights())


def test_schedules_of_kerass_learning_rate_reach_the_recipe() -> None:
    model = plain()
    own = keras.models.clone_model(model)
    own.set_weights(model.get_weights())
    falling = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    fit(model, "WeightDecay(strength=0.3, on='all')", keras.optimizers.SGD(falling))
    fit(own, None, keras.optimizers.SGD(falling, weight_decay=0.3))
    assert_close(model.get_weights(), own.get_weights())


@pytest.mark.parametrize("validation", [{"validation_data": (X, Y)}, {}])
def test_averaged_weights_are_those_of_validation_and_the_trained_ones_go_on(
    validation: dict[str, Any], tmp_path: Path
) -> None:
    trained: list[list[np.ndarray]] = []
    judged: list[list[np.ndarray]] = []
    model = plain(layers.BatchNormalization)
    seen = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: trained.append(model.get_weights()),
        on_epoch_end=lambda epoch, logs: judged.append(model.get_weights()),
    )
    average = model.get_weights()
    saved = keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras"))
    history = fit(model, "EMA(decay=0.7, warmup=0)", callbacks=[seen, saved], **validation).history
    for step, weights in enumerate(trained):
        average = [0.7 * a + 0.3 * w for a, w in zip(average, weights, strict=True)]
        if (step + 1) % (ROWS // BATCH) == 0:
            assert_close(judged[(step + 1) // (ROWS // BATCH) - 1], average)
    assert_close(model.get_weights(), average)
    if validation:
        assert model.evaluate(X, Y, verbose=0)[0] == pytest.approx(history["val_loss"][-1], rel=1e-5)
    assert_close(keras.models.load_model(tmp_path / "2.keras").get_weights(), average)
    alone = plain(layers.BatchNormalization)
    fit(alone, None)
    assert_close(trained[-1], alone.get_weights())


def when_training_begins(note: Callable[[], Any]) -> Any:
    """A callback that notes something before the first batch, and where torch's generator stands."""

    def first(batch: int, logs: Any) -> None:
        if batch == 0:
            noting.random = torch.get_rng_state()
            note()

    noting = keras.callbacks.LambdaCallback(on_train_batch_begin=first)
    return noting


def with_noise() -> Any:
    """A model whose layers draw from torch's generator (a dropout) and from one of their own (the others)."""
    seeded = partial(layers.Dropout, 0.2, seed=1)
    return plain(layers.BatchNormalization, partial(layers.Dropout, 0.4), partial(layers.GaussianNoise, 0.5), seeded)


def test_noise_of_the_models_layers_is_that_of_training_without_a_recipe() -> None:
    weights = []
    for recipe in (None, "none", "FGSM(radius=0)", "SAM(radius=0)", "SAM(radius=0) + ConfidencePenalty(strength=0)"):
        model = with_noise()
        fit(model, recipe)
        weights.append(model.get_weights())
    for other in weights[1:]:
        assert_close(other, weights[0])


def test_sam_is_its_formula_under_the_noise_of_the_models_layers() -> None:
    model = with_noise()
    learned = model.trainable_variables
    state: list[Tensor] = []
    go_back = when_training_begins(lambda: state.extend(each.value.clone() for each in model.variables))
    fit(model, "SAM(radius=0.2)", epochs=1, callbacks=[go_back])
    found = model.get_weights()

    for variable, value in zip(model.variables, state, strict=True):
        variable.assign(value)
    torch.set_rng_state(go_back.random)
    generators = [each for each in model.variables if "seed" in each.path]
    assert len(generators) == 3
    for start in range(0, ROWS, BATCH):
        x, y = torch.from_numpy(X[start : start + BATCH]), torch.from_numpy(Y[start : start + BATCH])
        noise, random = [each.value.clone() for each in generators], torch.get_rng_state()
        first = torch.autograd.grad(LOSS(y, model(x, training=True)), [each.value for each in learned])
        moved = [each.value.clone() for each in model.non_trainable_variables]
        length = torch.stack([each.norm() for each in first]).norm()
        old = [each.value.detach().clone() for each in learned]
        for variable, g in zip(learned, first, strict=True):
            variable.assign(variable.value + 0.2 * g / length)
        torch.set_rng_state(random)
        for generator, value in zip(generators, noise, strict=True):
            generator.assign(value)
        second = torch.autograd.grad(LOSS(y, model(x, training=True)), [each.value for each in learned])
        for variable, value in zip(model.non_trainable_variables, moved, strict=True):
            variable.assign(value)
        for variable, w, g in zip(learned, old, second, strict=True):
            variable.assign(w - 0.1 * g)
    assert_close(model.get_weights(), found)


def test_r_drop_adds_its_penalty_on_a_second_pass_to_the_loss() -> None:
    model = plain(partial(layers.Dropout, 0.5))
    go_back = when_training_begins(lambda: None)
    found = fit(model, "RDrop(strength=2.0)", epochs=1, batch_size=ROWS, callbacks=[go_back]).history["loss"][0]

    other = plain(partial(layers.Dropout, 0.5))
    torch.set_rng_state(go_back.random)
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    one, two = other(x, training=True), other(x, training=True)
    expected = LOSS(y, one) + bridle.RDrop.torch(one, two, strength=2.0)
    assert not torch.equal(one, two)
    assert found == pytest.approx(float(expected.detach()), rel=1e-5)


def test_early_stopping_is_kerass() -> None:
    histories, weights = [], []
    for ours in (True, False):
        model = plain()
        own = [] if ours else [keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)]
        recipe = "EarlyStopping(patience=2)" if ours else None
        settings: dict[str, Any] = {"epochs": 60, "validation_data": (X[::-1].copy(), Y), "callbacks": own}
        histories.append(fit(model, recipe, keras.optimizers.SGD(0.5), **settings).history["val_loss"])
        weights.append(model.get_weights())
    assert 2 < len(histories[0]) < 60
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-5)
    assert_close(weights[0], weights[1])


def test_ids_and_channels_last_images_keep_their_form() -> None:
    model = images()
    fit(model, "Cutout(rate=0.5)", x=IMAGES, y=IDS, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    seen: list[np.ndarray] = []

    class Watching(layers.Layer):
        def call(self, x: Any, training: bool = False) -> Any:
            if training and x.device.type != "meta":
                seen.append(x.detach().numpy().copy())
            return x

    model = keras.Sequential([keras.Input((6, 5, 2)), Watching(), layers.Flatten(), layers.Dense(CLASSES)])
    fit(model, "Cutout(rate=0.5)", x=IMAGES, batch_size=ROWS, epochs=1)
    cut = seen[-1] != IMAGES
    assert cut.any() and not cut.all()
    assert np.array_equal(cut[..., 0], cut[..., 1])  # a hole goes through all channels
    rows, columns = cut[..., 0].any(2), cut[..., 0].any(1)
    assert np.array_equal(cut[..., 0], rows[:, :, None] & columns[:, None, :])  # and is a rectangle


def test_models_of_several_inputs_with_embeddings_and_recurrent_layers() -> None:
    keras.utils.set_random_seed(0)
    words, numbers = keras.Input((5,), dtype="int32"), keras.Input((3,))
    told = layers.LSTM(4)(layers.Embedding(7, 3)(words))
    model = keras.Model([words, numbers], layers.Dense(CLASSES)(layers.Concatenate()([told, numbers])))
    model.layers[-1].bias.trainable = False
    x = [np.arange(5 * ROWS).reshape(ROWS, 5) % 7, X[:, :3]]
    losses = fit(model, "SAM + MaxNorm(limit=0.5) + ConfidencePenalty + EMA", x=x, epochs=3).history["loss"]
    assert losses[-1] < losses[0]
    (cell,) = (each for each in model._flatten_layers() if isinstance(each, layers.LSTMCell))
    for kernel in (cell.kernel, cell.recurrent_kernel):
        assert np.linalg.norm(kernel.value.detach().numpy(), axis=0).max() <= 0.5001
    assert not model.layers[-1].bias.value.any()


def test_nothing_of_the_recipe_is_left_in_the_model() -> None:
    model = plain()
    before = {*vars(model)}
    fit(model, "Mixup + SAM + EMA")
    assert {"train_step", "compute_loss"}.isdisjoint(vars(model))
    assert "apply" not in vars(model.optimizer)
    names = [name for name, _ in model.named_parameters()]
    assert len(names) == 4
    assert before <= {*vars(model)}

    def interrupt(batch: int, logs: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(model, "Mixup + SAM + EMA", callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)])
    assert {"train_step", "compute_loss"}.isdisjoint(vars(model))


Model: Any = keras.Model


class OwnStep(Model):
    def __init__(self) -> None:
        super().__init__()
        self.out = layers.Dense(CLASSES)

    def call(self, x: Any) -> Any:
        return self.out(x)

    def train_step(self, data: Any) -> Any:
        return super().train_step(data)


def test_a_step_of_the_users_own_keeps_what_acts_in_the_optimizer() -> None:
    model = OwnStep()
    fit(model, "MaxNorm(limit=0.2)")
    assert np.linalg.norm(model.out.kernel.value.detach().numpy(), axis=0).max() <= 0.2001
    with pytest.raises(ValueError, match="has one of its own"):
        fit(OwnStep(), "SAM")


@pytest.mark.parametrize(
    ("recipe", "settings", "words"),
    [
        ("Dropout(rate=0.1)", {}, "acts within the network"),
        ("WeightNorm", {}, "acts within the network"),
        ("ActivityL1", {}, "acts within the network"),
        ("SnapshotEnsemble", {}, "several networks"),
        ("ConfidencePenalty", {"loss": "categorical_crossentropy"}, "needs logits"),
        ("Mixup", {"y": IDS, "loss": "sparse_categorical_crossentropy"}, "one-hot targets"),
        ("Mixup", {"sample_weight": np.ones(ROWS)}, "rows have weights"),
        ("EarlyStopping", {}, "validation_data"),
        ("WeightDecay", {"optimizer": keras.optimizers.AdamW()}, "own weight_decay of 0.004"),
        ("EMA", {"optimizer": keras.optimizers.SGD(use_ema=True)}, "use_ema"),
        ("L2", {"optimizer": keras.optimizers.SGD(gradient_accumulation_steps=2)}, "adds gradients up"),
        ("L2", {"optimizer": keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())}, "scales the loss"),
        ("L2", {"callbacks": [Regularize("EMA")]}, "another recipe"),
    ],
)
def test_what_cannot_act_says_so(recipe: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit(plain(), recipe, **settings)


@pytest.mark.parametrize(
    ("recipe", "layer", "words"),
    [
        ("VAT", lambda: layers.Dropout(0.1), "under the noise of the first"),
        ("SWA", layers.BatchNormalization, "take EMA"),
        ("SAM", lambda: layers.TorchModuleWrapper(nn.Dropout(0.1)), "modules of torch"),
        ("MaxNorm", lambda: layers.EinsumDense("ab,bc->ac", 8), "not known which axes"),
    ],
)
def test_what_a_layer_rules_out_says_so(recipe: str, layer: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit(plain(layer), recipe)


def test_compiled_steps_are_refused() -> None:
    model = plain()
    model.compile("sgd", LOSS, jit_compile=True)
    regularize = Regularize("L2")
    regularize.set_model(model)
    regularize.set_params({})
    with pytest.raises(ValueError, match="jit_compile=False"):
        regularize.on_train_begin()


def test_scales_of_more_axes_are_spared_and_biases_are_all_that_are_called_so() -> None:
    model = keras.Sequential(
        [keras.Input((4, 6)), layers.LayerNormalization(axis=[1, 2]), layers.PReLU(), layers.Dense(2, name="last")],
        name="model",
    )
    regularize = Regularize("L2 + WeightDecay(on='matrices')")
    model.compile("sgd", "mse")
    seen: list[str] = []
    record = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(str(regularize.handle)))
    model.fit(rng.normal(size=(8, 4, 6)), np.zeros((8, 4, 2)), callbacks=[regularize, record], verbose=0)
    assert seen[0].splitlines()[0] == "L2(strength=0.0001): on model/last.kernel"
    assert not any(word in line for line in seen[0].splitlines()[:2] for word in ("gamma", "beta", "alpha", "bias"))


@pytest.mark.parametrize("loss", ["binary_crossentropy", keras.losses.BinaryCrossentropy(from_logits=True)])
@pytest.mark.parametrize("kind", [np.float32, np.int64])
def test_yes_or_no_of_each_output_is_smoothed_by_itself(loss: Any, kind: type) -> None:
    activation = "sigmoid" if isinstance(loss, str) else "linear"
    labels: np.ndarray = (rng.random((ROWS, 1)) > 0.5).astype(kind)

    def trained(own_loss: Any, recipe: str, *, y: Any) -> Any:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((FEATURES,)), layers.Dense(1, activation)])
        model.compile("sgd", own_loss)
        model.fit(X, y, epochs=2, batch_size=BATCH, shuffle=False, callbacks=[Regularize(recipe)], verbose=0)
        return model.get_weights()

    found = trained(loss, "LabelSmoothing(strength=0.1)", y=labels)
    for one, other in zip(found, trained(loss, "none", y=0.9 * labels + 0.05), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
