"""Draws steerable features: the function f(n) = sum_m x_m Y_m(n) as a shape."""

from math import pi

import numpy as np
import torch
from matplotlib.colors import to_rgb
from picture import COLORS
from torch import Tensor

from pyg_equivariant.nn import spherical_harmonics
from pyg_equivariant.o3 import matrix_x, matrix_y

VIEW = (matrix_x(torch.tensor(0.42)) @ matrix_y(torch.tensor(-0.52))).float()
LIGHT = torch.tensor([-0.4, 0.7, 0.8]).float() / 1.29**0.5
PLUS, MINUS = (torch.tensor(to_rgb(color)).float() for color in COLORS[:2])


def _directions(rings: int) -> Tensor:
    """A grid on the unit sphere, whose pole is y as that of the harmonics."""
    t = torch.linspace(0, pi, rings, dtype=torch.float32)[:, None]
    p = torch.linspace(0, 2 * pi, 2 * rings, dtype=torch.float32)
    grid = t.sin() * p.sin(), t.cos() + 0 * p, t.sin() * p.cos()
    return torch.stack(grid, dim=-1).flatten(0, 1)


def _surface(l: int, x: Tensor, rings: int) -> tuple[Tensor, Tensor, Tensor]:
    """Points r(n) = c |f(n)|, their normals, and the sign of f."""
    n = _directions(rings).requires_grad_()
    Y = spherical_harmonics(l, n, normalize=False, normalization="norm")
    f = Y @ x + 0 * n.sum(-1)
    (slope,) = torch.autograd.grad(f.sum(), n)
    n, f = n.detach(), f.detach().unsqueeze(-1)
    c = x.norm() / f.abs().max().clamp(min=1e-9)
    along = slope - (slope * n).sum(-1, keepdim=True) * n
    normal = torch.nn.functional.normalize(f.abs() * n - f.sign() * along, dim=-1)
    return c * f.abs() * n, normal, f


def render(l: int, x: Tensor, pixels: int = 144, reach: float = 1.0) -> np.ndarray:
    """An image (pixels, pixels, 4) of the shape of ``x``, of degree ``l``.

    Its longest lobe is as long as ``x``; the image reaches as far as ``reach``.
    """
    fine = 2 * pixels  # four dots to a pixel: smooth edges
    points, normal, f = _surface(l, x.float(), rings=int(2.1 * fine))
    points, normal = points @ VIEW.T / reach, normal @ VIEW.T
    normal = torch.where(normal[:, 2:] < 0, -normal, normal)  # that side is seen
    light = 0.55 + 0.5 * (normal @ LIGHT).clamp(min=0)[:, None]
    color = torch.where(f < 0, MINUS, PLUS) * light
    nearest_last = points[:, 2].argsort()
    at = ((points[:, :2] * 0.97 + 1) / 2 * (fine - 1)).round().long()[nearest_last]
    image = np.zeros((fine, fine, 4), dtype=np.float32)
    column, row = at.clamp(0, fine - 1).numpy().T
    image[fine - 1 - row, column, :3] = color[nearest_last].clamp(max=1).numpy()
    image[fine - 1 - row, column, 3] = 1
    image = image.reshape(pixels, 2, pixels, 2, 4).mean((1, 3))
    image[..., :3] /= image[..., 3:].clip(min=0.25)  # color of the dots that are there
    return image.clip(0, 1)


def draw(ax, l: int, x: Tensor, title: str = "", reach: float = 1.0) -> None:
    """Draw the shape of ``x`` into axes of matplotlib."""
    ax.imshow(render(l, x, reach=reach), interpolation="none")
    ax.set_title(title, fontsize=10)
    ax.axis("off")
