"""Learn energies and forces of a molecule of revised MD17, as the papers divide it.

    python examples/md17.py --molecule ethanol
    python examples/md17.py --molecule aspirin --model mace --minutes 60
    python examples/md17.py --molecule ethanol --resume

Of 1,000 published frames 950 train and 50 choose the weights; the 1,000 published test
frames test. As many epochs are trained as fit into --minutes of processor time, with
averaged weights and a learning rate that falls along half a cosine. The errors are
written beside those of the papers. The folder --root holds the files, as
rmd17_ethanol_train_01.npz or as the archive has them
(https://doi.org/10.6084/m9.figshare.12672038); otherwise PyG downloads that.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import torch

from pyg_equivariant.commands.fit_rmd17 import open_rmd17
from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.nn import ForceField
from pyg_equivariant.training import fit
from pyg_equivariant.training.budget import epochs_within
from pyg_equivariant.training.console import keep_quiet
from pyg_equivariant.training.readers import Reading
from pyg_equivariant.training.resume import SETTINGS, read_settings

# Mean absolute errors in meV and meV/A with 950 frames: the tables of the papers of
# MACE (https://arxiv.org/abs/2206.07697) and Allegro (https://arxiv.org/abs/2204.05249)
MOLECULES = ("aspirin", "azobenzene", "benzene", "ethanol", "malonaldehyde")
MOLECULES += ("naphthalene", "paracetamol", "salicylic", "toluene", "uracil")
PUBLISHED: Mapping[str, str] = {
    "NequIP": "2.3/8.2 0.7/2.9 0.04/0.3 0.4/2.8 0.8/5.1 0.2/1.3 1.4/5.9 0.7/4.0 "
    "0.3/1.6 0.4/3.1",
    "Allegro": "2.3/7.3 1.2/2.6 0.3/0.2 0.4/2.1 0.6/3.6 0.5/0.9 1.5/4.9 0.9/2.9 "
    "0.4/1.8 0.6/1.8",
    "MACE": "2.2/6.6 1.2/3.0 0.4/0.3 0.4/2.1 0.8/4.1 0.5/1.6 1.3/4.8 0.9/3.1 "
    "0.5/1.5 0.5/2.1",
}


def parse_flags(arguments: list[str]) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--molecule", choices=MOLECULES, default="ethanol")
    add("--root", type=Path, default=Path("data/md17"), help="folder of the data")
    add("--split", type=int, default=1, help="which published division, 1 to 5")
    add("--model", choices=NETWORKS, default="nequip")
    add("--minutes", type=float, default=60.0, help="of processor time to train for")
    add("--epochs", type=int, help="in place of --minutes")
    add("--num-train", type=int, help="of the frames to train on (default: all)")
    add("--batch-size", type=int)
    add("--lr", type=float)
    add("--hidden-channels", type=int)
    add("--num-layers", type=int)
    add("--lmax", type=int)
    add("--seed", type=int, default=0)
    add("--folder", type=Path, help="of the run (default: runs/MOLECULE-MODEL-SEED)")
    add("--resume", action="store_true", help="go on with the run of that folder")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> None:
    """Read, train, test, compare."""
    flags = parse_flags(arguments)
    keep_quiet()
    torch.set_num_threads(1)  # on so few atoms more do not pay
    name = f"{flags.molecule}-{flags.model}-{flags.seed}"
    folder = flags.folder or Path("runs") / name
    reading, _ = open_rmd17(flags.root, flags.molecule, flags.split)
    assert reading.split is not None
    split = reading.split._replace(train=reading.split.train[: flags.num_train])
    sizes = {n: getattr(flags, n) for n in ("hidden_channels", "num_layers", "lmax")}
    given = {
        "data": reading,
        "network": flags.model,
        "split": split,
        "seed": flags.seed,
        "batch_size": flags.batch_size,
        "lr": flags.lr,
        "arguments": {n: value for n, value in sizes.items() if value is not None},
        "machine": {"accelerator": "cpu"},
    }
    epochs = flags.epochs
    if flags.resume and epochs is None and (folder / SETTINGS).is_file():
        epochs = read_settings(folder).epochs
    if epochs is None:
        epochs = epochs_within(60 * flags.minutes, **given)
        print(f"{epochs} epochs fit into {flags.minutes:g} minutes")
    model = fit(folder=folder, epochs=epochs, resume=flags.resume, **given)
    for paper, row in PUBLISHED.items():
        energy, forces = row.split()[MOLECULES.index(flags.molecule)].split("/")
        print(f"  {paper:8} published: energy {energy} meV, forces {forces} meV/A")
    show_frame(ForceField(model), reading)


def show_frame(field: ForceField, reading: Reading) -> None:
    """Predict one of the test frames."""
    assert reading.split is not None
    frame = reading.structures.select(reading.split.test[:1])
    energy, forces, _ = field(frame.z, frame.pos)
    error = (forces - frame.labels["forces"]).abs().mean().item()
    true = frame.labels["energy"].item()
    print(f"a test frame: {energy.item():.3f} eV, true {true:.3f} eV; ", end="")
    print(f"forces differ by {1000 * error:.0f} meV/A")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
