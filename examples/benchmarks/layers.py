"""The whole TFNConv beside the same layer built from e3nn.

    python examples/benchmarks/layers.py

Radial network, tensor-product convolution and self-interaction, all with the same
weights; derivatives with respect to features, harmonics, radial features and weights.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial

import torch
from timing import head, in_turns, optional, parser, rows, rule, same, skip, start
from torch import Tensor

from pyg_equivariant.nn import TFNConv
from pyg_equivariant.o3 import Irreps

ORDERS = ("forward", "forward + backward", "double backward")


def step(
    layer: torch.nn.Module,
    call: Callable[..., Tensor],
    inputs: list[Tensor],
    g: Tensor,
    order: int,
) -> list[Tensor]:
    """The value (0); derivatives by inputs and weights (1); and of those (2)."""
    if order == 0:
        with torch.no_grad():
            return [call(*inputs)]
    out = call(*inputs)
    if order == 1:
        wanted = [*inputs, *layer.parameters()]
        found = torch.autograd.grad(out, wanted, g)
        return [out.detach(), *found[: len(inputs)]]
    first = torch.autograd.grad(out, inputs, g, create_graph=True)
    loss = sum(t.square().sum() for t in first)
    found = torch.autograd.grad(loss, list(layer.parameters()), allow_unused=True)
    return [out.detach(), *(t.detach() for t in first)]


def table(lmax: int, options: argparse.Namespace) -> None:
    from e3nn_tfn import E3nnConv

    irreps_sh = Irreps.spherical_harmonics(lmax)
    irreps = Irreps([(options.channels, ir) for _, ir in irreps_sh])
    ours = TFNConv(irreps, irreps_sh, irreps, edge_dim=8, avg_num_neighbors=20.0)
    theirs = E3nnConv(ours)
    edge_index = torch.randint(options.nodes, (2, options.edges))
    edge_index = edge_index[:, edge_index[1].argsort()]
    x, g = irreps.randn(options.nodes, -1), irreps.randn(options.nodes, -1)
    rest = [irreps_sh.randn(options.edges, -1), torch.rand(options.edges, 8)]

    def inputs(x: Tensor) -> list[Tensor]:
        return [t.detach().clone().requires_grad_() for t in (x, *rest)]

    def called(layer: torch.nn.Module) -> Callable[..., Tensor]:
        return lambda x, sh, attr: layer(x, edge_index, sh, attr)

    runs = {
        "ours": (ours, called(ours), inputs(x), g),
        "e3nn": (
            theirs,
            called(theirs),
            inputs(irreps.to_mul_ir(x)),
            irreps.to_mul_ir(g).contiguous(),
        ),
    }
    for order in options.orders:
        found, expected = (step(*run, order) for run in runs.values())
        for i in range(min(len(expected), 2)):
            expected[i] = irreps.from_mul_ir(expected[i])
        same(f"lmax {lmax}, {ORDERS[order]}", found, expected)
        functions = {name: partial(step, *run, order) for name, run in runs.items()}
        what = f"lmax {lmax}, {options.channels} channels, {ORDERS[order]}"
        rows(what, in_turns(functions, options.seconds))


def main(argv: list[str] | None = None) -> None:
    options_of = parser(__doc__)
    options_of.add_argument("--lmax", type=int, nargs="+", default=[1, 2])
    options_of.add_argument("--channels", type=int, default=64)
    options_of.add_argument("--nodes", type=int, default=1500)
    options_of.add_argument("--edges", type=int, default=30_000)
    options_of.add_argument("--orders", type=int, nargs="+", default=[0, 1, 2])
    options = options_of.parse_args(argv)
    if optional("e3nn") is None:
        skip("e3nn", "pip install e3nn")
        return
    if options.quick:
        options.channels, options.nodes, options.edges, options.seconds = 4, 20, 90, 0.0
    start(options, "e3nn")
    print(
        f"{options.nodes} nodes, {options.edges} random edges, radial network 8-64-..."
    )
    head()
    for lmax in options.lmax:
        table(lmax, options)
    rule()


if __name__ == "__main__":
    main(sys.argv[1:])
