"""The networks of the package, by name: one file for each tells all but its code.

Tests, training presets, benchmarks and the tables of the documentation read them here.
"""

from ._network import Network, Paper, Size
from ._particle_network import ParticleNetwork, ParticlePreset
from ._potential import PotentialPreset
from ._qm9 import Published, QM9Preset
from .allegro import NETWORK as _ALLEGRO
from .cormorant import NETWORK as _CORMORANT
from .dimenet import NETWORK as _DIMENET
from .dimenet_plus_plus import NETWORK as _DIMENET_PLUS_PLUS
from .egnn import NETWORK as _EGNN
from .l1net import NETWORK as _L1NET
from .lieresnet import NETWORK as _LIERESNET
from .mace import NETWORK as _MACE
from .nequip import NETWORK as _NEQUIP
from .nmp import NETWORK as _NMP
from .painn import NETWORK as _PAINN
from .particles import PARTICLE_NETWORKS as _PARTICLE_NETWORKS
from .particles import find_particle_network
from .schnet import NETWORK as _SCHNET
from .se3_transformer import NETWORK as _SE3_TRANSFORMER
from .segnn import NETWORK as _SEGNN
from .spherenet import NETWORK as _SPHERENET
from .tfn import NETWORK as _TFN

NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        _SCHNET,
        _LIERESNET,
        _NMP,
        _DIMENET,
        _DIMENET_PLUS_PLUS,
        _SPHERENET,
        _PAINN,
        _TFN,
        _L1NET,
        _NEQUIP,
        _MACE,
        _ALLEGRO,
        _CORMORANT,
        _SE3_TRANSFORMER,
        _EGNN,
        _SEGNN,
    )
}
"""All networks, from invariant to steerable and non-linear.

:meta hide-value:
"""


PARTICLE_NETWORKS: dict[str, ParticleNetwork] = _PARTICLE_NETWORKS
"""All rows of the table of charged particles, from worst to best.

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
    "PARTICLE_NETWORKS",
    "find_particle_network",
    "ParticleNetwork",
    "ParticlePreset",
]
