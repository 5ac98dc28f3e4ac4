"""Weights of trained networks beside their runs, as safetensors: of the best run of each contender, of all, or none.

A file has the tensors under their names in the network, and says in plain words whose they are: any program that knows
safetensors can take them. Reading one executes nothing.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor, nn

from bridle import __version__
from bridle.comparison.hashes import checksum, hash_json
from bridle.data import Data, loaded
from bridle.engine.block import EnsembleModule
from bridle.engine.precision import Precision
from bridle.engine.training_plan import TrainingPlan
from bridle.engine.variant_grids import VariantGrid
from bridle.errors import InputError
from bridle.json_decoding import parse
from bridle.metric_info import Criterion
from bridle.networks import MLP, Network, parse_network
from bridle.places import Ensemble
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe
from bridle.results import Run, to_plain
from bridle.vanilla.layers import LayerPart, LinearPart, WeightLayerPart
from bridle.vanilla.network import VanillaNetwork, build, copy_into
from bridle.vanilla.step import VanillaEnsemble
from bridle_audit.atomic_files import open_bounded, read_whole, write_once
from bridle_audit.wording import first_few

__all__ = ["ModelStore", "load_model"]

FORMAT = "1"
LARGEST = 16 * 2**30  # bytes of a file of weights
LARGEST_HEADER = 2**27  # bytes, as safetensors itself has it
MEMBER = "members"  # of an ensemble, as torch names the modules in a list
# What safetensors and torch raise for tensors that cannot be stored: complex numbers of double precision, sparse ones.
UNSTORABLE = (SafetensorError, KeyError, ValueError, RuntimeError, NotImplementedError)


@dataclass(frozen=True)
class ModelStore:
    """The weights of one comparison's runs, under ``folder``/models; they are saved before their run is.

    ``keep`` is "best", one run for each contender, the best by ``criterion`` on the validation rows, or "all": of
    several lengths of one run the best is kept all the same. ``comparison`` is all that the runs of a contender share.
    """

    folder: Path
    keep: str
    comparison: dict[str, Any]
    criterion: Criterion
    about: dict[str, str] = field(default_factory=dict)  # of the data at hand

    def on(self, data: Data) -> ModelStore:
        """The store of runs on these data, which the files then describe."""
        mean, scale = data.target_scale
        about = {
            "task": data.task,
            "data": data.name,
            "data_fingerprint": data.fingerprint,
            "row_shape": json.dumps(data.x_train.shape[1:]),
            "classes": json.dumps(data.classes),
            **({"target_mean": repr(mean), "target_scale": repr(scale)} if data.task == "regression" else {}),
        }
        return replace(self, about=about)

    def group(self, run: Run) -> str:
        """A hash of what the runs share of which the best is kept."""
        shared = asdict(run.key)
        if self.keep == "best":
            del shared["seed"]
        return hash_json([__version__, self.comparison, self.criterion.name, shared])[:16]

    def kept(self, run: Run) -> dict[Path, float]:
        """The files of the runs with which this one competes, and their scores, the lower the better."""
        found = {}
        for path in (self.folder / "models").glob(f"{self.group(run)}-*.safetensors"):
            about = metadata_of(path)
            if about is not None and is_number(about.get("score")):
                found[path] = self.criterion.loss(float(about["score"]))
        return found

    def write(self, run: Run, name: str) -> None:
        """Save the weights of a run, whose file has this name, if it is the best so far; a failure is a warning.

        Of equals the first is kept, as of the lengths of a run.
        """
        score = run.scores["valid"][self.criterion.name]
        loss = self.criterion.loss(score)
        if run.model is None or not math.isfinite(score) or any(each <= loss for each in self.kept(run).values()):
            return
        path = self.folder / "models" / f"{self.group(run)}-{name}.safetensors"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_once(path, to_bytes(run.model, {**self.about, **self.describe(run, score)}))
        except (OSError, *UNSTORABLE) as error:
            warnings.warn(f"the weights of {run.recipe}, seed {run.seed}, cannot be kept: {error}", stacklevel=2)

    def describe(self, run: Run, score: float) -> dict[str, str]:
        """Say in plain words whose weights they are."""
        return {
            "bridle": __version__,
            "bridle_format": FORMAT,
            "format": "pt",  # by which other libraries know that tensors are named as torch names them
            "engine": str(self.comparison["engine"]),
            "network": str(self.comparison["network"]),
            "epochs": str(run.epochs),
            "metric": self.criterion.name,
            "score": repr(score),
            **words_of(run),
        }

    def prune(self, run: Run) -> None:
        """Delete the weights of the runs that are worse than the best of those with which this one competes."""
        kept = self.kept(run)
        best = min(kept, key=lambda path: (kept[path], path.name), default=None)
        for path in kept:
            if path != best:
                path.unlink(missing_ok=True)


def load_model(folder: Path | str, run: Run, network: Network | str, data: Data | str) -> Any:
    """The trained network of a run whose weights were kept in a study's folder: what its ``model`` was.

    A ``torch.nn.Module`` in evaluation mode, on the CPU (of the vanilla engine: its network). ``network`` and ``data``
    are those that the run was trained with; of the data the shapes count. Raises ``ValueError`` where the weights were
    not kept, are not what was written, or do not fit the network.
    """
    about, tensors = load_weights(Path(folder), run)
    variant, network, data = Variant(Recipe.parse(run.recipe), run.seed), parse_network(network), loaded(data)
    if about.get("engine") == "vanilla":
        return vanilla_network(variant, network, data, tensors, float(about.get("passed", 1.0)))
    return torch_module(variant, network, data, tensors)


def load_weights(folder: Path, run: Run) -> tuple[dict[str, str], dict[str, Tensor]]:
    """What the file with a run's weights says of them, and the weights."""
    broken = []
    for path in sorted((folder / "models").glob("*.safetensors")):
        about = metadata_of(path)
        if about is None:
            broken.append(path.name)
            continue
        if {name: about[name] for name in ("recipe", "seed", "lr", "scores") if name in about} == words_of(run):
            return about, from_bytes(read_whole(path, largest=LARGEST), about)
    lost = f", where {first_few(broken)} cannot be read as weights (`bridle rerun` trains anew)" if broken else ""
    raise InputError(
        f"the weights of {run.recipe}, seed {run.seed}, are not in {folder}{lost}; of each contender those of the best "
        'run are kept, of every run with keep_models="all"'
    )


