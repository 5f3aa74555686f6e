"""Networks that tell where charged particles will be: the rows of the N-body table.

All are called alike, ``model(pos, vel, charge, edge_index, edge_attr, batch)``, and
give positions.
"""

from .egnn import ParticleEGNN
from .linear_motion import LinearMotion
from .mpnn import ParticleMPNN
from .particle_model import ParticleModel, Particles
from .radial_field import RadialField
from .se3_transformer import ParticleSE3Transformer
from .segnn import ParticleSEGNN

__all__ = [
    "LinearMotion",
    "RadialField",
    "ParticleMPNN",
    "ParticleSE3Transformer",
    "ParticleEGNN",
    "ParticleSEGNN",
    "ParticleModel",
    "Particles",
]
