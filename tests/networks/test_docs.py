"""The tables of README and documentation are those of the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyg_equivariant.networks import NETWORKS, Network

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
ARCHITECTURES = (ROOT / "docs" / "architectures.rst").read_text("utf-8")


def table_of_layers() -> list[list[str]]:
    """Cells of the rows below the head of README's table."""
    _, _, rest = README.partition("| layer | network | what it is | paper |\n")
    rows, _, _ = rest.partition("\n\n")
    return [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in rows.splitlines()[1:]
    ]


def test_readme_has_exactly_the_rows_of_the_registry() -> None:
    rows = table_of_layers()
    assert [row[:3] for row in rows] == [
        [f"`{n.layer.__name__}`", f"`{n.model.__name__}`", n.summary]
        for n in NETWORKS.values()
    ]
    for row, network in zip(rows, NETWORKS.values(), strict=True):
        assert row[3].endswith(f"]({network.paper.link})")


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_architectures_has_a_row_a_section_and_the_counts(network: Network) -> None:
    name = network.model.__name__
    layer = network.layer
    ours = layer.__module__.startswith("pyg_equivariant")
    module = "pyg_equivariant.nn" if ours else "torch_geometric.nn.conv"
    assert f"   * - :class:`~{module}.{layer.__name__}`" in ARCHITECTURES
    assert f"\n{name}\n{'~' * len(name)}\n" in ARCHITECTURES
    for size in network.sizes.values():
        assert f"{size.parameters:,}" in ARCHITECTURES
