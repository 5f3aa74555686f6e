"""How operators are made known to torch, so that all that it does finds them right.

Under ``torch.vmap``, and where gradients arrive in batches (``is_grads_batched``,
``vectorize=True``), an operator runs once for every sample: kernels have no dimension
for batches, and are as fast on one sample as on many.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# Compiled programs leave operators out of CUDA graphs: an order of edges is no launch.
_TAGS: dict[str, Any] = {}
if hasattr(torch.Tag, "cudagraph_unsafe"):
    _TAGS["tags"] = (torch.Tag.cudagraph_unsafe,)


def register_operator(
    name: str,
    schema: str,
    run: Callable[..., Any],
    fake: Callable[..., Any],
    backward: Callable[..., Any],
    save: Callable[..., None],
) -> Callable[..., Any]:
    """An operator that autograd, the compiler and both kinds of batches know.

    Args:
        name: of the operator.
        schema: its arguments and results. These are tensors, never a list of them: of
            batched gradients, which :mod:`torch.func` has no part in, torch takes the
            samples itself, and cannot do it for lists.
        run: the implementation.
        fake: makes empty results, for the compiler.
        backward: makes gradients of the arguments from those of the results.
        save: keeps for it what it needs.

    Raises:
        ValueError: if it takes or returns a list of tensors.
    """
    if "Tensor[" in schema:
        raise ValueError(f"{name}: batches of lists are unknown to torch, got {schema}")
    operator = torch.library.custom_op(
        f"pyg_equivariant::{name}", run, mutates_args=(), schema=schema, **_TAGS
    )
    operator.register_fake(fake)
    operator.register_autograd(backward, setup_context=save)

    def one_by_one(info: Any, dims: tuple[int | None, ...], *inputs: Any) -> Any:
        def sample(n: int) -> Any:
            given = zip(inputs, dims, strict=True)
            return operator(*(t if d is None else t.select(d, n) for t, d in given))

        results = [sample(n) for n in range(info.batch_size)]
        if isinstance(results[0], Tensor):
            return torch.stack(results), 0
        return tuple(map(torch.stack, zip(*results, strict=True))), (0,) * len(
            results[0]
        )

    operator.register_vmap(one_by_one)
    return operator
