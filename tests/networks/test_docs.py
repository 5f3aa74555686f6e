"""The tables of README and documentation are those of the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyg_equivariant.networks import (
    NETWORKS,
    PARTICLE_NETWORKS,
    Network,
    ParticleNetwork,
)

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
ARCHITECTURES = (ROOT / "docs" / "architectures.rst").read_text("utf-8")
DEFAULTS = (ROOT / "docs" / "defaults.rst").read_text("utf-8")


def table_of_layers() -> list[list[str]]:
    """Cells of the rows below the head of README's table."""
    _, _, rest = README.partition("| layer | network | what it is | paper |\n")
    rows, _, _ = rest.partition("\n\n")
    return [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in rows.splitlines()[1:]
    ]


def test_readme_has_exactly_the_rows_of_the_registry() -> None:
    expected = [
        [f"`{n.layer.__name__}`", f"`{n.model.__name__}`", n.summary, n.paper.link]
        for n in NETWORKS.values()
    ]
    for n in PARTICLE_NETWORKS.values():
        if n.layer and n.layers:  # that no network of molecules has
            model = f"`particles.{n.model.__name__}`"
            row = [f"`{n.layer.__name__}`", model, n.summary, n.paper.link]
            expected.append(row)
    found = [
        [*row[:3], row[3].partition("](")[2].rstrip(")")] for row in table_of_layers()
    ]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_docs_have_a_row_a_section_and_the_counts(network: Network) -> None:
    name = network.model.__name__
    layer = network.layer
    ours = layer.__module__.startswith("pyg_equivariant")
    module = "pyg_equivariant.nn" if ours else "torch_geometric.nn.conv"
    assert f"   * - :class:`~{module}.{layer.__name__}`" in ARCHITECTURES
    assert f"\n{name}\n{'~' * len(name)}\n" in DEFAULTS
    for size in network.sizes.values():
        assert f"{size.parameters:,}" in DEFAULTS


@pytest.mark.parametrize("row", PARTICLE_NETWORKS.values(), ids=list(PARTICLE_NETWORKS))
def test_architectures_has_the_table_of_particles(row: ParticleNetwork) -> None:
    _, _, table = ARCHITECTURES.partition("\nCharged particles\n")
    cells = [f"   * - {row.title}\n", f"     - {row.parameters:,}\n"]
    cells.append(f"     - {row.published[0]:.4f}")
    start = table.index(cells[0])
    own = table[start : table.find("   * - ", start + 1)]
    assert all(cell in own for cell in cells)
    assert f"``{row.name}``" in own
