from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.nn.models.spherenet import SphereNet
from pyg_equivariant.testing import difficult_graphs

SMALL: dict[str, Any] = {"hidden_channels": 8, "out_channels": 6, "num_layers": 2}


def test_mirror_images_differ_in_the_smooth_form_too(
    generator: torch.Generator,
) -> None:
    data = difficult_graphs(generator=generator)["two_molecules"]
    for smooth in (True, False):
        model = SphereNet(**SMALL, smooth=smooth).double()
        assert model.is_smooth == smooth
        energy, mirrored = (model(data.z, p, data.batch) for p in (data.pos, -data.pos))
        assert ((energy - mirrored).abs() > 1e-9).all()


def test_an_atom_turns_past_another_without_a_jump_if_smooth() -> None:
    """Where that becomes the first neighbor of another one."""
    z = torch.tensor([6, 1, 8, 9, 7])

    def energy(model: SphereNet, turn: float) -> Tensor:
        angle = torch.tensor(turn, dtype=torch.float64)
        last = torch.stack([0.3 + 0 * angle, angle.cos(), angle.sin()])
        others = [[0.0, 0, 0], [1, 0, 0], [-0.2, 1, 0], [-0.1, -0.7, 0.8]]
        fixed = torch.tensor(others, dtype=torch.float64)
        return model(z, torch.cat([fixed, last.unsqueeze(0)])).detach()

    steps = torch.linspace(-0.3, 0.3, 61).tolist()
    jumps = {}
    for smooth in (True, False):
        model = SphereNet(**SMALL, smooth=smooth).double()
        found = torch.cat([energy(model, turn) for turn in steps]).squeeze(-1)
        change = found.diff().abs()
        jumps[smooth] = float(change.max() / change.median())
    assert jumps[True] < 6
    assert jumps[False] > 30


def test_an_atom_is_felt_over_one_edge_more_than_there_are_layers() -> None:
    model = SphereNet(**SMALL, cutoff=1.5).double()
    assert model.num_hops == 3
    pos = torch.zeros(6, 3, dtype=torch.float64)
    pos[:, 0] = torch.arange(6)
    pos[:, 1] = torch.rand(6)
    pos[:, 2] = torch.rand(6)
    pos.requires_grad_()
    node = SphereNet(**SMALL, cutoff=1.5, head="node").double()
    out = node(torch.ones(6, dtype=torch.long), pos)
    (gradient,) = torch.autograd.grad(out[0].sum(), pos)
    felt = gradient.abs().amax(dim=1) > 0
    assert felt.tolist() == [True] * 4 + [False] * 2