def torch_module(variant: Variant, network: Network, data: Data, tensors: Mapping[str, Tensor]) -> nn.Module:
    """Build the module of a run, with the recipe's layers in it, and give it these values."""
    numbers = next((each.dtype for each in tensors.values() if each.is_floating_point()), torch.float32)
    plan = TrainingPlan.of(data, network, Protocol(), Precision(numbers, numbers, torch.device("cpu")))
    block = plan.start(VariantGrid((variant.seed,), (variant.recipe,)))
    values = block.variant_values(block.state_dict(), (0, 0))
    members = count_members(tensors)
    if members and block.ensemble:
        alone = [block.trained_module(values, variant) for _ in range(members)]
        module: nn.Module = EnsembleModule(alone, block.ensemble).eval()
    else:
        module = block.trained_module(values, variant)
    try:
        module.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise InputError(f"the weights do not fit the network {network}: {error}") from error
    return module


def vanilla_network(
    variant: Variant, network: Network, data: Data, tensors: Mapping[str, Tensor], passed: float
) -> VanillaNetwork | VanillaEnsemble:
    """Build the network of a run of the vanilla engine, and give it these values."""
    if not isinstance(network, MLP):
        raise InputError(f"the weights are of the vanilla engine, which trains mlp(...) and linear(), got {network!r}")
    arrays = {name: each.numpy() for name, each in tensors.items()}
    ensemble = next((unit for unit in variant.recipe if isinstance(unit, Ensemble)), None)
    prefixes = [f"{MEMBER}.{number}." for number in range(count_members(tensors))] if ensemble else []
    built = []
    for prefix in prefixes or [""]:
        own = {name.removeprefix(prefix): each for name, each in arrays.items() if name.startswith(prefix)}
        one = build(network, variant.recipe, variant.seed, data.n_inputs, data.n_outputs)
        check_shapes(own, {**one.parameters, **one.state}, network)
        copy_into({**one.parameters, **one.state}, own)
        for layer in moving_layers(one):
            layer.passed = passed
        built.append(one)
    return VanillaEnsemble(built, ensemble) if ensemble and prefixes else built[0]


