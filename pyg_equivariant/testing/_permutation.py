"""Does a graph function commute with a new numbering of nodes and edges?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ._outputs import call, largest, relative_deviation

_KINDS = ("node", "edge", "edge_index", "graph")


def assert_permutation_equivariant(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    kinds_in: Sequence[str | None],
    kinds_out: str | Sequence[str] = "node",
    num_draws: int = 3,
    tolerance: float = 1e-10,
    generator: torch.Generator | None = None,
) -> None:
    """Fail unless renumbering nodes and reordering edges only reorders the output.

    Args:
        function: takes tensors of nodes and edges, returns one or several.
        inputs: the arguments.
        kinds_in: what each argument is: ``"node"`` (one row for each node), ``"edge"``
            (one row for each edge), ``"edge_index"``, or ``None`` (left alone).
        kinds_out: what each output is: ``"node"``, ``"edge"`` or ``"graph"`` (does not
            change).
        num_draws: number of random permutations.
        tolerance: largest deviation, relative to the largest number in the output.
        generator: source of the permutations.

    Raises:
        AssertionError: stating the deviation found.
        ValueError: if an argument has no known kind, or none is ``"edge_index"``.

    Example:
        >>> def degree(x, edge_index):
        ...     return torch.zeros_like(x).index_add(0, edge_index[1], x[edge_index[0]])
        >>> edge_index = torch.tensor([[0, 1, 1], [1, 2, 0]])
        >>> x = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
        >>> assert_permutation_equivariant(
        ...     degree, [x, edge_index], ["node", "edge_index"]
        ... )
    """
    kinds_out = [kinds_out] if isinstance(kinds_out, str) else list(kinds_out)
    known = {*_KINDS, None} >= {*kinds_in, *kinds_out}
    if not (known and "edge_index" in kinds_in and "node" in kinds_in):
        raise ValueError(
            f"kinds are {_KINDS} or None, one of them 'edge_index' and one 'node'; got "
            f"{list(kinds_in)} and {kinds_out}"
        )
    given = {
        k: x for k, x in zip(kinds_in, inputs, strict=True) if isinstance(x, Tensor)
    }
    num_nodes, num_edges = len(given["node"]), given["edge_index"].shape[1]
    expected = call(function, inputs)
    if len(expected) != len(kinds_out):
        raise ValueError(f"got {len(expected)} outputs for {len(kinds_out)} kinds_out")
    for _ in range(num_draws):
        nodes = torch.randperm(num_nodes, generator=generator)
        edges = torch.randperm(num_edges, generator=generator)
        moved = [
            _permute(kind, x, nodes, edges)
            for kind, x in zip(kinds_in, inputs, strict=True)
        ]
        outputs = zip(kinds_out, expected, call(function, moved), strict=True)
        error = largest(
            relative_deviation(after, _permute(kind, before, nodes, edges))
            for kind, before, after in outputs
        )
        if not error <= tolerance:
            raise AssertionError(
                f"not permutation equivariant: relative deviation {error}, "
                f"tolerance {tolerance}"
            )


def _permute(kind: str | None, x: Any, nodes: Tensor, edges: Tensor) -> Any:
    """New node ``k`` is old node ``nodes[k]``; likewise for edges."""
    if x is None or kind in (None, "graph"):
        return x
    if kind == "node":
        return x[nodes]
    if kind == "edge":
        return x[edges]
    return torch.argsort(nodes)[x][:, edges]
