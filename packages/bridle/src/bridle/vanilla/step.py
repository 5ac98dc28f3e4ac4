"""One training step, place by place: what a recipe does and when, in NumPy."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np

from bridle.data import Data
from bridle.feature_layout import Layout
from bridle.networks import MLP
from bridle.noise_streams import SECOND_PASS_OFFSET, first_stream_id
from bridle.parameter_selection import Parameter, matching_parameters
from bridle.places import Ascent, Average, Batch, Ensemble, Gradient, Loss, OutputLoss, PassLoss, Weight
from bridle.places.base import Placed
from bridle.protocol import Protocol, StepInfo, Variant
from bridle.training_rules import (
    MEASURED_BATCH,
    MEASURED_ROWS,
    check_data,
    check_row_weights,
    class_weights,
    with_optimizer_decay,
)
from bridle.vanilla.layers import Arrays, Backward, VanillaContext, array_as_matrix, begin_array
from bridle.vanilla.network import VanillaNetwork, build, parameter_descriptions
from bridle.vanilla.noise import StepNoise
from bridle.vanilla.optimizers import OPTIMIZERS

__all__ = ["Predict", "RowWeights", "Trainer", "TrainerValues", "VanillaEnsemble"]

Unit = TypeVar("Unit", bound=Placed)
Predict = Callable[[np.ndarray], np.ndarray]  # rows (rows, ...) -> outputs (rows, outputs)
RowWeights = np.ndarray | float  # what each row counts in the loss, (batch, 1); 1 where all count alike


def cross_entropy(z: np.ndarray, y: np.ndarray, row_weights: RowWeights = 1.0) -> tuple[float, np.ndarray]:
    """Return the mean of ``-w Σ y log softmax(z)`` and its gradient.

    Logits ``z`` and probabilities ``y`` are (batch, classes), the weights w of the rows (batch, 1).
    """
    shifted = z - z.max(1, keepdims=True)  # the softmax is the same, and no exponential overflows
    log_softmax = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    loss = -(row_weights * y * log_softmax).sum(1).mean()
    return float(loss), row_weights * (np.exp(log_softmax) * y.sum(1, keepdims=True) - y) / len(z)


def squared_error(z: np.ndarray, y: np.ndarray, row_weights: RowWeights = 1.0) -> tuple[float, np.ndarray]:
    """Return the mean of ``w (z - y)²`` and its gradient; predictions, targets and weights are (batch, 1)."""
    error = z - y
    return float((row_weights * error**2).mean()), row_weights * 2 * error / len(z)


DATA_LOSSES = {"classification": cross_entropy, "regression": squared_error}


class TrainerValues(NamedTuple):
    """The values of a run at a moment: the network's parameters and state, and their averages."""

    network: Arrays
    averages: list[Arrays]


