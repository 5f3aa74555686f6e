"""What a property is on average, so that the network learns only the rest."""

from __future__ import annotations

from typing import NamedTuple

import torch

from .graphs import Molecules

_NUM_ELEMENTS = 100


class Scaling(NamedTuple):
    """A prediction is the network's output times ``scale``, plus the rest of these."""

    mean: float
    scale: float
    atomref: list[float] | None


def fit_scaling(
    molecules: Molecules, references: bool, shifted: bool = True
) -> Scaling:
    r"""Fit atom references, mean and mean absolute deviation, in float64.

    The references :math:`r_z` minimize :math:`\sum_m (y_m - \sum_{i \in m} r_{z_i})^2`;
    mean and deviation are those of what they leave.

    Args:
        molecules: of the training set.
        references: whether to fit references.
        shifted: whether a mean may be added to the prediction.

    Raises:
        ValueError: if there is no molecule.
    """
    z, _, sizes, y = molecules
    if len(y) == 0:
        raise ValueError("got an empty training set, expected at least one molecule")
    rest = y.double()
    atomref = None
    if references:
        counts = torch.zeros(len(y), _NUM_ELEMENTS, dtype=torch.float64)
        molecule = torch.arange(len(y)).repeat_interleave(sizes)
        counts.index_put_((molecule, z), torch.ones(()).double(), accumulate=True)
        present = counts.any(dim=0)
        # The pseudo-inverse also serves a set of too few molecules to tell atoms apart
        fitted = torch.linalg.pinv(counts[:, present]) @ rest
        values = torch.zeros(_NUM_ELEMENTS, dtype=torch.float64)
        values[present] = fitted
        rest = rest - counts @ values
        atomref = values.tolist()
    mean = float(rest.mean()) if shifted else 0.0
    deviation = float((rest - rest.mean()).abs().mean())
    return Scaling(mean, deviation if deviation > 0 else 1.0, atomref)
