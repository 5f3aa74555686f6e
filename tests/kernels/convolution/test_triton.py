"""The Triton backend: where it serves, what it compiles to, how edges are cut."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from pyg_equivariant.kernels import Convolution, dispatch
from pyg_equivariant.kernels.convolution import operator
from pyg_equivariant.kernels.convolution.triton import _plan
from pyg_equivariant.kernels.environment import said
from pyg_equivariant.kernels.paths import Paths
from pyg_equivariant.kernels.triton.build import (
    TritonError,
    has_triton,
    load,
)
from pyg_equivariant.o3 import Irreps, TensorProductPaths

HARMONICS = Irreps.spherical_harmonics(2)
PRODUCT = TensorProductPaths.depthwise("3x0e+3x1o", "0e+1o", keep="0e+1o")
needs_triton = pytest.mark.skipif(not has_triton(), reason="Triton is not installed")


def arguments() -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    """Those of a convolution by ``PRODUCT``."""
    x = torch.randn(5, PRODUCT.irreps_in1.dim, dtype=torch.float64)
    y = torch.randn(9, PRODUCT.irreps_in2.dim, dtype=torch.float64)
    w = torch.randn(9, PRODUCT.weight_numel, dtype=torch.float64)
    return x, y, w, torch.randint(5, (2, 9)), 5


@needs_triton
def test_the_interpreter_agrees_with_the_reference() -> None:
    """Triton decides when it is loaded, so these tests have a process of their own."""
    tests = Path(__file__).with_name("test_triton_numbers.py")
    settings = {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [*command, "-p", "no:xdist", str(tests)],
        env={**os.environ, **settings},
        cwd=tests.parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"\d\d passed", ran.stdout)
    assert "skipped" not in ran.stdout


def kernel_text(wanted: str, real: str, pointer: str) -> tuple[str, str]:
    """The first kernel of a convolution, and what it becomes on an H100, in PTX."""
    import triton
    from triton.backends.compiler import GPUTarget

    features = Irreps([(64, ir) for _, ir in HARMONICS])
    product = TensorProductPaths.depthwise(features, HARMONICS, keep=HARMONICS)
    plan, text = _plan(Paths.of(product, "uvu"), wanted, real)
    kinds = {"segments": "*i64", "visits": "*i64"}
    for a in plan.reads:
        kinds |= {a: pointer, f"{a}_step": "i32"}
    kinds |= {f"d{a}": pointer for a in wanted}
    kernel = load(text)[plan.groups[0].name]
    aligned = {(i,): [["tt.divisibility", 16]] for i in range(len(kinds))}
    source = triton.compiler.ASTSource(kernel, kinds, attrs=aligned)
    target = GPUTarget("cuda", 90, 32)
    compiled = triton.compile(source, target=target, options={"num_warps": 1})
    return kernel.src, compiled.asm["ptx"]


@needs_triton
@pytest.mark.parametrize("wanted", ["g", "xyw"])
def test_kernels_compile_without_a_device(wanted: str) -> None:
    """Sums of channels stay inside a warp, and nothing depends on who comes first."""
    _, text = kernel_text(wanted, "float32", "*fp32")
    assert "fma.rn.f32" in text
    assert ".f64" not in text
    for slow in ("atom.", "red.global", "bar.sync", "ld.shared", "ld.local"):
        assert slow not in text


@needs_triton
def test_narrow_numbers_are_widened_in_registers() -> None:
    _, text = kernel_text("g", "float32", "*bf16")
    assert "fma.rn.f32" in text
    assert "fma.rn.bf16" not in text
    assert re.search(r"st\.global\S*\.b32", text)  # two narrow numbers at once


@needs_triton
def test_coefficients_keep_double_precision() -> None:
    source, text = kernel_text("g", "float64", "*fp64")
    assert "fma.rn.f64" in text
    assert ".f32" not in text
    written = {abs(float(c)) for c in re.findall(r"(\S+) \* y\d", source)} - {1.0}
    assert len(written) > 5
    for value in written:
        digits = struct.pack(">d", value).hex().upper()[1:]
        assert re.search(f"0d[34BC]{digits}", text)  # of either sign


def test_a_backend_that_cannot_serve_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    convolve = Convolution(PRODUCT)
    given = arguments()
    with pytest.raises(ValueError, match="'auto', 'reference', 'c', 'triton'"):
        convolve(*given, backend="fast")
    monkeypatch.setattr(dispatch, "interpreting", lambda: False)
    monkeypatch.setattr(dispatch, "has_triton", lambda: True)
    with pytest.raises(ValueError, match=r"takes CUDA tensors.*cpu.*backend='auto'"):
        convolve(*given, backend="triton")
    monkeypatch.setattr(dispatch, "has_triton", lambda: False)
    with pytest.raises(RuntimeError, match="pip install triton"):
        convolve(*given, backend="triton")
    monkeypatch.setattr(dispatch, "compiler", lambda: None)
    with pytest.raises(RuntimeError, match=r"needs a C compiler.*install gcc"):
        convolve(*given, backend="c")


def test_all_derivatives_run_on_the_backend_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used = []

    def recorded(paths, arguments, order, shapes, outputs) -> list[Tensor]:
        used.append(outputs)
        return operator._plain(paths, arguments, order.edges, order.sizes, outputs)

    monkeypatch.setattr(operator, "check_backend", lambda name, like: None)
    monkeypatch.setitem(operator._RUN, "triton", recorded)
    monkeypatch.delitem(operator._RUN, "c")
    x, y, w, edge_index, size = arguments()
    for t in (x, y, w):
        t.requires_grad_()
    out = Convolution(PRODUCT)(x, y, w, edge_index, size, backend="triton")
    first = torch.autograd.grad(out.sin().sum(), (x, y, w), create_graph=True)
    torch.autograd.grad(sum(t.square().sum() for t in first), (x, y, w))
    assert len(used) > 3


def test_a_fault_of_triton_warns_once_and_torch_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> list[Tensor]:
        raise TritonError("Triton could not run a kernel: no driver")

    monkeypatch.setattr(operator, "kernel_for", lambda *_, kernels: "triton")
    monkeypatch.setitem(operator._RUN, "triton", fail)
    said.clear()
    convolve = Convolution(PRODUCT)
    given = arguments()
    with pytest.warns(UserWarning, match="no driver; plain torch runs instead"):
        found = convolve(*given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        convolve(*given)
    expected = convolve(*given, backend="reference")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_devices_choose_their_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeTensorMode(allow_non_fake_inputs=True):
        tensor = torch.empty(3, device="cuda", dtype=torch.bfloat16)
    kernels = operator.KERNELS
    monkeypatch.setattr(dispatch, "has_triton", lambda: True)
    assert dispatch.kernel_for(tensor, kernels=kernels) == "triton"
    assert dispatch.backend(tensor, None, tensor, kernels=kernels) == "triton"
    assert dispatch.backend(tensor, torch.empty(3), kernels=kernels) == "plain"
    assert dispatch.backend(tensor.long(), kernels=kernels) == "plain"
    assert dispatch.backend(tensor) == "plain"
    monkeypatch.setattr(dispatch, "has_triton", lambda: False)
    said.clear()
    with pytest.warns(UserWarning, match="pip install triton"):
        assert dispatch.backend(tensor, kernels=kernels) == "plain"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dispatch.kernel_for(tensor, kernels=kernels) == "plain"