class Trainer:
    """One run under way."""

    def __init__(self, data: Data, variant: Variant, network: MLP, protocol: Protocol) -> None:
        self.task, self.outputs = data.task, data.n_outputs
        self.layout = Layout.of(data.x_train.shape[1:], data.features)
        self.statistics_rows = data.x_train[:MEASURED_ROWS].reshape(min(MEASURED_ROWS, len(data.x_train)), -1)
        self.protocol = protocol if variant.lr is None else replace(protocol, lr=variant.lr)
        self.class_weights = class_weights(protocol, data.task, data.y_train, data.n_outputs)
        self.steps = protocol.n_epochs * max(1, len(data.x_train) // protocol.batch_size)
        self.steps_done = 0
        self.network = build(network, variant.recipe, variant.seed, data.n_inputs, data.n_outputs)
        self.noise = StepNoise(variant.seed)
        self.recipe = with_optimizer_decay(protocol.optimizer, variant.recipe)
        for unit in self.recipe:
            if isinstance(unit, Placed):
                check_data(unit, data.task, self.layout)
        if data.w_train is not None:
            check_row_weights(self.recipe)
        self.targets_of = {
            unit: matching_parameters(unit, parameter_descriptions(self.network))
            for unit in self.recipe
            if isinstance(unit, Loss | Ascent | Gradient | Weight)
        }
        self.optimizer = OPTIMIZERS[protocol.optimizer](self.network.parameters)
        self.averages = {unit: copy_arrays(self.averaged_values(unit)) for unit in self.units(Average)}
        self.ensemble = next((unit for unit in self.recipe if isinstance(unit, Ensemble)), None)
        self.ensemble_members: list[Arrays] = []
        weights = self.network.parameters
        self.initial = copy_arrays(weights)
        self.state = {
            (unit, each.name): tuple(begin_array(start, array_as_matrix(weights[each.name])) for start in unit.state)
            for unit in self.units(Loss)
            for each in self.targets_of[unit]
        }

    def units(self, kind: type[Unit]) -> list[Unit]:
        """Return the recipe's regularizers of one kind, in order."""
        return [unit for unit in self.recipe if isinstance(unit, kind)]

    @property
    def passed(self) -> float:
        """The share of the training that is over."""
        return self.steps_done / self.steps

    def step(self, x: np.ndarray, y: np.ndarray, own_weights: RowWeights = 1.0) -> tuple[float, float]:
        """Train on one batch (batch, inputs), (batch,) -> the data loss and the penalties, before the update.

        ``own_weights`` (batch, 1) are those of the rows in the loss. This is the step of places/__init__.py, line by
        line.
        """
        step_info = self.step_info()
        self.noise.next_step()
        weights = self.network.parameters

        x, y = self.transform_batch(x, y)
        row_weights = self.row_weights(y, own_weights)
        data_loss, penalties, gradients = self.losses_and_gradients(x, y, row_weights, update_statistics=True)
        if self.units(Ascent):
            with self.at_ascent_point(weights, gradients):
                _, _, gradients = self.losses_and_gradients(x, y, row_weights, update_statistics=False)
        self.change_gradients(weights, gradients, step_info)
        self.change_weights(weights, step_info, after_update=False)
        self.optimizer.update(gradients, step_info.lr)
        self.change_weights(weights, step_info, after_update=True)
        self.update_averages(step_info)

        self.steps_done += 1
        return data_loss, penalties

    def step_info(self) -> StepInfo:
        """Return the position of the next step in the training; an ensemble may begin the schedule anew."""
        step, steps = (
            self.ensemble.warped(self.steps_done, self.steps) if self.ensemble else (self.steps_done, self.steps)
        )
        rate = self.protocol.learning_rate
        return StepInfo(self.steps_done, self.steps, rate(step, steps), rate(0, steps))

    def transform_batch(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Transform a batch as the batch regularizers say; targets become (batch, outputs)."""
        y = np.eye(self.outputs)[y] if self.task == "classification" else y[:, None]
        extra_inputs = {"slope": self.slope, "prediction": self.prediction}
        for unit in self.units(Batch):
            noise = self.noise.draw(unit.noise, first_stream_id(unit), x.shape)
            extra = [extra_inputs[each](x, y) for each in unit.extra_inputs]
            step_inputs = {"layout": self.layout} if "layout" in unit.step_inputs else {}
            x, y = unit.vanilla(x, y, *noise, *extra, **unit.keywords(passed=self.passed), **step_inputs)
        return x, y

    def row_weights(self, y: np.ndarray, own_weights: RowWeights) -> RowWeights:
        """Return what each row of a batch with targets (batch, outputs) counts in the loss: its class's, its own."""
        if self.class_weights is None:
            return own_weights
        by_class: np.ndarray = y @ self.class_weights
        return by_class[:, None] * own_weights

    def second_pass_context(self, offset: int = 0) -> VanillaContext:
        """Describe another pass in the same step: with the same noise unless ``offset`` is given; statistics rest."""
        return VanillaContext(self.noise, self.passed, update_statistics=False, offset=offset, count_penalties=False)

    def slope(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the gradient of each row's data loss with respect to the row, (batch, inputs)."""
        z, backward = self.network.train(x, self.second_pass_context())
        return backward(DATA_LOSSES[self.task](z, y)[1] * len(x))[0]

    def prediction(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Predict the rows: probabilities, or the number, (batch, outputs)."""
        del y
        z, _ = self.network.train(x, self.second_pass_context())
        if self.task != "classification":
            return z
        e = np.exp(z - z.max(1, keepdims=True))
        return np.asarray(e / e.sum(1, keepdims=True))

    def losses_and_gradients(
        self, x: np.ndarray, y: np.ndarray, row_weights: RowWeights, *, update_statistics: bool
    ) -> tuple[float, float, Arrays]:
        """Return the data loss, the penalties, and the gradients of both where the weights stand."""
        context = VanillaContext(self.noise, self.passed, update_statistics=update_statistics)
        z, backward = self.network.train(x, context)
        data_loss, g = DATA_LOSSES[self.task](z, y, row_weights)
        for unit in self.units(OutputLoss):
            penalty, g_z = unit.vanilla(z, **unit.keywords(passed=self.passed))
            context.penalties.append(float(penalty))
            g = g + g_z
        seconds = []
        for again in self.units(PassLoss):
            other, backward_other = self.second_pass(again, z, x)
            penalty, g_z, g_other = again.vanilla(z, other, **again.keywords(passed=self.passed))
            context.penalties.append(float(penalty))
            g = g + g_z
            seconds.append(backward_other(g_other)[1])
        gradients = backward(g)[1]
        for more in seconds:
            gradients = {name: gradient + more[name] for name, gradient in gradients.items()}
        return data_loss, sum(context.penalties) + self.add_penalties(gradients), gradients

    def second_pass(self, unit: PassLoss, z: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, Backward]:
        """Return the outputs of a second pass, and the way back from them."""
        if unit.fresh_noise:
            return self.network.train(x, self.second_pass_context(offset=SECOND_PASS_OFFSET))
        numbers = unit.keywords(passed=self.passed)
        arrays = self.noise.draw(unit.noise, first_stream_id(unit), x.shape)
        if "slope" in unit.extra_inputs:
            there, backward = self.network.train(unit.probe(x, *arrays, **numbers), self.second_pass_context())
            arrays = [backward(unit.vanilla(z, there, **numbers)[2])[0]]
        return self.network.train(unit.move(x, *arrays, **numbers), self.second_pass_context())

    def add_penalties(self, gradients: Arrays) -> float:
        """Add the gradients of the penalties on weights; returns the penalties."""
        weights, total = self.network.parameters, 0.0
        for unit in self.units(Loss):
            for each in self.targets_of[unit]:
                name = each.name
                as_seen = array_as_matrix if unit.matrix else identity
                extra = [as_seen(self.initial[name])] * ("initial" in unit.extra_inputs)
                knobs = unit.keywords(*each.names, passed=self.passed)
                w, state = as_seen(weights[name]), self.state[unit, name]
                penalty, gradient, self.state[unit, name] = unit.call_vanilla(w, extra, state, knobs)
                gradients[name] = gradients[name] + gradient.reshape(weights[name].shape)
                total += penalty
        return total

    @contextmanager
    def at_ascent_point(self, weights: Arrays, gradients: Arrays) -> Iterator[None]:
        """Move the weights to where the second gradient is to be taken, for a while."""
        kept = copy_arrays(weights)
        for unit in self.units(Ascent):
            names = {each.name: unit.keywords(*each.names, passed=self.passed) for each in self.targets_of[unit]}
            norm = global_norm(unit.measure(weights[name], gradients[name], **knobs) for name, knobs in names.items())
            for name, knobs in names.items():
                weights[name][...] = unit.vanilla(weights[name], gradients[name], norm, **knobs)
        yield
        for name, w in kept.items():
            weights[name][...] = w

    def change_gradients(self, weights: Arrays, gradients: Arrays, step_info: StepInfo) -> None:
        """Clip, center, add noise."""
        for unit in self.units(Gradient):
            norm = global_norm(gradients[each.name] for each in self.targets_of[unit])
            for each in self.targets_of[unit]:
                as_seen = array_as_matrix if unit.matrix else identity
                g, w = as_seen(gradients[each.name]), as_seen(weights[each.name])
                extra = {"weight": w, "norm": norm}
                arrays = [*self.draw_noise(unit, each, g), *(extra[what] for what in unit.extra_inputs)]
                changed = unit.vanilla(g, *arrays, **self.keywords(unit, each, step_info))
                gradients[each.name] = changed.reshape(weights[each.name].shape)

    def change_weights(self, weights: Arrays, step_info: StepInfo, *, after_update: bool) -> None:
        """Decay and shrink before the optimizer's update; project and threshold behind it."""
        for unit in self.units(Weight):
            if unit.after_update == after_update:
                for each in self.targets_of[unit]:
                    matrix = array_as_matrix(weights[each.name])
                    w = matrix if unit.matrix else weights[each.name]
                    extra = [float(matrix[0].size)] * ("fan_in" in unit.extra_inputs)
                    arrays = [*self.draw_noise(unit, each, w), *extra]
                    changed = unit.vanilla(w, *arrays, **self.keywords(unit, each, step_info))
                    weights[each.name][...] = changed.reshape(weights[each.name].shape)

    def draw_noise(self, unit: Placed, each: Parameter, subject: np.ndarray) -> list[np.ndarray]:
        """Draw the noise for one parameter."""
        return self.noise.draw(unit.noise, first_stream_id(unit, each.name), subject.shape)

    def keywords(self, unit: Placed, each: Parameter, step_info: StepInfo) -> dict[str, object]:
        """Return a formula's knobs and the step's numbers that it takes."""
        known = step_info._asdict()
        return {**unit.keywords(*each.names, passed=self.passed), **{name: known[name] for name in unit.step_inputs}}

    def update_averages(self, step_info: StepInfo) -> None:
        """Take the weights of this step into the averages, and keep a copy where an ensemble wants one."""
        described = {each.name: each for each in parameter_descriptions(self.network)}
        for unit, averages in self.averages.items():
            for name, w in self.averaged_values(unit).items():
                knobs = self.keywords(unit, described.get(name, Parameter(name, w.ndim)), step_info)
                averages[name], new = unit.vanilla(averages[name], w, **knobs)
                w[...] = new
        if self.ensemble and self.ensemble.takes(step_info.step, step_info.steps):
            self.ensemble_members.append(copy_arrays({**self.network.parameters, **self.network.statistics}))

    def averaged_values(self, unit: Average) -> Arrays:
        """Return the values that are averaged: one that moves the weights leaves running statistics to the network."""
        return {**self.network.parameters, **({} if unit.moves_weights else self.network.statistics)}

    def values(self) -> TrainerValues:
        """Return copies of all values that the trained network is made of."""
        network = copy_arrays({**self.network.parameters, **self.network.state})
        return TrainerValues(network, [copy_arrays(averages) for averages in self.averages.values()])

    @contextmanager
    def final_network(self, kept: TrainerValues | None = None) -> Iterator[Predict]:
        """Put what the run hands over into the network for a while: averages where there are any.

        As it is now, or as it was when ``kept`` were its :meth:`values`. Yields the function that predicts: the
        network's, or that of all copies of an ensemble together.
        """
        handed = dict(kept.network) if kept else {}
        for averages in kept.averages if kept else self.averages.values():
            handed |= averages
        with self.network.temporary_values(handed):
            if any(unit.reestimates and not unit.is_off for unit in self.averages) and self.network.statistics:
                self.reestimate_statistics()
            yield self.trained_network().predict if self.ensemble_members else self.network.predict

    def reestimate_statistics(self) -> None:
        """Measure running statistics for the weights as they are: the mean of those of each batch of training rows."""
        statistics = self.network.statistics
        rows = self.statistics_rows.astype(np.float64)
        parts = [rows[start : start + MEASURED_BATCH] for start in range(0, len(rows), MEASURED_BATCH)]
        parts = [part for part in parts if len(part) > 1]
        totals = {name: np.zeros_like(value) for name, value in statistics.items()}
        for part in parts:
            self.network.reestimate(part)
            for name, value in statistics.items():
                totals[name] += value
        for name, value in statistics.items():
            value[...] = totals[name] / len(parts)

    def trained_network(self) -> VanillaNetwork | VanillaEnsemble:
        """Return the trained network as it stands now, or an ensemble of its copies."""
        if not self.ensemble or not self.ensemble_members:
            return copy.deepcopy(self.network)
        members = []
        for values in self.ensemble_members:
            with self.network.temporary_values(values):
                members.append(copy.deepcopy(self.network))
        return VanillaEnsemble(members, self.ensemble)


@dataclass
class VanillaEnsemble:
    """Copies of a network whose outputs together are the prediction."""

    members: list[VanillaNetwork]
    ensemble: Ensemble

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Run rows (rows, ...) to outputs (rows, outputs)."""
        return np.asarray(self.ensemble.vanilla(np.stack([member.predict(x) for member in self.members])))


def copy_arrays(arrays: Arrays) -> Arrays:
    """Copy the arrays."""
    return {name: each.copy() for name, each in arrays.items()}


def identity(w: np.ndarray) -> np.ndarray:
    """Return the array itself."""
    return w


def global_norm(arrays: Iterator[np.ndarray] | Sequence[np.ndarray]) -> float:
    """Return the length of all arrays together."""
    return float(np.sqrt(sum((each**2).sum() for each in arrays)))
