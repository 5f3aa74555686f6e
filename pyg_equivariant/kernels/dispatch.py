"""Which kernel serves a call: all that is asked about devices, dtypes and compilers.

Front doors ask :func:`backend`, which torch.compile sees through; operators, which it
does not see into, ask :func:`kernel_for` about the tensors that really arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import Parameter

from .c.cache import entries
from .c.compiler import BuildError, compiler
from .c.memory import REAL
from .environment import PLAIN, plain_torch, warn_once
from .triton.build import TritonError, has_triton, interpreting

Result = TypeVar("Result")
is_compiling = torch.compiler.is_compiling


@cache
def _built_ahead() -> bool:
    return bool(entries())


def has_c() -> bool:
    """Whether kernels of C may be had, compiled now or ahead; if not, say so once."""
    if plain_torch():
        return False
    if compiler() is None and not _built_ahead():
        warn_once(
            "no C compiler was found, so the kernels run in plain torch, much slower; "
            f"install gcc or clang, or set CC; {PLAIN}=1 says that this is meant"
        )
        return False
    return True


def has_triton_or_warning() -> bool:
    """Whether Triton may be used; if it is not installed, say so once."""
    if plain_torch():
        return False
    if not has_triton():
        warn_once(
            "Triton was not found, so tensor-product convolutions on CUDA run in plain "
            "torch, much slower; pip install triton"
        )
        return False
    return True


# What torch.compiler.assume_constant_result does, which would load torch's compiler.
has_c._dynamo_marked_constant = True  # type: ignore[attr-defined]
has_triton_or_warning._dynamo_marked_constant = True  # type: ignore[attr-defined]


def transformed() -> bool:
    """Whether torch.func, forward-mode derivatives or torch.jit look on.

    They see through plain torch only: a compiled operator has to step aside.
    """
    if is_compiling():
        return False
    return (
        torch._C._functorch.peek_interpreter_stack() is not None
        or torch.autograd.forward_ad._current_level >= 0
        or torch._C._get_tracing_state() is not None
    )


def backend(*tensors: Tensor | None, kernels: Sequence[str] = ("c",)) -> str:
    """``"c"``, ``"triton"`` or ``"plain"``: what serves a call on such tensors.

    Args:
        *tensors: the floating-point arguments; ``None`` is skipped.
        kernels: which kernels there are: ``"c"`` for the CPU, ``"triton"`` for CUDA.

    Returns:
        ``"plain"`` without such a kernel or its compiler, for tensors on several
        devices, and where :func:`transformed`.

    Raises:
        RuntimeError: if Triton would serve it while :func:`recording`.
    """
    device = None
    for t in tensors:
        if t is None:
            continue
        device = device or t.device
        if t.device != device or not t.is_floating_point():
            return "plain"
    if device is None or transformed():
        return "plain"
    return _kernel_on(device.type, kernels)


def kernel_for(*tensors: Tensor | None, kernels: Sequence[str] = ("c",)) -> str:
    """The same inside an operator: C takes float32 and float64, all of one dtype.

    It reads memory as it lies, so all tensors are strided.
    """
    first = None
    for t in tensors:
        if t is None:
            continue
        if first is None:
            first, device, dtype = t, t.device, t.dtype
        elif t.dtype != dtype or t.device != device:
            return "plain"
        if t.layout != torch.strided:
            return "plain"
    if first is None or (device.type == "cpu" and dtype not in REAL):
        return "plain"
    return _kernel_on(device.type, kernels)


def _kernel_on(device: str, kernels: Sequence[str]) -> str:
    if device == "cpu" and "c" in kernels and has_c():
        return "c"
    if device == "cuda" and "triton" in kernels and has_triton_or_warning():
        if recording(device):
            raise RuntimeError(
                "a CUDA graph is captured, whose replays would keep the order of "
                "today's edges, whatever edge_index then holds; set conv.fuse = False "
                "for layers of a captured graph, or, for edges that never change, "
                "call Convolution with backend='triton'"
            )
        return "triton"
    return "plain"


def recording(device: str) -> bool:
    """Whether a CUDA graph is captured: replays run what is launched, and no Python."""
    if device != "cuda" or is_compiling() or not torch.cuda.is_initialized():
        return False
    return torch.cuda.is_current_stream_capturing()


def check_backend(name: str, like: Tensor) -> None:
    """Refuse a backend that was asked for and cannot serve such tensors.

    Raises:
        ValueError: if it does not take their device or dtype.
        RuntimeError: if it is not installed.
    """
    otherwise = "or leave backend='auto'"
    if plain_torch():
        raise RuntimeError(f"backend={name!r} was asked for, but {PLAIN}=1 is set")
    device = like.device.type
    if name == "c" and (device != "cpu" or like.dtype not in REAL):
        raise ValueError(
            f"backend='c' takes float32 or float64 on the CPU, got {like.dtype} on "
            f"{like.device}: move them, {otherwise}"
        )
    if name == "c" and compiler() is None:
        raise RuntimeError(
            "backend='c' needs a C compiler, and none was found: install gcc or clang, "
            f"or set CC, {otherwise}"
        )
    if name == "triton" and not has_triton():
        raise RuntimeError(
            "backend='triton' needs Triton, which is not installed: pip install "
            f"triton, {otherwise}"
        )
    if (
        name == "triton"
        and device != "cuda"
        and not (device == "cpu" and interpreting())
    ):
        raise ValueError(
            "backend='triton' takes CUDA tensors (or CPU tensors, slowly, where "
            "TRITON_INTERPRET=1 is set before Python starts), got them on "
            f"{like.device}: move them, {otherwise}"
        )


def fast_or_plain(
    fast: Callable[..., Result], plain: Callable[..., Result], *arguments: Any
) -> Result:
    """What ``fast`` returns, or ``plain`` where its kernel cannot be built."""
    try:
        return fast(*arguments)
    except (BuildError, TritonError) as error:
        warn_once(
            f"{error}; plain torch runs instead, much slower, here and wherever else a "
            "kernel cannot be had; `python -m pyg_equivariant kernels` shows what "
            f"there is, and {PLAIN}=1 says that this is meant",
            about=type(error).__name__,
        )
        return plain(*arguments)


def is_plain_call(*tensors: Tensor | None) -> bool:
    """Whether the dispatcher may be left out: eager, and tensors of torch's own types.

    Modes that record or replace operators would miss what does not pass through it, and
    batches of gradients (``is_grads_batched``) have no memory of their own.
    """
    if is_compiling():
        return False
    for t in tensors:
        if t is None:
            continue
        own = type(t) is Tensor or type(t) is Parameter
        if not own or torch._C._functorch.is_legacy_batchedtensor(t):
            return False
    return (
        torch._C._len_torch_dispatch_stack() == 0
        and torch._C._functorch.peek_interpreter_stack() is None
    )


def autocasts(device: str) -> bool:
    """Whether torch converts dtypes itself on such a device."""
    return device != "meta" and torch.is_autocast_enabled(device)


def multiplies_slowly() -> bool:
    """Whether torch multiplies float32 with MKL on a processor of AMD, at half speed.

    Under autocast it multiplies bfloat16, by another library.
    """
    return _neglects_processor() and not torch.is_autocast_enabled("cpu")


@cache
def _neglects_processor() -> bool:
    if not torch.backends.mkl.is_available():
        return False
    try:
        return "AuthenticAMD" in Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return False
