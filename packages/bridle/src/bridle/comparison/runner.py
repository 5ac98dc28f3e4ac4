"""Compare recipes: train every contender under one protocol and the same seeds, and judge who differs from "none"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter

from bridle import engine as stacked
from bridle import memory_estimate, vanilla
from bridle.comparison.asked import Asked, write_asked
from bridle.comparison.collect import ProgressCounter, Watch, interrupt_message
from bridle.comparison.contending import MetricLike, RecipeLike, check_options, resolve_contenders, resolve_criterion
from bridle.comparison.learning_rate import choose_learning_rate
from bridle.comparison.margins import margin_asked
from bridle.comparison.models import ModelStore
from bridle.comparison.provenance import provenance
from bridle.comparison.references import Fitted, early_stopping_reference, fit_references
from bridle.comparison.store import NOWHERE, RunStore
from bridle.comparison.too_weak import note_too_weak
from bridle.comparison.trainer import Trainer, network_name, run_setting
from bridle.comparison.tuning import Chosen, Tuned, check_apart, check_trials, tune
from bridle.comparison.verdicts import contenders, notices
from bridle.data import Data, loaded
from bridle.networks import Network, mlp, parse_network
from bridle.protocol import Protocol, Variant, whole_number
from bridle.recipe import Recipe
from bridle.results import Contender, Reference, Run, RunKey, Study
from bridle.training_rules import check_class_weight

__all__ = ["DEFAULT_NETWORK", "compare"]

DEFAULT_NETWORK = mlp(128, 64)
REUSED_ROWS = (
    "Strengths were chosen within the training rows of the first split, and other splits validate on some of these: "
    "their scores may flatter all tuned contenders alike."
)
NO_REFERENCES = "Interrupted: all runs are there, the references are missing."
# The protocol with the precision that is really used.
RESOLVE_PRECISION = {"torch": stacked.resolve_precision, "vanilla": vanilla.resolve_precision}
CHECK_RECIPES = {"torch": stacked.check_recipes, "vanilla": vanilla.check_recipes}


def compare(  # noqa: PLR0917  (the order is part of the public surface)
    data: Data | str | Path,
    recipes: Sequence[RecipeLike] | None = None,
    seeds: int | Sequence[int] = 5,
    network: Network | str = DEFAULT_NETWORK,
    protocol: Protocol | None = None,
    engine: str = "torch",
    *,
    metric: MetricLike = None,
    tuned: int | None = None,
    margin: float | None = None,
    references: bool = True,
    keep_models: str = "best",
    out: Path | str | None = None,
    progress: Watch | None = None,
) -> Study:
    """Train each recipe under each seed, and judge it against the baseline, "none".

    ``data`` is a ``Data`` or what ``load`` takes; where its splits vary, seed i is trained on the i-th, and intervals
    cover both. ``network`` is a description, also as text, or a factory. ``recipes`` default to ``DEFAULT_RECIPES``;
    "none" is put in front. ``seeds`` says how many (0, 1, ...) or which. ``engine`` is "torch" or "vanilla".

    ``protocol`` by default finds the length of each training by its validation rows, and the learning rate on a small
    grid for the baseline; ``Protocol(epochs=..., lr=...)`` fixes them. ``metric`` is what decides: a name such as
    "log_loss" (the default for classes), "accuracy", "r2" (for numbers), or a function of (y_true, prediction), see
    ``Metric``. ``margin`` is the size of a difference of it that is of no consequence; None is a small one for each
    metric, 0 none. ``tuned=N`` gives every contender, the baseline included, N trials of its strengths and learning
    rate on folds of the training rows first. ``references`` are a constant answer, a linear
    model and gradient boosting.

    With ``out`` every run is saved there as it is finished, and a later call with the same ``out`` reads the runs that
    it finds and trains only the others. A run is found again by its data, network, protocol, engine, recipe, seed and
    the version of bridle. A network of your own goes by the module and the qualified name of its factory and by its
    layers as printed, a metric of your own by the names of its function and by its direction: what these do not show,
    such as another ``forward``, needs another ``out``. Runs that were read have no model; ``keep_models`` says whose
    weights are saved: those of each contender's "best" run, "all" or "none". A file that is not what was written there
    is set aside, with a warning, and its run trained again.

    Unfinished runs of the torch engine are saved there too, at the end of an epoch, every twenty seconds or so. After
    an interrupt or a crash a later call goes on from there, and the study is bit for bit that of an undisturbed one
    (but for what a module of your own keeps in plain attributes, or draws from generators of its own). ``made`` says
    how long it took, all sessions together. ``progress(done, total)`` hears of the steps of single runs; the total
    grows where longer trainings turn out to be worth a try.

    An interrupt (Ctrl-C) returns the study of the finished runs, with ``finished=False``; where there is none it goes
    on as ``KeyboardInterrupt``, which says what is kept. Raises ``ValueError`` for what cannot be compared.
    """
    started = perf_counter()
    contending, asked = resolve_contenders(recipes, seeds, engine)
    check_options(out=out, progress=progress, tuned=tuned, references=references, keep_models=keep_models)
    margin, tuned = margin_asked(margin), whole_number(tuned)
    if tuned is not None:
        check_apart(contending)
    protocol, network = Protocol.of(protocol), parse_network(network)
    data = loaded(data)  # which may take long, so that what is wrong otherwise is said before
    criterion, own_metric = resolve_criterion(protocol.metric if metric is None else metric, data.task)
    protocol = RESOLVE_PRECISION[engine](replace(protocol, metric=criterion.name))
    longest = protocol.with_length(protocol.lengths(len(data.x_train))[-1])
    check_class_weight(protocol, data.task)
    memory_estimate.check_training(network, data, longest, len(asked) * len(contending))
    CHECK_RECIPES[engine](data, contending, network, longest)
    if data.splits_vary:
        for seed in asked:
            data.repeat(seed)  # which says what is wrong with a split before the others are trained on
    if tuned:
        check_trials(network, data.repeat(asked[0]), protocol, len(contending), tuned)
    store = RunStore.at(out, {}) if out else NOWHERE
    setting = run_setting(data, network, protocol, engine, own_metric)
    session = store.with_setting(setting | {"tuned": tuned}).session(started)
    trainer = Trainer(network, engine, criterion, own_metric, store, session, ProgressCounter(progress))
    models = None
    if out:
        rest = {
            "engine": engine,
            "tuned": tuned,
            "margin": margin,
            "references": references,
            "keep_models": keep_models,
        }
        said = Asked.of(data, contending, list(asked), network, protocol, metric=criterion.name, **rest)
        write_asked(out, said)
    if out and keep_models != "none":
        models = ModelStore(Path(out), keep_models, setting, criterion)
    return Comparison(data, contending, list(asked), protocol, trainer, margin, tuned, references, models).study()


@dataclass
class Comparison:
    """One comparison under way."""

    data: Data
    asked: list[Recipe]
    seeds: list[int]
    protocol: Protocol
    trainer: Trainer
    margin: float | None
    trials: int | None
    references: bool
    models: ModelStore | None = None
    lr_chosen: bool = field(init=False)  # whether the learning rate was left open
    tuned: Tuned | None = None  # what the trials found, where there are any
    runs: dict[RunKey, Run] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lr_chosen = self.protocol.lr is None

    def study(self) -> Study:
        """Train everything, and return what came out; ``KeyboardInterrupt`` where that is nothing."""
        finished, fitted = True, Fitted()
        try:
            self.settle_strengths()
            for run in self.train():
                self.runs[run.key] = run
            if self.references:
                fitted = self.fit_references()
        except KeyboardInterrupt as interrupt:
            if not self.runs:
                raise KeyboardInterrupt(self.interrupt_message()) from interrupt
            finished, fitted = False, Fitted(left_out=[] if self.missing else [NO_REFERENCES])
        judged = self.contenders()
        return Study(
            data=self.data.describe(),
            network=network_name(self.trainer.network),
            protocol=self.protocol.to_json(),
            seeds=self.seeds,
            contenders=judged,
            metric=self.trainer.criterion.name,
            engine=self.trainer.engine,
            made={**provenance(), "seconds": self.trainer.session.end()},
            finished=finished,
            notices=[*self.notices(judged), *fitted.left_out, *self.data.notes],
            references=self.references_with(fitted, judged[0]) if self.references and finished else [],
            higher_is_better=self.trainer.criterion.higher_is_better,
            margin=self.margin,
            splits=self.data.split_info,
            tuning=self.tuned.how if self.tuned else {},
            lr_chosen=self.lr_chosen,
        )

    def settle_strengths(self) -> None:
        """Choose strengths and learning rates by trials where that is asked, or the learning rate alone where open."""
        criterion, train = self.trainer.criterion, self.trainer.train_all
        if self.trials:
            first = self.data.repeat(self.seeds[0])
            self.tuned = tune(self.asked, self.trials, first, self.protocol, criterion, train)
        elif self.protocol.lr is None:
            first = self.data.repeat(self.seeds[0])
            rate = choose_learning_rate(self.protocol, criterion, partial(train, first))
            self.protocol = replace(self.protocol, lr=rate)

    def chosen(self, recipe: Recipe) -> Chosen:
        """Return the recipe as it is trained, and its own learning rate where it has one."""
        return self.tuned.chosen[recipe] if self.tuned else Chosen(recipe, None)

    def variants(self, seeds: Sequence[int]) -> list[Variant]:
        """Return the runs of all contenders under these seeds."""
        settings = [self.chosen(recipe) for recipe in self.asked]
        return [Variant(each.recipe, seed, each.lr) for seed in seeds for each in settings]

    def train(self) -> Iterator[Run]:
        """Yield each run when it is finished; where the splits vary, every seed has its own."""
        parts = [[seed] for seed in self.seeds] if self.data.splits_vary else [self.seeds]
        for seeds in parts:
            yield from self.trainer.train(self.data.repeat(seeds[0]), self.variants(seeds), self.protocol, self.models)

    def contenders(self) -> list[Contender]:
        """Summarize and judge the runs."""
        runs = {}
        for recipe in self.asked:
            settings = self.chosen(recipe)
            keys = [Variant(settings.recipe, seed, settings.lr).key for seed in self.seeds]
            runs[settings.recipe] = [self.runs[key] for key in keys if key in self.runs]
        rows = self.data.rows
        judged = contenders(
            runs,
            self.trainer.criterion.name,
            higher_is_better=self.trainer.criterion.higher_is_better,
            margin=self.margin,
            test_to_train=rows["valid"] / (sum(rows.values()) - rows["valid"]) if self.data.splits_vary else None,
            rows=rows,
            seeds_wanted=len(self.seeds),
        )
        note_too_weak(judged, self.protocol, rows["train"] // min(self.protocol.batch_size, rows["train"]))
        return self.with_trials(judged) if self.tuned else judged

    def with_trials(self, judged: list[Contender]) -> list[Contender]:
        """Add to each contender what it was tuned from, and its trials."""
        asked = {str(self.chosen(recipe).recipe): recipe for recipe in self.asked}
        for each in judged:
            recipe = asked[each.name]
            each.asked, each.lr = str(recipe), self.chosen(recipe).lr
            each.trials = self.tuned.trials[recipe] if self.tuned else []
        return judged

    @property
    def missing(self) -> int:
        """How many runs are not there yet."""
        return len(self.seeds) * len(self.asked) - len(self.runs)

    def notices(self, judged: Sequence[Contender]) -> list[str]:
        """Return the sentences to print beside the numbers."""
        recipes = [self.chosen(recipe).recipe for recipe in self.asked]
        said = notices(judged, recipes, self.seeds, self.missing, self.trainer.criterion.name)
        return [*said, *([REUSED_ROWS] if self.tuned and self.data.splits_vary else [])]

    def fit_references(self) -> Fitted:
        """Fit the references on every split of the data."""
        repeats = [self.data.repeat(seed) for seed in self.seeds] if self.data.splits_vary else [self.data]
        return fit_references(repeats, self.protocol.class_weight, self.trainer.own_metric)

    def references_with(self, fitted: Fitted, baseline: Contender) -> list[Reference]:
        """Return the references, beside what the baseline's early stopping gained."""
        return [*fitted.references, *early_stopping_reference(baseline, self.trainer.criterion.name)]

    def interrupt_message(self) -> str:
        """Return what is kept of a comparison that was stopped before any run was finished, and how to go on."""
        return interrupt_message(self.trainer.count, self.trainer.store.folder, self.trainer.kept)
