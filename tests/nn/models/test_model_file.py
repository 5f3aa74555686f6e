"""A file tells all that is needed to use a network, and nothing in it is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pyg_equivariant import __version__
from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.nn import Card, ForceField, PaiNN, load_model, save_model
from pyg_equivariant.nn.models import MolecularModel, ScalarHead, describe_model
from pyg_equivariant.o3 import Irreps

Z = torch.tensor([8, 1, 1])
CARD = Card("energy", "kcal/mol", "Bohr", (1, 8), {"mae": 0.5, "split": [1, 2]})


class OwnNetwork(PaiNN):
    """Of the caller's own, with a head of its own."""

    def __init__(self, width: int = 8, *, scale: float = 1.0) -> None:
        head = ScalarHead(torch.nn.Linear(width, 1))
        super().__init__(width, num_layers=1, head=head, scale=scale)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.pt"


def written(path: Path, **changes: Any) -> Path:
    save_model(PaiNN(8, num_layers=1), path)
    content = torch.load(path, weights_only=True)
    torch.save({**content, **changes}, path)
    return path


@pytest.mark.parametrize("name", list(NETWORKS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_what_comes_back_predicts_the_same(
    path: Path, name: str, dtype: torch.dtype
) -> None:
    network = NETWORKS[name]
    atomref = torch.linspace(0, 1, 10, dtype=torch.float64)
    units = {"atomref": atomref, "scale": 0.1, "mean": 1 / 3}
    model = network.build_small(**{"cutoff": 3.0, **network.smooth, **units})
    model = model.to(dtype).eval()
    save_model(model, path, CARD)
    random = torch.get_rng_state()
    loaded = load_model(path)
    assert torch.equal(torch.get_rng_state(), random)
    assert type(loaded) is network.model
    assert loaded.card == CARD
    assert not loaded.training
    assert loaded.arguments.keys() == model.arguments.keys()
    pos = torch.randn(3, 3).to(dtype)
    assert torch.equal(loaded(Z, pos), model(Z, pos))
    wide = loaded.double()  # digits that a narrow dtype has no room for come back
    assert torch.equal(wide.atomref, atomref)
    assert float(wide.mean) == 1 / 3


def test_a_loaded_network_is_saved_with_its_card(path: Path) -> None:
    save_model(PaiNN(8), path, CARD)
    save_model(load_model(path), path)
    assert load_model(path).card == CARD


def test_the_default_dtype_and_device_do_not_matter(path: Path) -> None:
    save_model(PaiNN(8, num_layers=1), path)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            model = load_model(path)
    finally:
        torch.set_default_dtype(torch.float32)
    assert {(x.dtype, x.device.type) for x in model.parameters()} == {
        (torch.float32, "cpu")
    }


def test_networks_of_the_callers_own_come_back(path: Path) -> None:
    model = OwnNetwork(scale=3.0)
    save_model(model, path)
    assert describe_model(model)["arguments"] == {"width": 8, "scale": 3.0}
    loaded = load_model(path, cls=PaiNN)
    pos = torch.randn(3, 3)
    assert type(loaded) is OwnNetwork
    assert torch.equal(loaded(Z, pos), model.eval()(Z, pos))


def test_the_file_says_who_wrote_it(path: Path) -> None:
    save_model(PaiNN(8, cutoff=4.0), path)
    content = torch.load(path, weights_only=True)
    assert content["pyg_equivariant"] == __version__
    assert (content["model"], content["arguments"]["cutoff"]) == ("PaiNN", 4.0)
    assert content["card"] is None


def test_irreps_are_written_as_text() -> None:
    model = NETWORKS["segnn"].model(
        irreps_hidden=Irreps("4x0e+2x1o"), lmax_attr=1, num_layers=1
    )
    assert describe_model(model)["arguments"]["irreps_hidden"] == "4x0e+2x1o"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (torch.nn.Linear(2, 2), "expected a network such as nn.PaiNN, got Linear$"),
        (ForceField(PaiNN(8)), "got ForceField; save its .model"),
        (PaiNN(8, head=ScalarHead(torch.nn.Linear(8, 1))), "head is a ScalarHead"),
    ],
)
def test_what_a_file_cannot_tell_is_refused(path: Path, model: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        save_model(model, path)
    assert not path.exists()


def test_several_dtypes_are_refused(path: Path) -> None:
    model = PaiNN(8)
    model.embedding.double()
    with pytest.raises(ValueError, match=r"several dtypes, .*float32.*float64"):
        save_model(model, path)


def test_files_that_cannot_be_read_say_why(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_model(path)
    path.write_bytes(b"half")
    with pytest.raises(ValueError, match=r"is damaged, or holds more|is not whole"):
        load_model(path)
    torch.save([1], path)
    with pytest.raises(ValueError, match="holds a list and no network"):
        load_model(path)
    torch.save({"model": "PaiNN"}, path)
    with pytest.raises(ValueError, match="holds no network: it lacks"):
        load_model(path)
    torch.save({"model": OwnNetwork}, path)
    with pytest.raises(ValueError, match="code, which did not run"):
        load_model(path)


def test_other_versions_are_answered(path: Path) -> None:
    with pytest.raises(ValueError, match=r"of format 9, .* reads formats up to 1"):
        load_model(written(path, format=9))
    with pytest.raises(ValueError, match=r"holds a Unknown, expected .*PaiNN"):
        load_model(written(path, model="Unknown"))
    with pytest.raises(ValueError, match=r"does not fit PaiNN of this .*width"):
        load_model(written(path, arguments={"width": 3}))
    with pytest.raises(ValueError, match=r"(?s)does not fit PaiNN .*size mismatch"):
        load_model(written(path, arguments={"hidden_channels": 4, "num_layers": 1}))


def test_another_network_than_expected_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="holds a PaiNN, expected SchNet"):
        load_model(written(path), cls=NETWORKS["schnet"].model)


def test_a_file_that_cannot_be_written_leaves_the_one_before(path: Path) -> None:
    save_model(PaiNN(8), path, CARD)
    with pytest.raises(TypeError, match="notes"):
        save_model(PaiNN(8), path, Card(notes={"model": MolecularModel}))
    assert load_model(path).card == CARD
