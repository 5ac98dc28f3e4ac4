"""The end of an epoch in ``train``: validation, early stopping, and the network that is returned at last."""

from __future__ import annotations

from bridle.exporting.calls import call, formula, packed_state, remark
from bridle.exporting.knob_code import is_moving, keywords, number
from bridle.exporting.passes import LOSSES
from bridle.exporting.spec import TrainingSpec
from bridle.exporting.wrapping import INDENT, indented
from bridle.places import Average, Ensemble, Stop
from bridle.places.matrices import as_number
from bridle.training_rules import MEASURED_BATCH, MEASURED_ROWS

__all__ = ["EvaluationCode"]

SCORES = {"classification": "accuracy", "regression": "r2"}
MEASURES = {
    "classification": "accuracy = (z.argmax(1) == y_valid).double().mean()",
    "regression": "r2 = 1 - valid_loss / y_valid.var(correction=0)",
}


class EvaluationCode:
    """The lines that evaluate the network with its ``average`` or ``ensemble`` on the validation rows."""

    def __init__(self, spec: TrainingSpec, average: Average | None, ensemble: Ensemble | None) -> None:
        self.spec, self.average, self.ensemble = spec, average, ensemble
        self.stops = [each for each in spec.recipe if isinstance(each, Stop)]

    @property
    def result(self) -> str:
        """The variable of the network that is evaluated and returned."""
        return "average" if self.average else "result" if self.ensemble else "model"

    @property
    def stops_move(self) -> bool:
        """True where a knob of early stopping changes as the training passes."""
        return any(map(is_moving, self.stops))

    def initial_stop_state(self) -> list[str]:
        """Return the lines that initialize the state of early stopping."""
        lines = []
        for place, unit in enumerate(self.stops):
            starts = [f"x_train.new_tensor({number(self.spec.script, as_number(start))})" for start in unit.state]
            lines += [f"{state_name(place)} = {state}" for state in packed_state(unit, starts)]
        return lines

    def epoch_end(self) -> list[str]:
        """Return the lines of an epoch behind its steps."""
        validation = self.validation()
        stops = [line for place, unit in enumerate(self.stops) for line in self.stop(place, unit)]
        moves = ["passed = step / steps"] * self.stops_move
        return [*validation, *([""] if stops else []), *moves, *stops]

    def validation(self) -> list[str]:
        """Return the lines that measure and print the validation scores."""
        score = SCORES[self.spec.task]
        lines = ["model.eval()"]
        if self.average and self.average.reestimates and not self.average.is_off and self.spec.has_running_statistics:
            lines.append(f"{self.reestimate_function()}(average, x_train)")
        if self.ensemble:
            lines.append("result = ensemble if len(ensemble.members) else model")
        return [
            *lines,
            "with torch.no_grad():",
            f"{INDENT}z = {self.result}(x_valid)",
            f"{INDENT}valid_loss = {LOSSES[self.spec.task]}(z, y_valid)",
            f"{INDENT}{MEASURES[self.spec.task]}",
            f'print(f"epoch {{epoch + 1}}: validation loss {{valid_loss:.4f}}, {score} {{{score}:.4f}}")',
        ]

    def stop(self, place: int, unit: Stop) -> list[str]:
        """Return the lines that end the training; the first stopping regularizer also chooses the best epoch."""
        watched = f"-{SCORES[self.spec.task]}" if unit.watches_metric else "valid_loss"
        script = self.spec.script
        state = [state_name(place)] * bool(unit.state)
        made = call(formula(script, unit), watched, *state, keywords(script, unit))
        improved = "improved" if place == 0 else "_"
        best = ["if improved or epoch == 0:", f"{INDENT}best = copy.deepcopy({self.result}.state_dict())"]
        lines = [f"{', '.join([improved, 'stop', *state])} = {made}", *(best if place == 0 else [])]
        return [*remark(unit), *lines, "if stop:", f"{INDENT}break"]

    def reestimate_function(self) -> str:
        """Define the function that measures running statistics anew; return its name."""
        return self.spec.script.define(
            "measure_statistics",
            [
                "@torch.no_grad()",
                "def measure_statistics(model: nn.Module, x: Tensor) -> None:",
                *indented(
                    [
                        '"""Measure running statistics for the weights as they are: the mean over batches."""',
                        'norms = [each for each in model.modules() if hasattr(each, "momentum")]',
                        "momenta = [norm.momentum for norm in norms]",
                        "for norm in norms:",
                        f"{INDENT}norm.train()",
                        f"batches = [rows for rows in x[:{MEASURED_ROWS}].split({MEASURED_BATCH}) if len(rows) > 1]",
                        "for number, rows in enumerate(batches, start=1):",
                        f"{INDENT}for norm in norms:",
                        f"{INDENT * 2}norm.momentum = 1 / number  # all batches so far count alike",
                        f"{INDENT}model(rows)",
                        "for norm, momentum in zip(norms, momenta, strict=True):",
                        f"{INDENT}norm.momentum = momentum",
                        "model.eval()",
                    ]
                ),
            ],
        )

    def return_lines(self) -> list[str]:
        """Return the last lines, which return the network as it predicts best."""
        best = [f"{self.result}.load_state_dict(best)"] if self.stops else []
        return [*best, f"return {self.result}"]


def state_name(place: int) -> str:
    """Return the name of the state of the recipe's stopping regularizers, by their order."""
    return f"state_{place + 1}" if place else "state"
