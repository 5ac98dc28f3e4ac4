"""The end of an epoch in ``train``: validation, early stopping, and the network that is returned at last."""

from __future__ import annotations

from bridle.exporting.calls import call, formula, packed_state, remark
from bridle.exporting.knob_code import is_moving, keywords, number
from bridle.exporting.passes import LOSSES
from bridle.exporting.scores import ScoreCode, label
from bridle.exporting.script import names_in
from bridle.exporting.spec import TrainingSpec
from bridle.exporting.wrapping import INDENT, indented
from bridle.places import Average, Ensemble, Stop
from bridle.places.matrices import as_number
from bridle.training_rules import MEASURED_BATCH, MEASURED_ROWS, stop_regularizers

__all__ = ["EvaluationCode"]


class EvaluationCode:
    """The lines that evaluate the network with its ``average`` or ``ensemble`` on the validation rows."""

    def __init__(self, spec: TrainingSpec, average: Average | None, ensemble: Ensemble | None) -> None:
        self.spec, self.average, self.ensemble = spec, average, ensemble
        self.score = ScoreCode(spec)
        self.stops = stop_regularizers(spec.recipe)

    @property
    def result(self) -> str:
        """The variable of the network that is evaluated and returned."""
        return "average" if self.average else "result" if self.ensemble else "model"

    @property
    def stops_move(self) -> bool:
        """True where a knob of early stopping changes as the training passes."""
        return any(map(is_moving, self.stops))

    def initial_stop_state(self) -> list[str]:
        """Return the lines that initialize the state of early stopping, or what is known of the best epoch."""
        lines = []
        if self.spec.keeps_best:  # without a copy: the weights as they are, should no epoch have a score
            lines += self.assign_best(self.score.worst, "epochs", f"{self.result}.state_dict()")
        for place, unit in enumerate(self.stops):
            starts = [f"x_train.new_tensor({number(self.spec.script, as_number(start))})" for start in unit.state]
            lines += [f"{state_name(place)} = {state}" for state in packed_state(unit, starts)]
        return lines

    def epoch_end(self) -> list[str]:
        """Return the lines of an epoch behind its steps."""
        evaluation = self.evaluation()
        stops = [line for place, unit in enumerate(self.stops) for line in self.stop(place, unit)]
        kept = [*stops, *(self.keep_best() if self.spec.keeps_best else [])]
        moves = ["passed = step / steps"] * self.stops_move
        report = self.report()
        scores = self.scores([*report, *kept, *self.return_lines()])
        return [*evaluation, *indented(scores), *report, *[""] * bool(kept), *moves, *kept]

    def evaluation(self) -> list[str]:
        """Return the lines that pass the validation rows through the network, without gradients."""
        lines = ["model.eval()"]
        if self.average and self.average.reestimates and not self.average.is_off and self.spec.has_running_statistics:
            lines.append(f"{self.reestimate_function()}(average, x_train)")
        if self.ensemble:
            lines.append("result = ensemble if len(ensemble.members) else model")
        return [*lines, "with torch.no_grad():", f"{INDENT}z = {self.result}(x_valid)"]

    def scores(self, behind: list[str]) -> list[str]:
        """Return the lines that measure the scores which the lines behind them ask for."""
        shown = self.score.lines() if self.score.shown.name in names_in(behind) else []
        loss = [f"valid_loss = {LOSSES[self.spec.task]}(z, y_valid)"]
        return [*(loss if "valid_loss" in names_in([*shown, *behind]) else []), *shown]

    def report(self) -> list[str]:
        """Return the line that prints the scores of an epoch; where the length is open they are too many."""
        name = self.score.shown.name
        scores = f"validation loss {{valid_loss:.4f}}, {label(name)} {{{name}:.4f}}"
        return [] if self.spec.is_open else [f'print(f"epoch {{epoch + 1}}: {scores}")']

    def keep_best(self) -> list[str]:
        """Return the lines that keep the weights of the best epoch, where no regularizer does."""
        score = self.score
        return [
            *score.remark(),
            f"if {score.is_better(score.variable)}:",
            *indented(self.assign_best(score.variable, "epoch + 1", self.copied_weights)),
        ]

    @property
    def copied_weights(self) -> str:
        """The code that copies the weights as they are."""
        return f"copy.deepcopy({self.result}.state_dict())"

    def assign_best(self, score: str, epoch: str, weights: str) -> list[str]:
        """Return the lines that assign what is asked of the best epoch."""
        best = {self.score.best: score} if self.spec.is_open or self.spec.keeps_best else {}
        best |= {"best_epoch": epoch} if self.spec.is_open else {}
        return [*[f"{', '.join(best)} = {', '.join(best.values())}"] * bool(best), f"best = {weights}"]

    def stop(self, place: int, unit: Stop) -> list[str]:
        """Return the lines that end the training; the first stopping regularizer also chooses the best epoch."""
        watched = self.score.watched if unit.watches_metric else "valid_loss"
        script = self.spec.script
        state = [state_name(place)] * bool(unit.state)
        made = call(formula(script, unit), watched, *state, keywords(script, unit))
        improved = "improved" if place == 0 else "_"
        best = [
            "if improved or epoch == 0:",
            *indented(self.assign_best(self.score.variable, "epoch + 1", self.copied_weights)),
        ]
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
        restored = bool(self.stops) or self.spec.keeps_best
        found = f"{self.score.best}, best_epoch" if restored else f"{self.score.variable}, epochs"
        returned = f"{self.result}, {found}" if self.spec.is_open else self.result
        return [*[f"{self.result}.load_state_dict(best)"] * restored, f"return {returned}"]


def state_name(place: int) -> str:
    """Return the name of the state of the recipe's stopping regularizers, by their order."""
    return f"state_{place + 1}" if place else "state"
