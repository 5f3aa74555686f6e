"""All callables: importing these modules enters them in the table."""

from . import (
    convolutions,
    geometry,
    graphs,
    kernels,
    modules,
    networks,
    planted,
    simulations,
    transforms,
)

__all__ = [
    "convolutions",
    "geometry",
    "graphs",
    "kernels",
    "modules",
    "networks",
    "planted",
    "simulations",
    "transforms",
]
