"""Functions on the sphere."""

from __future__ import annotations

import pickle

import pytest
import torch

from pyg_equivariant.o3 import SphericalTensor, rand_matrix, rotate

DOUBLE = {"dtype": torch.float64}


@pytest.mark.parametrize("p_val", [1, -1])
@pytest.mark.parametrize("p_arg", [1, -1])
def test_a_turned_signal(p_val: int, p_arg: int) -> None:
    tensor = SphericalTensor(4, p_val, p_arg)
    assert pickle.loads(pickle.dumps(tensor)) == tensor
    x = tensor.irreps.randn(2, -1, **DOUBLE)
    r, R = torch.randn(7, 3, **DOUBLE), rand_matrix(**DOUBLE)
    values = tensor.signal_xyz(x, r)
    assert values.shape == (2, 7)
    turned = rotate(tensor.irreps, x, R)
    torch.testing.assert_close(tensor.signal_xyz(turned, r @ R.T), values)
    inverted = rotate(tensor.irreps, x, -torch.eye(3, **DOUBLE))
    found = p_val * tensor.signal_xyz(inverted, p_arg * r)
    torch.testing.assert_close(found, values)


def test_peaks_have_their_values() -> None:
    tensor = SphericalTensor(5)
    vectors = torch.randn(6, 3, **DOUBLE)
    x = tensor.with_peaks_at(vectors)
    torch.testing.assert_close(tensor.signal_xyz(x, vectors), vectors.norm(dim=-1))
    values = torch.tensor([1.0, -2.0, 0.0, 1.0, 0.5, 3.0], **DOUBLE)
    x = tensor.with_peaks_at(vectors, values)
    kept = values != 0
    torch.testing.assert_close(tensor.signal_xyz(x, vectors[kept]), values[kept])
    assert not tensor.with_peaks_at(vectors[:0]).any()
    with pytest.raises(ValueError, match="take a larger lmax"):
        SphericalTensor(1).with_peaks_at(vectors)
    with pytest.raises(ValueError, match="lengths are even"):
        SphericalTensor(5, p_val=-1).with_peaks_at(vectors)


def test_diracs_peak_where_they_are() -> None:
    tensor = SphericalTensor(9)
    position = torch.tensor([[0.0, 0.6, 0.8]], **DOUBLE)
    x = tensor.sum_of_diracs(position, torch.tensor([2.0], **DOUBLE))
    torch.testing.assert_close(tensor.signal_xyz(x, position)[0].item(), 2.0)
    others = torch.nn.functional.normalize(torch.randn(200, 3, **DOUBLE), dim=-1)
    assert (tensor.signal_xyz(x, others) < 2.0 + 1e-12).all()
    many = tensor.sum_of_diracs(torch.randn(1, 3, 2, 3), torch.randn(2, 1, 1))
    assert many.shape == (2, 3, 100)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="p_val is 1 or -1, got 0"):
        SphericalTensor(2, 0)
    with pytest.raises(ValueError, match="degree"):
        SphericalTensor(-1)
    with pytest.raises(ValueError, match=r"\(N, 3\)"):
        SphericalTensor(1).with_peaks_at(torch.zeros(3))
