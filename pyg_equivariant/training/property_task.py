"""One property, one network."""

from __future__ import annotations

from torch import Tensor
from torch_geometric.data import Data

from .batches import network_inputs
from .errors import Quantity
from .task import Pairs, Task


class PropertyTask(Task):
    """Train a network on a property of structures, or of their atoms.

    The network predicts in the unit of the data; the loss is in units of the mean
    absolute deviation, errors are in the unit of the papers. The label may be of any
    shape that the network's head predicts. For arguments see
    :class:`~pyg_equivariant.training.task.Task`.
    """

    def measured(self) -> tuple[Quantity, ...]:
        target = self.target
        return (Quantity("", target.unit, target.factor, scale=self.scaling.scale),)

    def forward(self, data: Data) -> dict[str, Tensor]:
        """Predict the property of every structure, or atom."""
        predicted = self.network(**network_inputs(data, self.network))
        return {self.target.name: predicted}

    def compare(self, batch: Data, predicted: dict[str, Tensor]) -> Pairs:
        name = self.target.name
        true, found = batch.labels[name], predicted[name]
        if true.numel() != found.numel():
            raise ValueError(
                f"head={self.settings.head!r} predicts {tuple(found.shape)}, labels "
                f"{name!r} have shape {tuple(true.shape)}; choose another head"
            )
        return {self.quantities[0]: (found.view_as(true), true.to(found.dtype))}
