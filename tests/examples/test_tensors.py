"""The example of tensors, in some seconds."""

from __future__ import annotations

import re
import sys

import pytest
import tensors
import torch

from pyg_equivariant.o3 import rand_matrix


def test_the_target_is_a_tensor_of_the_molecule() -> None:
    (data,) = tensors.molecules(1, torch.Generator().manual_seed(0))
    y = tensors.bond_polarizability(data.z, data.pos)
    R = rand_matrix(improper=True)
    found = tensors.bond_polarizability(data.z, data.pos @ R.T + 2.0)
    torch.testing.assert_close(found, R @ y @ R.T, rtol=1e-4, atol=1e-5)
    assert (y - y.trace() / 3 * torch.eye(3)).norm() > 0.1


@pytest.mark.parametrize(("network", "irreps"), [("painn", "ij=ji"), ("egnn", "1x2e")])
def test_it_learns_and_turns(
    capsys, monkeypatch: pytest.MonkeyPatch, network: str, irreps: str
) -> None:
    flags = f"--num-train 100 --epochs 4 --network {network} --irreps-out {irreps}"
    monkeypatch.setattr(sys, "argv", ["tensors.py", *flags.split()])
    tensors.main()
    out = capsys.readouterr().out
    error, guess = re.findall(r"test error (\S+), of the mean tensor (\S+)", out)[0]
    assert float(error) < 0.7 * float(guess)
    changes = re.findall(r"(?:rotation|reflection): error (\S+)", out)
    assert len(changes) == 2
    assert all(float(change) < 1e-4 for change in changes)
