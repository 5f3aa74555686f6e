"""Which of several targets to learn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform

from pyg_equivariant.o3 import check_device, check_tensor

from ._graphs import GraphTransform, graph_of

QM9_TARGETS = (
    *("mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H", "G", "Cv"),
    *("U0_atom", "U_atom", "H_atom", "G_atom", "A", "B", "C"),
)


@functional_transform("select_target")
class SelectTarget(GraphTransform):
    r"""Keeps some of the targets ``y`` (functional name: ``select_target``).

    .. math::
        y \leftarrow y_t - \sum_i E_{z_i}

    Args:
        target (int, str or sequence): Which columns of ``y``, by number or by
            name.
        atomref (tensor, optional): References :math:`E_z` that are taken off, one for
            each atomic number: :math:`(Z)`, or :math:`(Z, T)` with one column for each
            selected target; ``QM9(root).atomref(7)``, or fitted on the training data.
            The difference is taken in float64. (default: :obj:`None`)
        names (sequence of str): The names of the columns of ``y``.
            (default: those of :class:`torch_geometric.datasets.QM9`)

    Shapes:
        - **input:** y :math:`(B, T')`, with atomref also z :math:`(|V|)`
        - **output:** y :math:`(B)` for one target, :math:`(B, T)` for a sequence

    Examples:
        >>> data = Data(y=torch.arange(19.0).view(1, -1), num_nodes=2)
        >>> SelectTarget("gap")(data).y
        tensor([4.])
        >>> SelectTarget(["homo", 3])(data).y
        tensor([[2., 3.]])
    """

    def __init__(
        self,
        target: int | str | Sequence[int | str],
        atomref: Tensor | None = None,
        names: Sequence[str] = QM9_TARGETS,
    ) -> None:
        several = isinstance(target, Sequence) and not isinstance(target, str)
        chosen = list(target) if several else [target]  # type: ignore[arg-type]
        self.target = target
        self.names = tuple(names)
        self.columns = [_column(one, self.names) for one in chosen]
        self.squeeze = not several
        self.atomref = None
        if atomref is not None:
            references = torch.as_tensor(atomref, dtype=torch.float64)
            self.atomref = references.reshape(len(references), -1)
            if self.atomref.size(1) not in (1, len(self.columns)):
                raise ValueError(
                    f"atomref must have one column, or one for each of "
                    f"{len(self.columns)} targets, got shape {tuple(references.shape)}"
                )

    def forward(self, data: Data) -> Data:
        """Return ``data`` with the chosen ``y``."""
        y = getattr(data, "y", None)
        if isinstance(y, Tensor):
            check_tensor(y, "y")
        if not isinstance(y, Tensor) or y.dim() != 2:
            came = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
            raise ValueError(
                f"SelectTarget needs `y` of shape (num_graphs, num_targets), got {came}"
            )
        if max(self.columns) >= y.size(1):
            raise ValueError(
                f"SelectTarget({self.target!r}) asks for column {max(self.columns)} of "
                f"`y`, which has {y.size(1)}"
            )
        y = y[:, self.columns]
        if self.atomref is not None:
            if not y.is_floating_point():
                raise TypeError(f"SelectTarget needs floating-point `y`, got {y.dtype}")
            y = (y - self._references(data, len(y))).to(y.dtype)
        data.y = y.squeeze(1) if self.squeeze else y
        return data

    def _references(self, data: Data, num_graphs: int) -> Tensor:
        """The sum of the references of the atoms of each graph."""
        assert self.atomref is not None
        z = getattr(data, "z", None)
        if z is None:
            raise ValueError("SelectTarget(atomref=...) needs the atomic numbers `z`")
        check_tensor(z, "z")
        check_device(z, data.y, "z", "y")
        other = z.is_floating_point() or z.is_complex() or z.dtype == torch.bool
        if other or z.dim() != 1:
            raise TypeError(
                "SelectTarget needs atomic numbers `z`, integers of shape (|V|,), got "
                f"{z.dtype} of shape {tuple(z.shape)}"
            )
        z = z.long()
        if len(z) and int(z.min()) < 0:
            raise ValueError(f"atomic numbers are positive, got z={int(z.min())}")
        if len(z) and int(z.max()) >= len(self.atomref):
            raise ValueError(
                f"atomref has references up to atomic number {len(self.atomref) - 1}, "
                f"got z={int(z.max())}"
            )
        atomref = self.atomref.to(z.device)
        batch = graph_of(data)
        batch = torch.zeros_like(z) if batch is None else batch
        total = atomref.new_zeros(num_graphs, atomref.size(1))
        return total.index_add(0, batch, atomref[z])

    def __repr__(self) -> str:
        atomref = "" if self.atomref is None else ", atomref=..."
        return f"{type(self).__name__}({self.target!r}{atomref})"


def _column(target: object, names: tuple[str, ...]) -> int:
    if isinstance(target, str):
        if target not in names:
            raise ValueError(f"unknown target {target!r}, expected one of {names}")
        return names.index(target)
    if not isinstance(target, int) or isinstance(target, bool) or target < 0:
        raise ValueError(
            f"a target is a name or the number of a column of y, got {target!r}"
        )
    return target