def check_shapes(found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray], network: MLP) -> None:
    """Raise ``ValueError`` where arrays are not those of the network."""
    if {name: each.shape for name, each in found.items()} != {name: each.shape for name, each in wanted.items()}:
        raise InputError(f"the weights do not fit the network {network}")


def moving_layers(network: VanillaNetwork) -> Iterator[LayerPart | WeightLayerPart]:
    """Yield the parts whose knobs may move along with the training."""
    for part in network.parts:
        if isinstance(part, LayerPart):
            yield part
        elif isinstance(part, LinearPart):
            yield from part.weight_layers


def count_members(tensors: Mapping[str, Tensor]) -> int:
    """Return how many networks of an ensemble there are; 0 for a network alone."""
    parts = [name.split(".") for name in tensors]
    return len({each[1] for each in parts if each[0] == MEMBER and len(each) > 2})


def tensors_of(model: Any) -> dict[str, Tensor]:
    """The values of a trained network, by name."""
    if isinstance(model, nn.Module):
        named = {name: each for name, each in model.state_dict().items() if isinstance(each, Tensor)}
        return {name: each.detach().cpu().contiguous().clone() for name, each in named.items()}
    if isinstance(model, VanillaEnsemble):
        members = enumerate(map(tensors_of, model.members))
        return {f"{MEMBER}.{number}.{name}": each for number, its in members for name, each in its.items()}
    arrays = {**model.parameters, **model.state}
    return {name: torch.from_numpy(np.ascontiguousarray(each)) for name, each in arrays.items()}


def moved_on(model: Any) -> dict[str, str]:
    """Return how far the training was for a network of the vanilla engine with moving knobs."""
    network = model.members[0] if isinstance(model, VanillaEnsemble) else model
    layers = list(moving_layers(network)) if isinstance(network, VanillaNetwork) else []
    return {"passed": repr(layers[0].passed)} if layers else {}


def to_bytes(model: Any, about: Mapping[str, str]) -> bytes:
    """The content of a file."""
    tensors, said = tensors_of(model), {**about, **moved_on(model)}
    return tensors_to_bytes(tensors, {**said, "checksum": sum_of(tensors, said)})


def from_bytes(content: bytes, about: Mapping[str, str]) -> dict[str, Tensor]:
    """The tensors in a file; ``ValueError`` where they, or what it says of them, are not what was written."""
    try:
        tensors = tensors_from_bytes(content)
    except UNSTORABLE as error:
        raise InputError(f"the weights are no whole safetensors file: {error}") from error
    said = {name: each for name, each in about.items() if name != "checksum"}
    if about.get("checksum") != sum_of(tensors, said):
        raise InputError("the weights are not what was written, by their checksum")
    return tensors


def sum_of(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> str:
    """A checksum of everything in a file; the bytes themselves differ, as safetensors has no order for what it says."""
    sums = {name: [str(t.dtype), list(t.shape), checksum(raw_bytes(t))] for name, t in tensors.items()}
    return hash_json([dict(about), sums])


def raw_bytes(tensor: Tensor) -> bytes:
    """The bytes of a tensor's numbers, of whatever kind they are."""
    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def metadata_of(path: Path) -> dict[str, str] | None:
    """What a file says of itself; None where it is no safetensors file, or is gone."""
    try:
        with open_bounded(path, largest=LARGEST, follow=False) as file:
            header = parse(header_bytes(file))
    except (OSError, ValueError):
        return None
    about = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(about, dict) or not all(isinstance(each, str) for each in about.values()):
        return None
    return about


def header_bytes(file: BinaryIO) -> bytes:
    """The JSON at the head of a safetensors file, behind its length in 8 bytes."""
    length = int.from_bytes(file.read(8), "little")
    return file.read(length) if length <= LARGEST_HEADER else b""


def words_of(run: Run) -> dict[str, str]:
    """A run's key in words, and a hash of all its scores, which tells it from runs of other settings."""
    lr = {} if run.key.lr is None else {"lr": repr(run.key.lr)}
    scores = hash_json(to_plain(run.scores))[:32]
    return {"recipe": run.key.recipe, "seed": str(run.key.seed), **lr, "scores": scores}


def is_number(text: str | None) -> bool:
    """Return True for the text of a finite number."""
    try:
        return text is not None and math.isfinite(float(text))
    except ValueError:
        return False
