"""Energies of the elements and scales come from the training set alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

pytest.importorskip("lightning")
references = pytest.importorskip("pyg_equivariant.training.references")
structures = pytest.importorskip("pyg_equivariant.training.structures")

SIZES = torch.tensor([2, 3, 4, 3])
Z = torch.tensor([1, 1, 1, 6, 8, 6, 6, 1, 8, 8, 6, 1])
VALUES = {1: -13.5, 6: -1029.0, 8: -2042.0}


def table(y: Tensor, **labels: Tensor) -> structures.Structures:
    """The first structures, as many as there are values."""
    sizes = SIZES[: len(y)]
    z = Z[: int(sizes.sum())]
    return structures.Structures(
        z, torch.zeros(len(z), 3), sizes, {"energy": y, **labels}
    )


def sums() -> Tensor:
    each = torch.tensor([VALUES[int(z)] for z in Z], dtype=torch.float64)
    return torch.stack([part.sum() for part in each.split(SIZES.tolist())])


def clusters(count: int, generator: torch.Generator) -> structures.Structures:
    """Sums of the energies of the elements, of clusters of any composition."""
    species = torch.tensor(list(VALUES))
    sizes = torch.randint(2, 30, (count,), generator=generator)
    which = torch.randint(3, (int(sizes.sum()),), generator=generator)
    each = torch.tensor(list(VALUES.values()), dtype=torch.float64)[which]
    owner = torch.arange(count).repeat_interleave(sizes)
    energy = torch.zeros(count, dtype=torch.float64).index_add(0, owner, each)
    pos = torch.zeros(len(which), 3)
    return structures.Structures(species[which], pos, sizes, {"energy": energy})


class TestOfAProperty:
    def test_references_are_found_again(self) -> None:
        scaling = references.fit_scaling(table(sums()), "energy", references=True)
        for z, value in VALUES.items():
            assert scaling.atomref[z] == pytest.approx(value, rel=1e-9)
        assert scaling.atomref[7] == 0.0
        assert scaling.mean == pytest.approx(0.0, abs=1e-8)

    def test_without_references_the_mean_and_its_deviation(self) -> None:
        y = torch.tensor([1.0, 2.0, 3.0, 6.0])
        assert references.fit_scaling(table(y), "energy", False) == (3.0, 1.5, None)

    def test_a_moment_is_not_shifted(self) -> None:
        y = torch.tensor([1.0, 2.0, 3.0, 6.0])
        scaling = references.fit_scaling(table(y), "energy", False, shifted=False)
        assert (scaling.mean, scaling.scale) == (0.0, 1.5)

    def test_too_few_molecules_to_tell_atoms_apart(self) -> None:
        scaling = references.fit_scaling(table(torch.tensor([4.0])), "energy", True)
        assert scaling.atomref[1] == pytest.approx(2.0)
        assert scaling.scale == 1.0

    def test_large_values_keep_their_digits(self) -> None:
        small = torch.tensor([1e-6, -1e-6, 1e-6, -1e-6], dtype=torch.float64)
        scaling = references.fit_scaling(table(1000 * sums() + small), "energy", True)
        assert scaling.scale < 1e-5

    def test_those_without_the_property_are_left_out(self) -> None:
        y = torch.tensor([1.0, math.nan, 3.0, math.nan])
        assert references.fit_scaling(table(y), "energy", False) == (2.0, 1.0, None)

    def test_an_empty_training_set_is_refused(self) -> None:
        with pytest.raises(ValueError, match="got an empty training set"):
            references.fit_scaling(table(torch.zeros(0)), "energy", True)

    def test_a_label_of_atoms_is_refused(self) -> None:
        charges = table(sums(), charge=torch.zeros(12))
        with pytest.raises(ValueError, match=r"each of 4 .* got 'charge' of shape"):
            references.fit_scaling(charges, "charge", True)


class TestOfAPotential:
    def test_nothing_is_added_to_a_structure_as_a_whole(self) -> None:
        fit = references.fit_references(table(sums() + 3.0))
        assert fit.mean == 0.0
        assert fit.atomref[8] != pytest.approx(VALUES[8])

    def test_frames_of_one_molecule_share_the_mean_of_an_atom(self) -> None:
        z = torch.tensor([8, 1, 1]).repeat(5)
        energy = torch.tensor([-300000.0, -300000.5, -299999.5, -300001.0, -299999.0])
        frames = structures.Structures(
            z, torch.zeros(15, 3), torch.full((5,), 3), {"energy": energy.double()}
        )
        fit = references.fit_references(frames)
        assert fit.atomref[1] == fit.atomref[8] == pytest.approx(-1e5, rel=1e-12)
        assert fit.scale == pytest.approx(energy.double().std(correction=0) / 3)

    def test_large_totals_leave_what_is_small(self, generator: torch.Generator) -> None:
        some = clusters(200, generator)
        small = torch.randn(200, generator=generator).double() * 1e-4
        atoms = some.sizes.double()
        labels = {"energy": 100 * some.labels["energy"] + small * atoms}
        fit = references.fit_references(some._replace(labels=labels))
        assert fit.scale == pytest.approx(float(small.std()), rel=0.05)
        assert fit.atomref[8] == pytest.approx(100 * VALUES[8], abs=1e-3)

    def test_the_scale_is_that_of_the_forces(self) -> None:
        forces = torch.full((12, 3), 2.0)
        forces[:5] = math.nan
        assert references.fit_references(table(sums(), forces=forces)).scale == 2.0

    def test_forces_are_enough(self) -> None:
        nothing = torch.full((4,), math.nan)
        fit = references.fit_references(table(nothing, forces=torch.ones(12, 3)))
        assert fit == (0.0, 1.0, None)

    def test_energies_of_isolated_atoms_are_taken_as_they_are(self) -> None:
        fit = references.fit_references(table(sums()), {8: -2000.0, 1: -13.5})
        assert (fit.atomref[1], fit.atomref[8]) == (-13.5, -2000.0)
        assert VALUES[6] - 60 < fit.atomref[6] < VALUES[6] - 20
        every = references.fit_references(table(sums()), {8: 1.0, 1: 2.0, 6: 3.0})
        assert every.atomref[1:9] == [2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 1.0]

    def test_an_element_that_only_unlabeled_structures_have(self) -> None:
        y = sums()
        y[1:] = math.nan
        fit = references.fit_references(table(y), {1: -13.0})
        assert fit.atomref[6] == fit.atomref[8] == 0.0

    def test_outliers_are_left_out(self, generator: torch.Generator) -> None:
        some = clusters(300, generator)
        energy = some.labels["energy"]
        energy += 0.01 * torch.randn(300, generator=generator) * some.sizes
        clean = references.fit_references(some)
        energy[::20] += 1e5
        spoiled = references.fit_references(some)
        robust = references.fit_references(some, outliers=10.0)
        for z, value in VALUES.items():
            assert clean.atomref[z] == pytest.approx(value, abs=0.02)
            assert robust.atomref[z] == pytest.approx(value, abs=0.02)
        assert abs(spoiled.atomref[8] - VALUES[8]) > 10

    def test_large_structures_are_no_outliers(self, generator: torch.Generator) -> None:
        some = clusters(300, generator)
        noise = torch.randn(300, generator=generator).double()
        labels = {"energy": some.labels["energy"] + 0.1 * noise * some.sizes}
        some = some._replace(labels=labels)
        assert references.fit_references(some) == references.fit_references(
            some, outliers=5.0
        )

    @pytest.mark.parametrize("outliers", [0.5, -1.0, math.nan])
    def test_no_structure_may_be_all_that_is_left(self, outliers: float) -> None:
        with pytest.raises(ValueError, match="expected more than 1 deviation"):
            references.fit_references(table(sums()), outliers=outliers)

    def test_nothing_to_train_on_is_refused(self) -> None:
        nothing = torch.full((4,), math.nan)
        with pytest.raises(ValueError, match="got no structure with 'energy'"):
            references.fit_references(table(nothing))
        with pytest.raises(ValueError, match="an infinite number among 'energy'"):
            references.fit_references(table(nothing.fill_(math.inf)))
