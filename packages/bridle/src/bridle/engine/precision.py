"""The dtypes and the device of the engine, chosen by what the processor has."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from bridle.protocol import Protocol

__all__ = ["Precision", "default_device", "has_bfloat16_units", "resolve_precision"]


@dataclass(frozen=True)
class Precision:
    """``weights`` holds parameters, optimizer and losses; ``matmul`` is what a training step's products are done in."""

    weights: torch.dtype
    matmul: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, protocol: Protocol, device: torch.device) -> Precision:
        """Return the precision that the protocol asks for."""
        name = resolve_precision(protocol, device).precision
        weights = torch.float64 if name == "float64" else torch.float32
        return cls(weights, torch.bfloat16 if name == "bfloat16" else weights, device)

    def matmul_dtype(self, *, training: bool) -> torch.dtype:
        """Return the dtype of products: what a run hands over is measured in the precision of its weights."""
        return self.matmul if training else self.weights


def resolve_precision(protocol: Protocol, device: torch.device | None = None) -> Protocol:
    """Return the protocol with what "auto" stands for: bfloat16 products where the device has units for them."""
    if protocol.precision != "auto":
        return protocol
    return replace(protocol, precision="bfloat16" if has_bfloat16_units(device or default_device()) else "float32")


def default_device() -> torch.device:
    """Return the CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bfloat16_units(device: torch.device) -> bool:
    """Return True where bfloat16 matrix products run on units of their own, several times as fast as float32.

    On CPUs that is AMX. AVX512-BF16 alone and emulation do not count: there, bfloat16 can be slower than float32.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(probe and probe())
