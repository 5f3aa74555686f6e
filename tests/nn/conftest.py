"""What tests of modules share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call


@pytest.fixture
def check_derivatives() -> Callable[..., None]:
    """First and second derivatives with respect to all inputs and all parameters."""

    def check(module: torch.nn.Module, *inputs: Tensor) -> None:
        names = [name for name, _ in module.named_parameters()]
        given = (*inputs, *(parameter for _, parameter in module.named_parameters()))
        arguments = tuple(x.detach().clone().requires_grad_() for x in given)
        assert all(x.dtype == torch.float64 for x in arguments)

        def function(*arguments: Tensor) -> Tensor:
            parameters = dict(zip(names, arguments[len(inputs) :], strict=True))
            return functional_call(module, parameters, arguments[: len(inputs)])

        assert gradcheck(function, arguments)
        assert gradgradcheck(function, arguments)

    return check
