"""What is asked of every argument, before its shape."""

from __future__ import annotations

import operator

import torch
from torch import Tensor


def check_tensor(x: object, name: str) -> None:
    """Refuse what is no dense tensor.

    Raises:
        TypeError: saying what came in the place of ``name``.

    Example:
        >>> check_tensor([1.0, 2.0], "pos")
        Traceback (most recent call last):
            ...
        TypeError: pos must be a torch.Tensor, got list; convert it with torch.as_tensor
    """
    if not isinstance(x, Tensor):
        hint = "" if x is None else "; convert it with torch.as_tensor"
        raise TypeError(f"{name} must be a torch.Tensor, got {type(x).__name__}{hint}")
    if x.layout != torch.strided:
        raise TypeError(
            f"{name} is a dense tensor, got {x.layout}; convert it with .to_dense()"
        )


def check_real(x: object, name: str) -> None:
    """Refuse what is no dense tensor of real numbers.

    Raises:
        TypeError: saying what came in the place of ``name``.
    """
    check_tensor(x, name)
    assert isinstance(x, Tensor)
    if not x.is_floating_point():
        raise TypeError(
            f"{name} holds real numbers: expected a floating-point tensor, got "
            f"{x.dtype}; convert it with .float()"
        )


def check_last(x: object, dim: int, name: str) -> None:
    """Refuse what does not hold ``dim`` real numbers on its last dimension.

    Raises:
        TypeError: if it is no dense tensor of real numbers.
        ValueError: if its last dimension is another.
    """
    check_real(x, name)
    assert isinstance(x, Tensor)
    if x.dim() == 0 or x.shape[-1] != dim:
        raise ValueError(
            f"expected {dim} numbers on the last dimension of {name}, got a tensor of "
            f"shape {tuple(x.shape)}"
        )


def check_alike(**tensors: object) -> None:
    """Refuse tensors of real numbers on several devices or of several dtypes.

    Raises:
        TypeError: if one is no dense tensor of real numbers, or of another dtype than
            the first.
        ValueError: if one lies elsewhere than the first.
    """
    first: Tensor | None = None
    for name, x in tensors.items():
        check_real(x, name)
        assert isinstance(x, Tensor)
        if first is None:
            first, origin = x, name
        if x.dtype != first.dtype:
            raise TypeError(
                f"{name} is {x.dtype}, {origin} {first.dtype}; convert one of them, "
                f"{name}.to({first.dtype})"
            )
        check_device(x, first, name, origin)


def check_device(x: Tensor, like: Tensor, name: str, owner: str) -> None:
    """Refuse ``x`` where it does not lie with what it meets.

    Raises:
        ValueError: naming both devices.
    """
    if x.device != like.device:
        raise ValueError(
            f"{name} is on {x.device}, {owner} on {like.device}; move one of them, "
            f"{name}.to({str(like.device)!r})"
        )


def check_broadcast(**shapes: tuple[int, ...]) -> None:
    """Refuse leading dimensions that do not broadcast.

    Raises:
        ValueError: naming all of them.

    Example:
        >>> check_broadcast(x=(5, 1), R=(3,))
        >>> check_broadcast(x=(5,), R=(3,))
        Traceback (most recent call last):
            ...
        ValueError: leading dimensions do not broadcast: x (5,), R (3,)
    """
    sizes: list[int] = []
    for shape in shapes.values():
        for k, n in enumerate(reversed(shape)):
            if k == len(sizes):
                sizes.append(n)
            elif sizes[k] == 1:
                sizes[k] = n
            elif n not in (1, sizes[k]):
                given = ", ".join(f"{name} {tuple(s)}" for name, s in shapes.items())
                raise ValueError(f"leading dimensions do not broadcast: {given}")


def check_size(value: object, name: str) -> None:
    """Refuse what does not count anything.

    Raises:
        TypeError: if it is no integer.
        ValueError: if it is negative.
    """
    if not isinstance(value, (int, torch.SymInt)):
        try:
            value = operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            raise TypeError(f"{name} is an integer, got {value!r}") from None
    if value < 0:
        raise ValueError(f"{name} is not negative, got {value}")
