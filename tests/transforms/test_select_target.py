from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.datasets import QM9

from pyg_equivariant.transforms import SelectTarget
from pyg_equivariant.transforms.select_target import QM9_TARGETS


def molecule(size: int, generator: torch.Generator) -> Data:
    return Data(
        z=torch.randint(1, 9, (size,), generator=generator),
        pos=torch.randn(size, 3, generator=generator),
        y=torch.randn(1, 19, generator=generator),
    )


def test_names_are_the_columns_of_qm9(generator: torch.Generator) -> None:
    data = molecule(3, generator)
    assert len(QM9_TARGETS) == data.y.size(1)
    for column, name in enumerate(QM9_TARGETS):
        by_name, by_number = SelectTarget(name)(data).y, SelectTarget(column)(data).y
        assert torch.equal(by_name, data.y[:, column])
        assert torch.equal(by_name, by_number)
    # As documented by PyG
    assert [QM9_TARGETS.index(name) for name in ("gap", "U0", "U0_atom", "A")] == [
        4,
        7,
        12,
        16,
    ]


def test_several_targets_keep_a_column_each(generator: torch.Generator) -> None:
    graphs = [molecule(size, generator) for size in (3, 1)]
    transform = SelectTarget(["lumo", 0])
    singly = Batch.from_data_list([transform(data) for data in graphs])
    together = transform(Batch.from_data_list(graphs))
    assert torch.equal(singly.y, together.y)
    assert torch.equal(singly.y[0], graphs[0].y[0, [3, 0]])
    assert SelectTarget("mu")(Batch.from_data_list(graphs)).y.shape == (2,)


def test_references_of_the_atoms_are_taken_off(generator: torch.Generator) -> None:
    atomref = torch.randn(10, 1, generator=generator)
    graphs = [molecule(size, generator) for size in (3, 1, 6)]
    transform = SelectTarget("U0", atomref=atomref)
    for data in graphs:
        expected = data.y[0, 7] - sum(float(atomref[z]) for z in data.z)
        torch.testing.assert_close(transform(data).y, expected.view(1))
    batch = transform(Batch.from_data_list(graphs))
    assert torch.equal(batch.y, torch.cat([transform(data).y for data in graphs]))
    both = SelectTarget(["U0", "U"], atomref=torch.cat([atomref, 2 * atomref], 1))
    y = both(graphs[2]).y
    shift = float(atomref[graphs[2].z].sum())
    torch.testing.assert_close(y, graphs[2].y[:, [7, 8]] - shift * torch.tensor([1, 2]))
    alike = SelectTarget(["U0", "U"], atomref)(graphs[2]).y
    torch.testing.assert_close(alike, graphs[2].y[:, [7, 8]] - shift)


def test_total_energies_lose_nothing_more() -> None:
    z = torch.tensor([8, 1, 1])
    exact = torch.tensor([[-2079.123456789012]], dtype=torch.float64)
    atomref = torch.zeros(9, dtype=torch.float64)
    atomref[8], atomref[1] = -2042.611236, -13.613121
    expected = exact[0] - atomref[z].sum()
    out = SelectTarget(0, atomref, names=["E"])(Data(z=z, y=exact))
    assert torch.equal(out.y, expected)
    out = SelectTarget(0, atomref)(Data(z=z, y=exact.float()))
    rounded = exact.float().double()[0] - atomref[z].sum()
    assert torch.equal(out.y, rounded.float())


def test_references_of_pyg_give_its_atomisation_energies(shared: Path) -> None:
    # The columns 12 to 15 of PyG's set are 7 to 10 without these references.
    import numpy as np

    archive = np.load(shared / "data" / "qm9" / "qm9.npz")
    names = list(archive["names"])
    ends = archive["N"].astype(int).cumsum()
    energy = archive["properties"][:50, names.index("U0")] * 27.211386246
    atomref = QM9.atomref(QM9.__new__(QM9), 7)
    for k in range(1, 50):
        z = torch.from_numpy(archive["Z"][ends[k - 1] : ends[k]]).long()
        data = Data(z=z, y=torch.tensor([[energy[k]]]))
        y = SelectTarget("U0", atomref, names=["U0"])(data).y
        # No molecule is unbound, none holds more than 6 eV per atom
        assert -6 * len(z) < float(y) < -1.5 * len(z)


def test_repr_and_bad_input(generator: torch.Generator) -> None:
    assert str(SelectTarget("gap")) == "SelectTarget('gap')"
    atomref = torch.zeros(10)
    assert str(SelectTarget(7, atomref)) == "SelectTarget(7, atomref=...)"
    data = molecule(3, generator)
    with pytest.raises(ValueError, match="unknown target 'gas', expected one of"):
        SelectTarget("gas")
    for target in (-1, 1.0, True):
        with pytest.raises(ValueError, match=rf"a target is a name or .* got {target}"):
            SelectTarget(target)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"asks for column 19 of `y`, which has 19"):
        SelectTarget(19)(data)
    with pytest.raises(ValueError, match=r"needs `y` of shape .* got NoneType"):
        SelectTarget(0)(Data(z=data.z))
    with pytest.raises(ValueError, match=r"needs `y` of shape .* got \(19,\)"):
        SelectTarget(0)(Data(z=data.z, y=data.y[0]))
    with pytest.raises(ValueError, match="needs the atomic numbers `z`"):
        SelectTarget(0, atomref)(Data(y=data.y, num_nodes=1))
    for z in (10, 17):
        with pytest.raises(ValueError, match=f"up to atomic number 9, got z={z}"):
            SelectTarget(0, atomref)(Data(y=data.y, z=torch.tensor([z])))
    with pytest.raises(ValueError, match="atomref must have one column, or one for"):
        SelectTarget(["mu", "gap"], torch.zeros(10, 3))
