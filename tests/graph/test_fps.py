from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.graph import fps
from pyg_equivariant.o3 import rand_matrix


def by_definition(pos: Tensor, number: int, start: int) -> list[int]:
    chosen = [start]
    while len(chosen) < number:
        nearest = torch.cdist(pos, pos[chosen]).amin(1)
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    return chosen


def outermost(pos: Tensor) -> int:
    return int((pos - pos.mean(0)).norm(dim=-1).argmax())


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e300])
def test_graphs_of_any_size_equal_the_definition(
    scale: float, generator: torch.Generator
) -> None:
    sizes = (1, 40, 7, 0, 300, 33, 3)
    pos = torch.randn(sum(sizes), 3, generator=generator).double()
    batch = torch.arange(7).repeat_interleave(torch.tensor(sizes))
    order = torch.randperm(len(pos), generator=generator)
    place = order.argsort()
    for given in ({"ratio": 0.3}, {"num_points": 9}):
        found = fps(scale * pos[order], batch[order], **given)
        expected, start = [], 0
        for size in sizes:
            number = math.ceil(0.3 * size) if "ratio" in given else min(9, size)
            one = pos[start : start + size]
            if size:
                chosen = by_definition(one, number, outermost(one))
                expected += [int(place[start + i]) for i in chosen]
            start += size
        assert found.tolist() == expected
        assert found.dtype == torch.long


def test_the_choice_moves_with_the_points(generator: torch.Generator) -> None:
    pos = torch.randn(100, 3, generator=generator).double()
    chosen = fps(pos, ratio=0.2)
    R = rand_matrix(improper=True, generator=generator, dtype=torch.float64)
    order = torch.randperm(100, generator=generator)
    moved = (pos @ R.T + torch.tensor([3.0, -2.0, 1.0]))[order]
    assert torch.equal(order[fps(moved, ratio=0.2)], chosen)


def test_no_point_is_chosen_twice() -> None:
    pos = torch.zeros(6, 3)
    pos[3] = 1
    assert fps(pos, ratio=1.0).tolist() == [3, 0, 1, 2, 4, 5]
    assert fps(torch.zeros(3, 3), num_points=9).tolist() == [0, 1, 2]
    assert fps(torch.zeros(0, 3), ratio=0.5).tolist() == []


def test_parts_are_rounded_up_once() -> None:
    pos = torch.rand(30, 3)
    for ratio, number in ((0.1, 3), (0.7, 21), (0.101, 4), (1, 30), (1e-3, 1)):
        assert len(fps(pos, ratio=ratio)) == number


def test_a_random_start_is_the_callers(generator: torch.Generator) -> None:
    pos = torch.randn(50, 3, generator=generator).double()
    batch = torch.arange(50) % 2

    def first(seed: int) -> list[int]:
        source = torch.Generator().manual_seed(seed)
        options: dict[str, Any] = {"random_start": True, "generator": source}
        return fps(pos, batch, num_points=4, **options).tolist()

    assert first(1) == first(1)
    starts = {first(seed)[0] for seed in range(60)}
    assert len(starts) > 15
    at = first(3)[0]
    of_graph = (batch == 0).nonzero().flatten()
    chosen = by_definition(pos[batch == 0], 4, int((of_graph == at).nonzero()))
    assert first(3)[:4] == of_graph[chosen].tolist()
    before = torch.get_rng_state()
    fps(pos, ratio=0.5)
    assert torch.equal(torch.get_rng_state(), before)


def test_positions_may_have_gradients_and_torch_func() -> None:
    pos = torch.randn(20, 3, requires_grad=True)
    assert not fps(pos, ratio=0.5).requires_grad

    def spread(pos: Tensor) -> Tensor:
        return pos[fps(pos, ratio=0.25)].square().sum()

    found = torch.func.grad(spread)(pos.detach())
    assert int((found != 0).any(-1).sum()) == 5
    torch.testing.assert_close(torch.compile(spread, backend="eager")(pos), spread(pos))
    with pytest.raises(ValueError, match=r"^pos is one of many"):
        torch.func.vmap(spread)(torch.randn(2, 20, 3))


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "neither came"),
    ({"ratio": 0.5, "num_points": 3}, "both came"),
    ({"ratio": 0.0}, "ratio is a part of the points, from 0 to 1, got 0.0"),
    ({"ratio": 1.5}, "from 0 to 1, got 1.5"),
    ({"ratio": torch.tensor(0.5)}, "ratio is a number, got Tensor"),
    ({"ratio": math.nan}, "from 0 to 1, got nan"),
    ({"num_points": -1}, "num_points"),
    ({"num_points": 0}, "num_points must be at least 1, got 0"),
    ({"num_points": 2.0}, "num_points"),
    ({"pos": torch.full((2, 3), torch.nan), "ratio": 0.5}, "pos has NaN"),
    ({"batch": torch.zeros(3).long(), "ratio": 0.5}, "one graph number per point"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input_is_one_clear_line(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"pos": torch.zeros(2, 3)}
    with pytest.raises((ValueError, TypeError), match=message) as error:
        fps(**(good | change))
    assert "\n" not in str(error.value)
