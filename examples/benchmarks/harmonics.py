"""Spherical harmonics beside e3nn and sphericart.

    python examples/benchmarks/harmonics.py
    python examples/benchmarks/harmonics.py --lmax 2 --vectors 300 4000 30000

All degrees up to ``lmax`` of the same vectors, which each library normalizes; results
are compared before they are timed. "with gradient" returns the values and the gradient
of a weighted sum of them, "with curvature" differentiates that gradient again.
sphericart is called through its binding for torch, and for values with gradient also
through that for numpy, which returns the whole Jacobian.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from timing import head, in_turns, optional, parser, rows, rule, same, skip, start
from torch import Tensor

from pyg_equivariant.nn import SphericalHarmonics

Function = Callable[[Tensor], Tensor]
ORDERS = ("values", "with gradient", "with curvature")
CYCLE = [2, 0, 1]  # the axis of the harmonics is y here and in e3nn, z in sphericart


def ours(lmax: int) -> Function:
    return SphericalHarmonics(range(lmax + 1), normalization="integral")


def of_e3nn(lmax: int) -> Function:
    import e3nn.o3

    module: Any = e3nn.o3.SphericalHarmonics(
        list(range(lmax + 1)), normalize=True, normalization="integral"
    )
    return module


def of_sphericart(lmax: int) -> Function:
    """Of vectors with their components in its order, which costs it nothing."""
    import sphericart.torch

    module: Any = sphericart.torch.SphericalHarmonics(lmax)
    return lambda vectors: module.compute(vectors)


def step(function: Function, vectors: Tensor, g: Tensor, order: int) -> list[Tensor]:
    """Values (0), and first (1) or first and second derivatives (2)."""
    if order == 0:
        with torch.no_grad():
            return [function(vectors)]
    out = function(vectors)
    (first,) = torch.autograd.grad(out, vectors, g, create_graph=order == 2)
    if order == 1:
        return [out.detach(), first]
    second = torch.autograd.grad(first, (vectors, g), first.detach())
    return [out.detach(), first.detach(), *second]


def in_our_order(results: list[Tensor]) -> list[Tensor]:
    """Vectors of sphericart with their components back in place."""
    back = [CYCLE.index(k) for k in range(3)]
    return [t[:, back] if t.shape[1] == 3 else t for t in results]


def table(lmax: int, count: int, options: argparse.Namespace) -> None:
    vectors = torch.randn(count, 3, requires_grad=True)
    g = torch.randn(count, (lmax + 1) ** 2, requires_grad=True)
    cycled = vectors.detach()[:, CYCLE].contiguous().requires_grad_()
    own = ours(lmax)
    for order, name in enumerate(ORDERS):
        functions: dict[str, Callable[[], Any]] = {
            "ours": partial(step, own, vectors, g, order)
        }
        expected = step(own, vectors, g, order)
        if optional("e3nn"):
            functions["e3nn"] = partial(step, of_e3nn(lmax), vectors, g, order)
            same("e3nn", expected, functions["e3nn"]())
        if optional("sphericart.torch"):
            peer = partial(step, of_sphericart(lmax), cycled, g, order)
            same("sphericart", expected, in_our_order(peer()))
            functions["sphericart"] = peer
        if order == 1 and optional("sphericart"):
            functions["sphericart numpy"] = in_numpy(lmax, cycled, g, expected)
        times = in_turns(functions, options.seconds)
        rows(f"l <= {lmax}, {count} vectors, {name}", times)


def in_numpy(
    lmax: int, vectors: Tensor, g: Tensor, expected: list[Tensor]
) -> Callable[[], object]:
    import sphericart

    module: Any = sphericart.SphericalHarmonics(lmax)
    call = partial(module.compute_with_gradients, vectors.detach().numpy())
    values, derivatives = (torch.from_numpy(a) for a in call())
    gradient = torch.einsum("ej,eaj->ea", g.detach(), derivatives)
    same("sphericart numpy", expected, in_our_order([values, gradient]))
    return call


def main(argv: list[str] | None = None) -> None:
    options_of = parser(__doc__, seconds=5.0)
    options_of.add_argument("--lmax", type=int, nargs="+", default=[6])
    options_of.add_argument("--vectors", type=int, nargs="+", default=[4000, 30_000])
    options = options_of.parse_args(argv)
    if options.quick:
        options.vectors, options.seconds = [50], 0.0
    start(options, "e3nn", "sphericart")
    for peer in ("e3nn", "sphericart", "sphericart.torch"):
        if not optional(peer):
            skip(peer, f"pip install {peer.replace('.', '-')}")
    head()
    for lmax in options.lmax:
        for count in options.vectors:
            table(lmax, count, options)
    rule()


if __name__ == "__main__":
    main()
