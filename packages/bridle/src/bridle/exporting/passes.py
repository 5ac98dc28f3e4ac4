"""Passes through the network in one step: which see the same noise, and which leave running statistics alone."""

from __future__ import annotations

from bridle.exporting.calls import call
from bridle.exporting.spec import TrainingSpec
from bridle.exporting.wrapping import INDENT

__all__ = ["LOSSES", "SEED", "PassCode"]

LOSSES = {"classification": "F.cross_entropy", "regression": "F.mse_loss"}
SEED = "seed = int(torch.randint(2**31, ()))  # all passes of the step share it"


class PassCode:
    """The lines of passes; ``twice`` where a step takes the gradient twice, ``seeded`` where passes share noise."""

    def __init__(self, spec: TrainingSpec) -> None:
        self.spec = spec
        penalties = [each for each in spec.recipe.at("loss") if each.second_pass]
        self.twice = any(each.second_pass for each in spec.recipe.at("gradient"))
        noisy = any(each.noise for each in spec.recipe.at("layer"))
        same = any(each.extra_inputs for each in spec.recipe.at("batch")) or any(
            not each.fresh_noise for each in penalties
        )
        again = self.twice and any(each.noise or each.fresh_noise for each in penalties)
        self.seeded = (noisy and (same or self.twice)) or again

    def image(self, rows: str) -> str:
        """Return rows of features in the shape that the network takes."""
        return f"{rows}.view(-1, channels, height, width)" if self.spec.network.images else rows

    def data_loss(self, *inputs: str) -> str:
        """Return the call of the loss function."""
        return call(LOSSES[self.spec.task], *inputs)

    def second(self, name: str, x: str, *, fresh: bool = False) -> list[str]:
        """Return the lines of one more pass, with resting running statistics and, unless ``fresh``, the same noise."""
        line = f"{name} = {self.frozen_statistics()}({'model, ' * self.spec.has_state}{x})"
        return [line] if fresh else self.with_seed(line)

    def with_seed(self, line: str) -> list[str]:
        """Return a line that runs under the noise of the step."""
        return [f"with {self.seeding()}(seed):", INDENT + line] if self.seeded else [line]

    def frozen_statistics(self) -> str:
        """Define the function that passes rows without moving running statistics, if there are any; return its name."""
        if not self.spec.has_state:
            return "model"
        return self.spec.script.define(
            "pass_again",
            [
                "def pass_again(model: nn.Module, x: Tensor) -> Tensor:",
                '    """The outputs of one more pass in the same step: running statistics rest."""',
                "    buffers = {name: each.clone() for name, each in model.named_buffers()}",
                "    return functional_call(model, buffers, (x,))",
            ],
        )

    def seeding(self) -> str:
        """Define the context in which random numbers are those of a seed; return its name."""
        return self.spec.script.define(
            "seeded",
            [
                "@contextmanager",
                "def seeded(seed: int) -> Iterator[None]:",
                '    """Within, random numbers are those of the seed; then they go on as if nothing had been."""',
                "    with torch.random.fork_rng():",
                "        torch.manual_seed(seed)",
                "        yield",
            ],
        )
