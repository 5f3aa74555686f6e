"""MACE: the authors' numbers from the authors' weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.interop import mace_from_reference
from pyg_equivariant.interop._mace_couplings import projection
from pyg_equivariant.interop._placement import Placement
from pyg_equivariant.interop.mace import interaction_names
from pyg_equivariant.interop.mace_contraction import place_contraction
from pyg_equivariant.nn import MACE, SecondMomentActivation, SphericalHarmonics
from pyg_equivariant.nn.conv import MACEConv
from pyg_equivariant.o3 import Irreps

Check = Callable[[Tensor, Tensor], None]
SILU = SecondMomentActivation("silu", "e3nn")


def interaction(data: dict[str, Any], residual: bool) -> MACEConv:
    """The layer of a golden file; its product is not in there."""
    meta = data["meta"]
    channels = Irreps(meta["node_feats_irreps"])[0].mul
    conv = MACEConv(
        meta["node_feats_irreps"],
        meta["edge_attrs_irreps"],
        meta["hidden_irreps"] if residual else f"{channels}x0e",
        meta["num_radial"],
        meta["num_elements"],
        correlation=3 if residual else 1,
        radial_channels=tuple(meta["radial_MLP"]),
        residual=residual,
        irreps_message=meta["target_irreps"],
        avg_num_neighbors=meta["avg_num_neighbors"],
        act=SILU,
    )
    conv = conv.double()
    conv.product, conv.mix_out = torch.nn.Module(), torch.nn.Module()
    return conv


@pytest.mark.filterwarnings("ignore:SymmetricContraction|Linear")
@pytest.mark.parametrize("name", ["first", "residual", "parity"])
def test_golden_interaction(name: str, reference: Any, assert_equal: Check) -> None:
    state_dict, data = reference(f"mace_interaction_{name}")
    conv = interaction(data, name != "first")
    weights = Placement(state_dict, "an interaction block")
    conv = weights.finish(conv, interaction_names(conv, "", ""))
    x = data["input/x"].requires_grad_()
    pos = data["input/pos"].requires_grad_()
    edge_index, species = data["input/edge_index"], data["input/types"]
    harmonics = SphericalHarmonics(conv.irreps_sh).double()
    edge_sh = harmonics(pos[edge_index[0]] - pos[edge_index[1]])
    edge_feats = data["input/edge_feats"].requires_grad_()
    given = conv.irreps_in.from_mul_ir(x), edge_index, edge_sh, conv.radial(edge_feats)
    message, kept = conv.interact(*given, species)
    channels = conv.irreps_message[0].mul
    message = message.unflatten(1, (-1, channels)).mT
    assert_equal(message, data["output/message"])
    total = (message * data["input/cotangent"]).sum()
    if name != "first":
        kept = conv.irreps_out.to_mul_ir(kept)
        assert_equal(kept, data["output/sc"])
        total = total + (kept * data["input/cotangent_sc"]).sum()
    wanted = [x, edge_feats, pos]
    found = torch.autograd.grad(total, wanted, create_graph=True)
    for value, key in zip(found, ("x", "edge_feats", "pos"), strict=True):
        assert_equal(value, data[f"grad/{key}"])
    (second,) = torch.autograd.grad(found[2].square().sum(), pos)
    assert_equal(second, data["grad/second_pos"])


def test_golden_product(reference: Any, assert_equal: Check) -> None:
    state_dict, data = reference("mace_product")
    meta = data["meta"]
    conv = MACEConv(
        "4x0e",
        "0e+1o+2e",
        meta["target_irreps"],
        5,
        meta["num_elements"],
        meta["correlation"],
        radial_channels=(),
        irreps_message=meta["node_feats_irreps"],
    ).double()
    weights = Placement(state_dict, "a product block")
    place_contraction(weights, "symmetric_contractions.", conv.product)
    weights.place("linear.weight", conv.mix_out.weight)
    x = data["input/x"].requires_grad_()
    kept = conv.irreps_out.from_mul_ir(data["input/sc"])
    out = conv.multiply(x.mT.flatten(1), kept, data["input/element"])
    out = conv.irreps_out.to_mul_ir(out)
    assert_equal(out, data["output/out"])
    (grad,) = torch.autograd.grad((out * data["input/cotangent"]).sum(), x)
    assert_equal(grad, data["grad/x"])


def convert(
    state_dict: dict[str, Tensor], meta: dict[str, Any], **options: Any
) -> MACE:
    given = {name: meta[name] for name in ("hidden_irreps", "avg_num_neighbors")}
    given["atomic_numbers"] = meta["atomic_numbers"]
    return mace_from_reference(state_dict, **{**given, **options})


def test_golden_model(reference: Any, assert_equal: Check) -> None:
    state_dict, data = reference("mace_model")
    meta = data["meta"]
    before = {name: value.clone() for name, value in state_dict.items()}
    names = "max_ell", "correlation", "num_interactions", "interaction_first", "r_max"
    model = convert(state_dict, meta, **{name: meta[name] for name in names})
    assert all(torch.equal(value, before[name]) for name, value in state_dict.items())
    assert not model.training
    z, pos, batch = data["input/z"], data["input/pos"], data["input/batch"]
    pos.requires_grad_()
    for kind in ("", "_directed"):
        edge_index = data[f"input/edge_index{kind}"]
        energy = model(z, pos, batch, edge_index).squeeze(1)
        assert_equal(energy, data[f"output/energy{kind}"])
        (grad,) = torch.autograd.grad(energy.sum(), pos, create_graph=True)
        assert_equal(-grad, data[f"output/forces{kind}"])
        atomic = model.atomic_energies(z, model.graph(pos, batch, edge_index))
        assert_equal(atomic.squeeze(1), data[f"output/node_energy{kind}"])
    assert_equal(model(z, pos, batch).squeeze(1), data["output/energy"])
    energy = model(z, pos, batch, data["input/edge_index"])
    (grad,) = torch.autograd.grad(energy.sum(), pos, create_graph=True)
    assert_equal(grad, data["grad/pos"])
    (second,) = torch.autograd.grad(grad.square().sum(), pos)
    assert_equal(second, data["grad/second_pos"])


def test_gradients_of_weights_are_the_authors(
    reference: Any, assert_equal: Check
) -> None:
    """Where a weight is one of theirs: all but what the couplings share out."""
    state_dict, data = reference("mace_model")
    model = convert(state_dict, data["meta"])
    pos = data["input/pos"].requires_grad_()
    given = data["input/z"], pos, data["input/batch"], data["input/edge_index"]
    (forces,) = torch.autograd.grad(model(*given).sum(), pos, create_graph=True)
    for total, kind in ((model(*given).sum(), ""), (forces.square().sum(), "force_")):
        model.zero_grad()
        total.backward()
        for t, conv in enumerate(model.convs):
            for own, theirs in (
                (conv.mix_in, f"interactions.{t}.linear_up"),
                (conv.mix, f"interactions.{t}.linear"),
                (conv.mix_out, f"products.{t}.linear"),
            ):
                expected = data[f"grad/{kind}weight.{theirs}.weight"]
                assert_equal(own.weight.grad, expected)
            first = data[
                f"grad/{kind}weight.interactions.{t}.conv_tp_weights.layer0.weight"
            ]
            assert_equal(conv.radial.weights[0].grad, first)
            for o, (_, ir) in enumerate(conv.irreps_out):
                P = projection(conv.irreps_message, ir, 3)
                stem = f"products.{t}.symmetric_contractions.contractions.{o}"
                theirs = data[f"grad/{kind}weight.{stem}.weights_max"]
                where = [
                    p.i_out == o and p.correlation == 3 for p in conv.product.paths
                ]
                parts = conv.product.weight.grad.split(
                    [len(p.couplings) for p in conv.product.paths], dim=1
                )
                assert_equal(P.T @ parts[where.index(True)], theirs)


def test_intermediate_features(reference: Any, assert_equal: Check) -> None:
    state_dict, data = reference("mace_model")
    model = convert(state_dict, data["meta"])
    seen: list[Tensor] = []
    for conv in model.convs:
        conv.product.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    pos, batch = data["input/pos"], data["input/batch"]
    graph = model.graph(pos, batch, data["input/edge_index_directed"])
    features = model.represent(data["input/z"], graph)
    for t, arrived in enumerate(seen):
        found = arrived.unflatten(1, (-1, 3)).mT
        assert_equal(found, data[f"output/interaction_{t}"])
    assert_equal(features.x[:, 3:], data["output/product_1"])


def test_units_and_repulsion(reference: Any, assert_equal: Check) -> None:
    state_dict, data = reference("mace_model")
    meta = data["meta"]
    given = data["input/z"], data["input/pos"], data["input/batch"]
    model = convert(state_dict, meta)
    shift = meta["atomic_inter_shift"]
    energies = torch.tensor(meta["atomic_energies"], dtype=torch.float64)
    expected = energies + shift
    assert_equal(model.atomref[meta["atomic_numbers"]], expected)
    plain = {k: v for k, v in state_dict.items() if not k.startswith("scale_shift")}
    bare = convert(plain, meta)
    assert float(bare.scale) == 1
    zbl = torch.tensor([0.1818, 0.5099, 0.2802, 0.02817])
    more = {"pair_repulsion_fn.c": zbl, "pair_repulsion_fn.p": torch.tensor(5)}
    repelling = convert(state_dict | more, meta)
    near = given[1] / 3
    energy = repelling.zbl(given[0], *_pairs(repelling, near, given[2]))
    pooled = torch.zeros(2).double().index_add(0, given[2], energy)
    difference = repelling(given[0], near, given[2]) - model(given[0], near, given[2])
    assert_equal(difference.squeeze(1), meta["atomic_inter_scale"] * pooled)
    with pytest.raises(ValueError, match=r"fn\.c: pair repulsion with other constants"):
        convert(state_dict | {"pair_repulsion_fn.c": zbl + 0.1}, meta)


def _pairs(model: MACE, pos: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
    edges = model.edges.embed(model.graph(pos, batch))
    return edges.edge_index, edges.edge_length


@pytest.mark.parametrize(
    ("arguments", "published"),
    [
        ({}, 945_168),
        ({"residual_first": True}, 699_408),
        (
            {"irreps_hidden": "256x0e+256x1o+256x2e", "species": (1, 6, 8)}
            | {"residual_first": True},
            2_803_984,
        ),
    ],
)
def test_published_sizes_count_couplings_that_depend_on_others(
    arguments: dict[str, Any], published: int
) -> None:
    model = MACE(**arguments)
    redundant = 0
    for conv in model.convs:
        for path in conv.product.paths:
            _, ir = conv.irreps_out[path.i_out]
            P = projection(conv.irreps_message, ir, path.correlation)
            size = conv.num_species * conv.product.num_channels
            redundant += (P.shape[1] - P.shape[0]) * size
    found = sum(p.numel() for p in model.parameters())
    assert found + redundant == published


@pytest.fixture
def small() -> dict[str, Any]:
    """A model without golden files, and what converts it."""
    sizes = {"node_embedding.linear": (8,), "products.0.linear": (16,)}
    sizes |= {"interactions.0.linear_up": (16,), "interactions.0.linear": (32,)}
    sizes |= {"interactions.0.conv_tp_weights.layer0": (6, 8)}
    sizes |= {"interactions.0.skip_tp": (64,)}
    sizes |= {"readouts.0.linear_1": (64,), "readouts.0.linear_2": (16,)}
    state_dict = {f"{k}.weight": torch.randn(v).double() for k, v in sizes.items()}
    contraction = "products.0.symmetric_contractions.contractions.0.weights"
    state_dict[f"{contraction}_max"] = torch.randn(2, 2, 4).double()
    state_dict[f"{contraction}.0"] = torch.randn(2, 1, 4).double()
    roots = torch.arange(1, 7).double() * torch.pi / 5
    state_dict["radial_embedding.bessel_fn.bessel_weights"] = roots
    state_dict["radial_embedding.cutoff_fn.p"] = torch.tensor(5)
    state_dict["atomic_energies_fn.atomic_energies"] = torch.zeros(2)
    state_dict["r_max"] = torch.tensor(5.0)
    state_dict["atomic_numbers"] = torch.tensor([1, 8])
    return state_dict


GIVEN: dict[str, Any] = {"hidden_irreps": "4x0e", "avg_num_neighbors": 3.0}


def test_reads_atomic_numbers_and_ignores_constants(small: dict[str, Any]) -> None:
    small["interactions.0.conv_tp.weight"] = torch.zeros(0)
    small["interactions.0.linear.output_mask"] = torch.ones(4)
    small["interactions.0.conv_tp._compiled_main_left_right._w3j_0_1_1"] = torch.ones(1)
    model = mace_from_reference(small, **GIVEN)
    assert model.species.species == (1, 8)
    assert str(model) == "MACE(4x0e, lmax=1, correlation=2, num_layers=1, cutoff=5.0)"
    alone = model(torch.tensor([8]), torch.zeros(1, 3).double())
    assert not alone.any()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"r_max": 6.0}, r"got r_max=6\.0, .* has r_max=5\.0"),
        ({"max_ell": 3}, "got max_ell=3, .* has max_ell=1"),
        ({"correlation": 3}, "got correlation=3, .* has correlation=2"),
        ({"interaction_first": "RealAgnosticResidualInteractionBlock"}, "got interac"),
        ({"atomic_numbers": (1, 6)}, r"\(1, 6\), but .* \(1, 8\)"),
        ({"hidden_irreps": "3x0e"}, "got hidden_irreps=3x0e, .* has 4 channels"),
    ],
)
def test_other_hyper_parameters_are_named(
    options: dict[str, Any], match: str, small: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=match):
        mace_from_reference(small, **(GIVEN | options))


def test_several_heads_and_missing_parts_are_named(small: dict[str, Any]) -> None:
    heads = {"scale_shift.scale": torch.ones(2)}
    with pytest.raises(ValueError, match="several heads"):
        mace_from_reference(small | heads, **GIVEN)
    energies = {"atomic_energies_fn.atomic_energies": torch.zeros(3, 2)}
    with pytest.raises(ValueError, match="several heads"):
        mace_from_reference(small | energies, **GIVEN)
    for name in (
        "r_max",
        "atomic_numbers",
        "radial_embedding.bessel_fn.bessel_weights",
    ):
        less = copy.copy(small)
        less.pop(name)
        with pytest.raises(ValueError, match=name.rpartition(".")[2]):
            mace_from_reference(less, **GIVEN)
