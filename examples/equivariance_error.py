"""How exactly the steerable modules commute with rotations and reflections.

    python examples/equivariance_error.py

For every module |f(D x) - D f(x)| relative to the largest number in f(x), the largest
over random rotations, proper and improper. "bf16 autocast" runs a float32 module under
torch.autocast, "bfloat16" a module whose parameters are bfloat16, too.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable

import torch
from torch import Tensor

from pyg_equivariant import nn, o3
from pyg_equivariant.testing import equivariance_error

X = "32x0e+8x0o+16x1o+8x1e+8x2e+4x2o+4x3o+4x4e"
ATTR = "1x0e+1x1o+1x2e+1x3o+1x4e"
SORTED = o3.Irreps(X).sort().irreps


def modules() -> list[torch.nn.Module]:
    """One of each kind."""
    return [
        nn.SphericalHarmonics(ATTR, irreps_in="1x1o"),
        nn.Linear(X, X),
        nn.FullyConnectedTensorProduct(X, ATTR, X),
        nn.TensorProduct(o3.TensorProductPaths.depthwise(X, ATTR, keep=X)),
        nn.SteerableLinear(X, ATTR, X),
        nn.SteerableMLP(X, ATTR, SORTED, X),
        nn.Gate.from_irreps(SORTED),
        nn.NormActivation(X),
        nn.EquivariantLayerNorm(X),
        nn.EquivariantInstanceNorm(X),
        nn.Dropout(X, p=0.2),
    ]


def under_autocast(module: torch.nn.Module) -> Callable[..., Tensor]:
    def function(*inputs: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            out: Tensor = module(*inputs)
        return out

    return function


def error(module: torch.nn.Module, column: str, batch: int, seed: int) -> float:
    """The largest relative deviation found."""
    autocast = column == "bf16 autocast"
    dtype = torch.float32 if autocast else getattr(torch, column)
    module = copy.deepcopy(module).to(dtype)
    names = ("irreps_in1", "irreps_in2")
    if not hasattr(module, "irreps_in1"):
        names = tuple(n for n in ("irreps_in", "irreps_attr") if hasattr(module, n))
    return max(
        equivariance_error(
            under_autocast(module) if autocast else module,
            irreps_in=[getattr(module, name) for name in names],
            irreps_out=module.irreps_out,
            num_draws=5,
            batch=batch,
            dtype=dtype,
            generator=torch.Generator().manual_seed(seed),
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=100, help="samples of each input")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    columns = ["float64", "float32", "bf16 autocast", "bfloat16"]
    print(f"torch {torch.__version__}, irreps {X}, attributes {ATTR}\n")
    rule = "  ".join(["=" * 27] + ["=" * 13] * len(columns))
    print(rule)
    print(f"{'module':27}  " + "  ".join(f"{column:13}" for column in columns))
    print(rule)
    for module in modules():
        errors = [
            error(module, column, arguments.batch, arguments.seed) for column in columns
        ]
        cells = "  ".join(f"{value:<13.1e}" for value in errors)
        print(f"{type(module).__name__:27}  {cells}", flush=True)
    print(rule)


if __name__ == "__main__":
    main()
