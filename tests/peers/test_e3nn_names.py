"""What has e3nn's name gives e3nn's numbers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from pyg_equivariant import nn as ours
from pyg_equivariant import o3
from pyg_equivariant.o3 import Irreps
from pyg_equivariant.testing import random_irreps

e3nn = pytest.importorskip("e3nn")
e3nn_o3 = pytest.importorskip("e3nn.o3")
e3nn_nn = pytest.importorskip("e3nn.nn")
DOUBLE = {"dtype": torch.float64}


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    """Its constants follow torch's default dtype."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(dtype)


def some_irreps(generator: torch.Generator, **limits: int) -> Irreps:
    """Without empty blocks, which e3nn's modules stumble over."""
    irreps = random_irreps(generator, **limits).remove_zero_multiplicities()
    return irreps if len(irreps) else Irreps("2x0e+1x1o")


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("form", ["angles", "quaternion", "axis_angle"])
def test_compositions(form: str, generator: torch.Generator) -> None:
    draw = {"angles": o3.rand_angles, "axis_angle": o3.rand_axis_angle}.get(form)
    pairs = [
        draw(20, generator=generator, **DOUBLE)
        if draw
        else (o3.rand_quaternion(20, generator=generator, **DOUBLE),)
        for _ in range(2)
    ]
    name = f"compose_{form}"
    found = getattr(o3, name)(*pairs[0], *pairs[1])
    expected = getattr(e3nn_o3, name)(*pairs[0], *pairs[1])
    as_matrix = getattr(o3, f"{form}_to_matrix")
    single = form == "quaternion"
    close(*(as_matrix(*((x,) if single else x)) for x in (found, expected)))


def test_points_on_the_sphere(generator: torch.Generator) -> None:
    alpha, beta, _ = o3.rand_angles(30, generator=generator, **DOUBLE)
    xyz = o3.angles_to_xyz(alpha, beta)
    close(xyz, e3nn_o3.angles_to_xyz(alpha, beta))
    xyz = torch.cat([xyz, torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])])
    for found, expected in zip(
        o3.xyz_to_angles(xyz), e3nn_o3.xyz_to_angles(xyz), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)  # acos loses


