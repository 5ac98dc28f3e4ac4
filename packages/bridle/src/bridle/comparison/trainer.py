"""Training for a comparison: runs that are finished already are read, the others trained and saved one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import nn

from bridle import engine as stacked
from bridle import vanilla
from bridle.comparison.collect import ProgressCounter, collect
from bridle.comparison.models import ModelStore
from bridle.comparison.sessions import Session
from bridle.comparison.store import RunStore
from bridle.data import Data
from bridle.engine.user_modules import build_module
from bridle.metric_info import Criterion
from bridle.metrics import Metric, measured_metrics
from bridle.networks import MLP, DescribedNetwork, Network
from bridle.protocol import Progress, Protocol, Variant
from bridle.results import Run
from bridle.training_length import find_lengths

__all__ = ["ENGINES", "Trainer", "network_name", "run_setting"]

DESCRIBED = (MLP, DescribedNetwork)  # networks that say all about themselves when printed
ENGINES: dict[str, Callable[..., Iterator[Run]]] = {
    "torch": stacked.train_variants,
    "vanilla": vanilla.train_variants,
}


@dataclass
class Trainer:
    """Trains variants of one comparison on whichever data, with the store and the progress that they share."""

    network: Network
    engine: str
    criterion: Criterion
    own_metric: Metric | None
    store: RunStore
    session: Session
    count: ProgressCounter
    kept: int = field(default=0, init=False)  # steps of single runs in the states of the unfinished stacks

    def train(
        self, data: Data, variants: Sequence[Variant], protocol: Protocol, models: ModelStore | None = None
    ) -> Iterator[Run]:
        """Yield the run of each variant when it is finished, of the length that suits it where that is open."""
        train = partial(self.train_length, data, models.on(data) if models else None)
        return find_lengths(variants, protocol, len(data.x_train), self.criterion, train)

    def train_all(self, data: Data, variants: Sequence[Variant], protocol: Protocol) -> dict[Variant, Run]:
        """Return the runs of all variants."""
        by_key = {each.key: each for each in variants}
        return {by_key[run.key]: run for run in self.train(data, list(by_key.values()), protocol)}

    def train_length(
        self, data: Data, models: ModelStore | None, variants: Sequence[Variant], protocol: Protocol
    ) -> Iterator[Run]:
        """Yield runs of a fixed length: first those that are in the store, then the others as they are finished."""
        setting = run_setting(data, self.network, protocol, self.engine, self.own_metric)
        store = self.store.with_setting(setting, self.measured(data))

        def train(missing: Sequence[Variant], progress: Progress) -> Iterator[Run]:
            options: dict[str, Any] = {"progress": progress, "own_metric": self.own_metric}
            stacks = store.stacks(variants, self.session.note) if self.engine == "torch" else None
            try:
                yield from ENGINES[self.engine](
                    data, missing, self.network, protocol, **options, **({"checkpoints": stacks} if stacks else {})
                )
            finally:
                self.kept = stacks.kept if stacks else 0

        steps = steps_per_run(data, protocol)
        return collect(
            variants, train, store, steps_per_run=steps, count=self.count, session=self.session, models=models
        )

    def measured(self, data: Data) -> dict[str, tuple[str, ...]]:
        """Return the metrics that every run has on every split."""
        return dict.fromkeys(data.splits(), measured_metrics(data.task, self.own_metric))


def run_setting(
    data: Data, network: Network, protocol: Protocol, engine: str, own_metric: Metric | None
) -> dict[str, Any]:
    """Return everything that determines a run but its key."""
    return {
        "data": data.fingerprint,
        "network": printed_network(network),
        "protocol": protocol.to_json(),
        "engine": engine,
        **({"metric": described_metric(own_metric)} if own_metric else {}),
    }


def described_metric(own: Metric) -> str:
    """Return what is known of a metric of the user's own: its function by name, and its direction, which chooses."""
    return f"{qualified_name(own.function)}, {'higher' if own.higher_is_better else 'lower'} is better"


def steps_per_run(data: Data, protocol: Protocol) -> int:
    """Return the number of optimizer steps of one run: whole batches only."""
    rows = len(data.x_train)
    return protocol.n_epochs * (rows // min(protocol.batch_size, rows))


def printed_network(network: Network) -> str:
    """Return a network as text that tells it from others, as far as a printed module does."""
    name = network_name(network)
    return name if isinstance(network, DESCRIBED) else f"{name} {printed_layers(network)}"


def network_name(network: Network) -> str:
    """``mlp(128, 64)``, or ``module:qualified_name`` of a factory."""
    if isinstance(network, DESCRIBED):
        return str(network)
    return qualified_name(network)


def qualified_name(code: Callable[..., Any]) -> str:
    """Return ``module:qualified_name`` of a function, or of the class of what is called like one."""
    return f"{code.__module__}:{getattr(code, '__qualname__', type(code).__qualname__)}"


def printed_layers(factory: Callable[[], nn.Module]) -> str:
    """Return the factory's module as printed, without moving torch's global random numbers."""
    return str(build_module(factory, 0))
