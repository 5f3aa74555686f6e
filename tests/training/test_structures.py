"""Tables of structures: chosen from, joined, and checked."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.training.structures import Structures, join

Z, SIZES = torch.tensor([8, 1, 1, 6, 8]), torch.tensor([3, 2])


def make(**more: object) -> Structures:
    labels = {"energy": torch.tensor([1.0, 2.0]), "forces": torch.arange(15.0)}
    labels["forces"] = labels["forces"].view(5, 3)
    return Structures(Z, torch.rand(5, 3), SIZES, labels)._replace(**more)


def test_labels_of_structures_and_of_atoms_are_selected() -> None:
    whole = make(extra={"charge": torch.arange(5.0)}, cell=torch.rand(2, 3, 3))
    one = whole.select(torch.tensor([1]))
    assert one.labels["energy"].tolist() == [2.0]
    assert one.labels["forces"].tolist() == [[9.0, 10.0, 11.0], [12.0, 13.0, 14.0]]
    assert one.extra["charge"].tolist() == [3.0, 4.0]
    assert torch.equal(one.cell, whole.cell[1:])
    assert one.batch().tolist() == [0, 0]


def test_what_a_part_lacks_is_nan() -> None:
    crystal = make(cell=torch.eye(3).repeat(2, 1, 1), labels={})
    crystal = crystal._replace(labels={"stress": torch.ones(2, 3, 3)})
    both = join([make(), crystal])
    assert both.check().labels.keys() == {"energy", "forces", "stress"}
    assert both.labels["energy"].isnan().tolist() == [False, False, True, True]
    assert both.labels["forces"].isnan().any(1).tolist() == [False] * 5 + [True] * 5
    assert both.labels["stress"].isnan()[:, 0, 0].tolist() == [True, True, False, False]
    assert not both.cell[:2].any()
    assert torch.equal(join([make()]).z, Z)


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"different inputs: \[\['charge'\], \[\]\]"):
        join([make(extra={"charge": torch.zeros(5)}), make()])
    other = make(labels={"energy": torch.zeros(2, 2)})
    with pytest.raises(ValueError, match=r"'energy' have different shapes"):
        join([make(), other])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pos": torch.zeros(4, 3)}, r"expected pos of shape \(5, 3\) .* got \(4, 3\)"),
        ({"cell": torch.eye(3)}, r"expected cell of shape \(2, 3, 3\)"),
        ({"sizes": torch.tensor([3, 3])}, "sizes add up to 6 atoms, but z has 5"),
        ({"sizes": torch.tensor([5, 0])}, "a structure without atoms"),
        ({"labels": {"q": torch.zeros(3)}}, r"'q' with a row for each of 2 structures"),
        ({"extra": {"q": torch.zeros(2)}}, r"'q' with a row for each"),
        ({"pos": torch.full((5, 3), torch.nan)}, "positions that are not finite"),
    ],
)
def test_what_does_not_fit_is_named(change: dict, message: str) -> None:
    make().check()
    with pytest.raises(ValueError, match=message):
        make(**change).check()