@pytest.mark.parametrize("seed", range(20))
def test_representations_up_to_the_layout(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps = some_irreps(generator)
    R = o3.rand_matrix(3, improper=seed % 2 == 1, generator=generator, **DOUBLE)
    theirs = e3nn_o3.Irreps(str(irreps)).D_from_matrix(R)
    order = irreps.from_mul_ir(torch.arange(irreps.dim))
    close(irreps.D_from_matrix(R), theirs[:, order][:, :, order])


@pytest.mark.parametrize("seed", range(20))
def test_slices_of_copies(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps = some_irreps(generator)
    theirs = e3nn_o3.Irreps(str(irreps))
    for start in range(0, irreps.num_irreps, 2):
        for stop in (start, start + 3, irreps.num_irreps):
            found = irreps.slice_by_mul[start:stop]
            expected = theirs.slice_by_mul[start:stop]
            assert found == Irreps(str(expected)).remove_zero_multiplicities()


def test_its_objects_are_irreps() -> None:
    theirs = e3nn_o3.Irreps("2x0e+3x1o")
    assert Irreps(theirs) == Irreps("2x0e+3x1o")
    assert Irreps(theirs[1]) == Irreps("3x1o")
    assert Irreps(theirs[1].ir) == Irreps("1o")
    assert Irreps([theirs[1].ir, theirs[0]]) == Irreps("1o+2x0e")
    assert o3.Irrep(theirs[1].ir) == o3.Irrep("1o")
    assert ours.Linear(theirs, theirs).irreps_in == Irreps("2x0e+3x1o")


@pytest.mark.parametrize("seed", range(20))
def test_modules(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps = some_irreps(generator, max_mul=4)
    text, x = str(irreps), irreps.randn(6, -1, generator=generator, **DOUBLE)
    given = irreps.to_mul_ir(x)
    close(ours.Norm(irreps)(x), e3nn_o3.Norm(text)(given))
    close(ours.Norm(irreps, True)(x), e3nn_o3.Norm(text, squared=True)(given))
    last = len(irreps) - 1
    mine = ours.Extract(irreps, [irreps[-1:]], [(last,)])(x)[0]
    theirs = e3nn_nn.Extract(text, [str(irreps[-1:])], [(last,)])(given)[0]
    close(irreps[-1:].to_mul_ir(mine), theirs)


@pytest.mark.parametrize("seed", range(20))
def test_batch_norm(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps = some_irreps(generator)
    theirs = e3nn_nn.BatchNorm(e3nn_o3.Irreps(str(irreps)), eps=1e-3, momentum=0.2)
    mine = ours.EquivariantBatchNorm(irreps, eps=1e-3, momentum=0.2).double()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter)
    mine.load_state_dict(theirs.state_dict())
    for training in (True, True, False):
        x = irreps.randn(9, -1, generator=generator, **DOUBLE)
        found = mine.train(training)(x)
        expected = theirs.train(training)(irreps.to_mul_ir(x))
        close(irreps.to_mul_ir(found), expected)


@pytest.mark.parametrize("seed", range(20))
def test_full_tensor_product(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps = [some_irreps(generator, max_blocks=3, max_mul=3) for _ in range(2)]
    normalization = ("component", "norm", "none")[seed % 3]
    mine = ours.FullTensorProduct(*irreps, irrep_normalization=normalization).double()
    theirs = e3nn_o3.FullTensorProduct(
        *map(str, irreps), irrep_normalization=normalization
    )
    assert mine.irreps_out == Irreps(theirs.irreps_out)
    x, y = (
        each.randn(4, -1, generator=generator, **DOUBLE)
        for each in (mine.irreps_in1, mine.irreps_in2)
    )
    expected = theirs(mine.irreps_in1.to_mul_ir(x), mine.irreps_in2.to_mul_ir(y))
    close(mine.irreps_out.to_mul_ir(mine(x, y)), expected)


@pytest.mark.parametrize("cutoff", [False, True])
@pytest.mark.parametrize(
    "basis", ["gaussian", "cosine", "smooth_finite", "fourier", "bessel"]
)
def test_soft_one_hot(basis: str, cutoff: bool) -> None:
    x = torch.linspace(-1.0, 3.0, 40)
    given = -0.7, 2.5, 6, basis, cutoff
    expected = e3nn.math.soft_one_hot_linspace(x, *given)
    # e3nn's factor exp(2) is a tensor of float32 in some versions
    torch.testing.assert_close(
        ours.soft_one_hot_linspace(x, *given), expected, rtol=1e-7, atol=1e-10
    )


@pytest.mark.parametrize(
    ("formula", "irreps", "limits"),
    [
        ("ij=ji", {"i": "2x1o+1x0e+1x1e"}, {}),
        ("ij=-ji", {"i": "2x1o+2x0e"}, {}),
        ("ijk=jki", {"i": "1x1o+1x0o"}, {}),
        ("ijk=jik", {"i": "1x1o+1x0e", "k": "2x1e+1x2o"}, {}),
        ("ijk=jik=ikj", {"i": "1x0e+2x1o"}, {"filter_ir_out": ["0e", "1o"]}),
        ("ijk", {"i": "1o", "j": "1o", "k": "1o"}, {"filter_ir_mid": ["0e", "1o"]}),
        ("ijk=jik", {"i": "1o+0e", "k": "1o"}, {"filter_ir_mid": ["0e", "1o", "1e"]}),
        ("ijkl=jikl=klij", {"i": "1e"}, {}),
    ],
)
def test_reduced_tensor_products(
    formula: str, irreps: dict[str, str], limits: dict[str, list[str]]
) -> None:
    mine = ours.ReducedTensorProducts(formula, **limits, **irreps).double()
    theirs = e3nn_o3.ReducedTensorProducts(formula, **limits, **irreps)
    assert mine.irreps_out == Irreps(theirs.irreps_out)
    expected = theirs.change_of_basis
    for axis, each in enumerate((mine.irreps_out, *mine.irreps_in)):
        order = each.from_mul_ir(torch.arange(each.dim))
        expected = expected.index_select(axis, order)
    close(mine.change_of_basis, expected)
    xs = [each.randn(4, -1, **DOUBLE) for each in mine.irreps_in]
    given = [each.to_mul_ir(x) for each, x in zip(mine.irreps_in, xs, strict=True)]
    close(mine.irreps_out.to_mul_ir(mine(*xs)), theirs(*given))


@pytest.mark.parametrize("seed", range(20))
def test_tensor_square(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps = some_irreps(generator, max_blocks=3, max_mul=3, lmax=3)
    normalization = {"irrep_normalization": ("component", "norm", "none")[seed % 3]}
    mine = ours.TensorSquare(irreps, **normalization).double()
    theirs = e3nn_o3.TensorSquare(str(irreps), **normalization)
    assert mine.irreps_out == Irreps(theirs.irreps_out)
    x = irreps.randn(4, -1, generator=generator, **DOUBLE)
    expected = theirs(mine.irreps_in.to_mul_ir(x))
    close(mine.irreps_out.to_mul_ir(mine(x)), expected)
    wanted = Irreps("2x0e+1x2e+3x0e+1x1o+2x1e")
    present = {ir for _, ir in theirs.irreps_out}
    wanted = wanted.filter(lambda block: str(block.ir) in map(str, present))
    mine = ours.TensorSquare(irreps, wanted, **normalization).double()
    theirs = e3nn_o3.TensorSquare(str(irreps), str(wanted), **normalization)
    mine.mixing.weight.data.copy_(theirs.weight)
    expected = theirs(mine.irreps_in.to_mul_ir(x))
    close(mine.irreps_out.to_mul_ir(mine(x)), expected)


@pytest.mark.parametrize("normalization", ["component", "norm", "integral"])
@pytest.mark.parametrize("res", [None, 12, (10, 9), (14, 20)])
def test_signals_on_the_sphere(
    res: int | tuple[int, int] | None, normalization: str
) -> None:
    mine = ours.ToS2Grid(4, res, normalization).double()
    theirs = e3nn_o3.ToS2Grid(4, res, normalization)
    x = torch.randn(3, 25)
    close(mine.grid, theirs.grid)
    close(mine(x), theirs(x))
    mine = ours.FromS2Grid(res, 4, normalization, lmax_in=6).double()
    theirs = e3nn_o3.FromS2Grid(res, 4, normalization, lmax_in=6)
    values = torch.randn(3, mine.res_beta, mine.res_alpha)
    close(mine(values), theirs(values))


@pytest.mark.parametrize("lmax_out", [None, 1, 4])
@pytest.mark.parametrize(
    ("p_val", "p_arg", "act"),
    [(1, -1, "silu"), (1, 1, "tanh"), (-1, -1, "tanh"), (-1, 1, "tanh")],
)
def test_s2_activation(p_val: int, p_arg: int, act: str, lmax_out: int | None) -> None:
    irreps = Irreps([(1, (l, p_val * p_arg**l)) for l in range(4)])
    function = {"silu": torch.nn.functional.silu, "tanh": torch.tanh}[act]
    for normalization in ("component", "norm"):
        given = 12, normalization, lmax_out
        theirs = e3nn_nn.S2Activation(str(irreps), function, *given)
        mine = ours.S2Activation(irreps, act, *given, e3nn_constants=True).double()
        assert mine.irreps_out == Irreps(theirs.irreps_out)
        x = torch.randn(5, 16)
        close(mine(x), theirs(x))


@pytest.mark.parametrize(("lmax_in", "lmax_out"), [(1, 1), (2, 1), (1, 2)])
def test_signals_on_rotations(lmax_in: int, lmax_out: int) -> None:
    grid, their_grid = ours.SO3Grid(lmax_in, 3).double(), e3nn_o3.SO3Grid(lmax_in, 3)
    x = torch.randn(2, grid.irreps.dim)
    given = grid.irreps.to_mul_ir(x)
    close(grid.to_grid(x), their_grid.to_grid(given))
    values = torch.randn(2, 12, 6, 12)
    found = grid.irreps.to_mul_ir(grid.from_grid(values))
    close(found, their_grid.from_grid(values))
    theirs = e3nn_nn.SO3Activation(lmax_in, lmax_out, torch.tanh, 3)
    mine = ours.SO3Activation(lmax_in, lmax_out, "tanh", 3, e3nn_constants=True)
    mine = mine.double()
    close(mine.irreps_out.to_mul_ir(mine(x)), theirs(given))


@pytest.mark.parametrize("l", range(8))
def test_generators(l: int) -> None:
    close(o3.so3_generators(l), e3nn_o3.so3_generators(l))


def test_spherical_tensors() -> None:
    io = pytest.importorskip("e3nn.io")
    for parities in ((1, -1), (1, 1)):
        mine, theirs = (
            each(4, *parities) for each in (o3.SphericalTensor, io.SphericalTensor)
        )
        assert mine.irreps == Irreps(theirs)
        x, r = torch.randn(2, 25), torch.randn(7, 3)
        close(mine.signal_xyz(x, r), theirs.signal_xyz(x, r))
        values = torch.randn(7)
        close(mine.sum_of_diracs(r, values), theirs.sum_of_diracs(r, values))
        close(mine.with_peaks_at(r), theirs.with_peaks_at(r))
        close(mine.with_peaks_at(r, values), theirs.with_peaks_at(r, values))


def test_small_names() -> None:
    x = torch.linspace(-2, 5, 50)
    close(ours.soft_unit_step(x), e3nn.math.soft_unit_step(x))
    irreps = Irreps("2x1o+1x0e+1x1o")
    x = irreps.randn(3, -1)
    mine, theirs = ours.ExtractIr(irreps, "1o"), e3nn_nn.ExtractIr(str(irreps), "1o")
    assert mine.irreps_out == Irreps(theirs.irreps_out)
    close(mine.irreps_out.to_mul_ir(mine(x)), theirs(irreps.to_mul_ir(x)))
    R = o3.rand_matrix(4, **DOUBLE)
    for ir in ("0o", "1o", "2e", "3e"):
        close(o3.Irrep(ir).D_from_matrix(R), e3nn_o3.Irrep(ir).D_from_matrix(R))


def test_the_norm_activation_of_the_guide() -> None:
    irreps = Irreps("3x0e+2x1o+1x0o")
    x = irreps.randn(5, -1)
    options = {"bias": False, "scalars": True, "eps": 0.0}
    mine = ours.NormActivation(irreps, "tanh", **options)
    theirs = e3nn_nn.NormActivation(e3nn_o3.Irreps(str(irreps)), torch.tanh)
    close(irreps.to_mul_ir(mine(x)), theirs(irreps.to_mul_ir(x)))
