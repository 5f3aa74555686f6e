"""Networks go to, and come from, folders and the hub."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pyg_equivariant.nn import Card, PaiNN, SchNet
from pyg_equivariant.nn.models import MolecularModel

Z, POS = torch.tensor([8, 1, 1]), torch.eye(3)


def small() -> PaiNN:
    return PaiNN(8, num_layers=1, atomref=torch.ones(10)).eval()


def test_a_folder_keeps_a_network(tmp_path: Path) -> None:
    model = small()
    model.save_pretrained(tmp_path / "painn", Card(species=(1, 8)))
    for cls in (PaiNN, MolecularModel):
        loaded = cls.from_pretrained(tmp_path / "painn")
        assert torch.equal(loaded(Z, POS), model(Z, POS))
        assert loaded.card == Card(species=(1, 8))
    told = json.loads((tmp_path / "painn" / "config.json").read_text())
    assert told["model"] == "PaiNN"
    assert told["arguments"]["atomref"] == [1.0] * 10


def test_a_folder_without_the_network_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model\.pt"):
        PaiNN.from_pretrained(tmp_path)
    small().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds a PaiNN, expected SchNet"):
        SchNet.from_pretrained(tmp_path)


def test_the_hub_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match="pip install huggingface_hub"):
        PaiNN.from_pretrained("user/painn")
    with pytest.raises(ImportError, match="pip install huggingface_hub"):
        small().push_to_hub("user/painn")


def test_the_hub_gives_back_what_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the hub's own client, whose transfers are copies here."""
    hub = pytest.importorskip("huggingface_hub")
    kept, asked = tmp_path / "hub", {}

    class Repository:
        def __init__(self, repo_id: str) -> None:
            self.repo_id = repo_id

    class Api:
        def __init__(self, token: Any = None) -> None:
            asked["token"] = token

        def create_repo(self, repo_id: str, **_: Any) -> Repository:
            return Repository(repo_id)

        def upload_folder(self, repo_id: str, folder_path: Path, **_: Any) -> str:
            shutil.copytree(folder_path, kept / repo_id)
            return f"commit of {repo_id}"

    def download(repo_id: str, filename: str, **kwargs: Any) -> str:
        asked.update(kwargs)
        return str(kept / repo_id / filename)

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Api)
    monkeypatch.setattr(hub, "hf_hub_download", download)
    model = small()
    assert model.push_to_hub("user/painn", token="secret") == "commit of user/painn"
    assert {f.name for f in (kept / "user/painn").iterdir()} == {
        "model.pt",
        "config.json",
        "README.md",
    }
    loaded = PaiNN.from_pretrained("user/painn", revision="v1")
    assert torch.equal(loaded(Z, POS), model(Z, POS))
    assert asked == {"token": "secret", "revision": "v1"}
