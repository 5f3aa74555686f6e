"""What a trained network says of itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyg_equivariant.nn import Card


def test_species_are_sorted_and_named_once() -> None:
    assert Card(species=np.array([8, 1, 8])).species == (1, 8)  # type: ignore[arg-type]
    assert Card().species is None


@pytest.mark.parametrize(
    "wrong", [{"unit": 3}, {"property": None}, {"species": (1.5,)}, {"notes": "none"}]
)
def test_refuses_what_is_no_text_or_number(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="got"):
        Card(**wrong)
