"""The networks of the package, by name: one file for each tells all but its code.

Tests, training presets, benchmarks and the tables of the documentation read them here.
"""

from ._network import Network, Paper, Size
from ._potential import PotentialPreset
from ._qm9 import Published, QM9Preset
from .egnn import NETWORK as _EGNN
from .lieresnet import NETWORK as _LIERESNET
from .mace import NETWORK as _MACE
from .nequip import NETWORK as _NEQUIP
from .nmp import NETWORK as _NMP
from .painn import NETWORK as _PAINN
from .schnet import NETWORK as _SCHNET
from .segnn import NETWORK as _SEGNN
from .tfn import NETWORK as _TFN

NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        _SCHNET,
        _PAINN,
        _TFN,
        _NEQUIP,
        _MACE,
        _NMP,
        _LIERESNET,
        _EGNN,
        _SEGNN,
    )
}
"""All networks, from invariant to steerable and non-linear.

:meta hide-value:
"""


def find_network(name: str) -> Network:
    """The network of that name.

    Raises:
        ValueError: for an unknown name; the message lists all of them.

    Example:
        >>> find_network("painn").layer.__name__
        'PaiNNConv'
    """
    if name not in NETWORKS:
        raise ValueError(f"got network {name!r}, expected one of {', '.join(NETWORKS)}")
    return NETWORKS[name]


__all__ = [
    "NETWORKS",
    "find_network",
    "Network",
    "Paper",
    "Size",
    "QM9Preset",
    "Published",
    "PotentialPreset",
]
