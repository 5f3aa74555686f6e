"""What every steerable module does alike."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pyg_equivariant import o3
from pyg_equivariant.nn import (
    Activation,
    Dropout,
    EquivariantInstanceNorm,
    EquivariantLayerNorm,
    FullyConnectedTensorProduct,
    Gate,
    Linear,
    NormActivation,
    S2Activation,
    SO3Activation,
    SteerableLinear,
    SteerableMLP,
    TensorProduct,
    TensorSquare,
)
from pyg_equivariant.nn.module import EquivariantModule, check_features

X = "4x0e+2x0o+3x1o+1x2e"
ATTR = "1x0e+1x1o+2x2e"
Y = "3x0e+2x1o+2x2e+1x1e"

MODULES: dict[str, Callable[[], EquivariantModule]] = {
    "Linear": lambda: Linear(X, "3x0e+2x1o+2x2e"),
    "TensorProduct": lambda: TensorProduct(
        o3.TensorProductPaths.depthwise(X, ATTR, keep="0e+1o+2e")
    ),
    "Elementwise": lambda: TensorProduct(
        o3.TensorProductPaths.elementwise(X, X, keep="0e+1e", has_weight=True)
    ),
    "FullyConnectedTensorProduct": lambda: FullyConnectedTensorProduct(X, ATTR, Y),
    "SteerableLinear": lambda: SteerableLinear(X, ATTR, Y),
    "SteerableMLP": lambda: SteerableMLP(X, ATTR, "4x0e+3x1o+2x2e", Y),
    "Gate": lambda: Gate.from_irreps(X),
    "GateInAnyOrder": lambda: Gate.from_irreps("3x1o+4x0e+1x2e+2x0e"),
    "Activation": lambda: Activation("4x0e+2x0o", ["silu", "tanh"]),
    "NormActivation": lambda: NormActivation(X),
    "EquivariantLayerNorm": lambda: EquivariantLayerNorm(X),
    "EquivariantInstanceNorm": lambda: EquivariantInstanceNorm(X),
    "Dropout": lambda: Dropout(X).eval(),
    "TensorSquare": lambda: TensorSquare(X, Y),
    "S2Activation": lambda: S2Activation("2x0e+2x1o+2x2e", "silu", 8),
    "SO3Activation": lambda: SO3Activation(1, 2, "silu", 3),
}
TAGGED = {
    "Linear": "",
    "TensorProduct": "",
    "Elementwise": "",
    "FullyConnectedTensorProduct": "",
    "SteerableLinear": "tp.",
    "SteerableMLP": "linears.1.tp.",
    "TensorSquare": "mixing.",
}
every_module = pytest.mark.parametrize("name", MODULES)


def build(name: str, dtype: torch.dtype = torch.float64) -> EquivariantModule:
    """The module in one dtype, with parameters that are all random."""
    torch.manual_seed(1)
    module = MODULES[name]().to(dtype)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


def inputs(
    module: torch.nn.Module, batch: int = 5, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    names = [n for n in ("irreps_in1", "irreps_in2") if hasattr(module, n)]
    names = names or [n for n in ("irreps_in", "irreps_attr") if hasattr(module, n)]
    generator = torch.Generator().manual_seed(2)
    drawn = (
        getattr(module, n).randn(batch, -1, dtype=torch.float64, generator=generator)
        for n in names
    )
    return [x.to(dtype).requires_grad_() for x in drawn]


def gradients(module: torch.nn.Module, y: Tensor, x: list[Tensor]) -> list[Tensor]:
    wanted = [*x, *module.parameters()]
    weights = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y)
    return list(torch.autograd.grad((y * weights).sum(), wanted))


def deviation(found: Tensor, expected: Tensor) -> float:
    """Relative to the largest number."""
    found, expected = found.detach().double(), expected.detach().double()
    return float((found - expected).abs().max() / expected.abs().max())


@every_module
def test_it_says_what_it_takes_and_gives(name: str) -> None:
    module = build(name)
    y = module(*inputs(module))
    assert y.shape == (5, module.irreps_out.dim)
    assert isinstance(module.irreps_in, o3.Irreps)
    assert type(module).__name__ in repr(module)
    assert str(module.irreps_in) in repr(module)


@every_module
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_dtypes(name: str, dtype: torch.dtype) -> None:
    """bfloat16 throughout; for mixed precision see the next test."""
    reference = build(name)
    module = copy.deepcopy(reference).to(dtype)
    x = inputs(module, dtype=dtype)
    y = module(*x)
    assert y.dtype == dtype
    assert deviation(y, reference(*inputs(reference))) < 20 * torch.finfo(dtype).eps
    assert all(g.dtype == dtype for g in gradients(module, y, x))


@every_module
def test_autocast(name: str) -> None:
    module = build(name, torch.float32)
    x = inputs(module, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        y = module(*x)
        again = [y.detach()] if module.irreps_out == module.irreps_in else []
        if again:  # what autocast gave goes in again
            assert module(*again).isfinite().all()
    assert deviation(y, module(*x)) < 0.05
    for g, p in zip(gradients(module, y, x), [*x, *module.parameters()], strict=True):
        assert g.dtype == p.dtype
        assert g.isfinite().all()


@every_module
def test_going_through_single_precision_leaves_constants_exact(name: str) -> None:
    module = build(name)
    through = copy.deepcopy(module).float().bfloat16().double()
    for key, buffer in module.named_buffers():
        assert torch.equal(through.get_buffer(key), buffer), key
    single = copy.deepcopy(module).float()
    for key, buffer in module.named_buffers():
        if buffer.is_floating_point():
            assert single.get_buffer(key).dtype == torch.float32
            assert torch.equal(single.get_buffer(key), buffer.float()), key


@every_module
def test_copies_compute_the_same(name: str) -> None:
    module = build(name)
    x = inputs(module)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    loaded = MODULES[name]().double()
    loaded.load_state_dict(torch.load(file, weights_only=True))
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), loaded):
        assert torch.equal(other(*x), module(*x))
        assert not any(
            a.data_ptr() == b.data_ptr()
            for a, b in zip(other.parameters(), module.parameters(), strict=True)
            if a.numel()
        )


@every_module
def test_checkpoints_hold_parameters_and_the_convention_alone(name: str) -> None:
    module = build(name)
    keys = set(module.state_dict()) - {key for key, _ in module.named_parameters()}
    assert {key.rpartition(".")[2] for key in keys} == (
        {"convention"} if name in TAGGED else set()
    )


@pytest.mark.parametrize("name", TAGGED)
def test_checkpoints_of_another_convention_are_refused(name: str) -> None:
    module = build(name)
    key = f"{TAGGED[name]}convention"
    state = module.state_dict()
    assert int(state[key]) == o3.CONVENTION
    wrong = state | {key: torch.tensor(o3.CONVENTION + 1)}
    for strict in (True, False):
        with pytest.raises(
            ValueError, match=f"convention {o3.CONVENTION + 1} at {key}"
        ):
            MODULES[name]().double().load_state_dict(wrong, strict=strict)
    del state[key]
    with pytest.raises(RuntimeError, match=f'Missing key.*"{key}"'):
        MODULES[name]().double().load_state_dict(state)


@every_module
def test_the_meta_device(name: str) -> None:
    module = build(name)
    x, expected = inputs(module), module(*inputs(module))
    with torch.device("meta"):
        empty = MODULES[name]().double()
    assert all(buffer.is_meta for buffer in empty.buffers())
    assert empty(*(each.to("meta") for each in x)).shape == expected.shape
    filled = copy.deepcopy(empty).to_empty(device="cpu")
    filled.load_state_dict(module.state_dict())
    assert torch.equal(filled(*x), expected)
    empty.load_state_dict(module.state_dict(), assign=True)
    assert torch.equal(empty(*x), expected)


@every_module
def test_resetting_draws_every_parameter_anew(name: str) -> None:
    module = MODULES[name]()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(float("nan"))
    torch.manual_seed(3)
    module.reset_parameters()
    assert all(parameter.isfinite().all() for parameter in module.parameters())


@every_module
def test_an_empty_batch_and_many_batch_dimensions(name: str) -> None:
    module = build(name)
    x = inputs(module, batch=0)
    y = module(*x)
    assert y.shape == (0, module.irreps_out.dim)
    assert all(g.eq(0).all() for g in gradients(module, y, x))
    if name != "EquivariantInstanceNorm":
        x = inputs(module, batch=6)
        folded = module(*(each.view(2, 3, -1) for each in x))
        torch.testing.assert_close(folded.view(6, -1), module(*x))
        torch.testing.assert_close(module(*(each[0] for each in x)), module(*x)[0])


@every_module
def test_what_cannot_be_features_is_refused(name: str) -> None:
    module = build(name, torch.float32)
    x = [each.detach() for each in inputs(module, dtype=torch.float32)]
    for k, good in enumerate(x):
        for bad, error, said in [
            (torch.zeros(5, good.shape[1] + 1), ValueError, "expected"),
            (torch.zeros(()), ValueError, r"shape \(\)"),
            (good.long(), TypeError, r"torch.int64; convert it with .float\(\)"),
        ]:
            with pytest.raises(error, match=said):
                module(*(bad if j == k else each for j, each in enumerate(x)))
        if next(module.parameters(), None) is not None:
            with pytest.raises(TypeError, match=r"torch.float64, the module torch.fl"):
                module(*(y.double() if j == k else y for j, y in enumerate(x)))


COMPILED = [
    "Linear",
    "TensorProduct",
    "Elementwise",
    "SteerableMLP",
    "Gate",
    "GateInAnyOrder",
    "NormActivation",
    "EquivariantLayerNorm",
    "TensorSquare",
    "S2Activation",
]


@pytest.mark.parametrize("name", COMPILED)
def test_compiling_once_for_all_batch_sizes(name: str) -> None:
    module = build(name)
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    with torch._dynamo.config.patch(error_on_recompile=True):
        for batch in (25, 28, 23):
            x = inputs(module, batch)
            found, expected = compiled(*x), module(*x)
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(
                gradients(module, found, x), gradients(module, expected, x)
            )


def test_compiling_the_norm_of_a_known_number_of_graphs() -> None:
    module = build("EquivariantInstanceNorm")
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    (x,) = inputs(module, 7)
    batch = torch.arange(7) % 3
    torch.testing.assert_close(compiled(x, batch, 3), module(x, batch))


def test_compiling_to_machine_code() -> None:
    module = SteerableLinear("2x0e+2x1o", "0e+1o", "3x0e+2x1o")
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, dynamic=True)
    x = inputs(module, 6, torch.float32)
    found, expected = compiled(*x), module(*x)
    torch.testing.assert_close(found, expected)
    for a, b in zip(
        gradients(module, found, x), gradients(module, expected, x), strict=True
    ):
        assert deviation(a, b) < 1e-5


@pytest.mark.parametrize(
    "name", ["SteerableMLP", "TensorProduct", "Linear", "GateInAnyOrder"]
)
def test_export(name: str) -> None:
    module = build(name)
    x = tuple(each.detach() for each in inputs(module))
    batch = torch.export.Dim("batch")
    exported = torch.export.export(
        module, x, dynamic_shapes=tuple({0: batch} for _ in x)
    )
    more = inputs(module, 9)
    torch.testing.assert_close(exported.module()(*more), module(*more))


def test_constants_ignore_the_default_dtype_at_construction() -> None:
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        double = FullyConnectedTensorProduct(X, ATTR, Y)
    finally:
        torch.set_default_dtype(before)
    single = FullyConnectedTensorProduct(X, ATTR, Y).double()
    for key, buffer in double.named_buffers():
        assert torch.equal(single.get_buffer(key), buffer)


def test_weights_of_e3nn_say_how_to_come_in() -> None:
    module = Linear("2x0e+2x1o", "3x1o", bias=False)
    theirs = {"weight": module.weight, "output_mask": torch.ones(9)}
    with pytest.raises(RuntimeError, match=r"interop\.linear_from_e3nn"):
        module.load_state_dict(theirs)
    inside = {f"0.{name}": value for name, value in theirs.items()}
    with pytest.raises(RuntimeError, match=r"0\.output_mask is of e3nn"):
        torch.nn.Sequential(module).load_state_dict(inside)


def test_features_whose_copies_are_a_dimension_say_which_comes_first() -> None:
    irreps = o3.Irreps("4x1o")
    with pytest.raises(ValueError, match=r"as in e3nn: write .mT.flatten\(-2\)"):
        check_features(torch.zeros(5, 4, 3), irreps)
    with pytest.raises(ValueError, match="flatten its last two dimensions"):
        check_features(torch.zeros(5, 3, 4), irreps)
    with pytest.raises(ValueError, match=r"shape \(5, 4, 2\)$"):
        check_features(torch.zeros(5, 4, 2), irreps)


def test_a_tag_of_a_module_without_one_is_an_unexpected_key() -> None:
    module = MODULES["NormActivation"]()
    state = module.state_dict() | {"convention": torch.tensor(o3.CONVENTION + 1)}
    with pytest.raises(RuntimeError, match=r'Unexpected key.*"convention"'):
        module.load_state_dict(state)


def test_autocast_lets_other_dtypes_in() -> None:
    like = torch.zeros(1)
    x = torch.zeros(1, 3, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        check_features(x, o3.Irreps("1o"), like=like)
    with pytest.raises(TypeError, match=r"or use torch\.autocast"):
        check_features(x, o3.Irreps("1o"), like=like)
