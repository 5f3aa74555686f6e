"""Train any row of the table of charged particles, as its paper does.

    python examples/nbody.py --model egnn
    python examples/nbody.py --model segnn --epochs 300 --schedule cosine --ema 0.999

Five charged particles fly; where they will be a while later is asked, of 2,000 systems
after 3,000 for training. Everything of a run is in its folder: settings, checkpoints,
curve, report. The same command with --resume goes on where the run stopped.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path

from pyg_equivariant.networks import PARTICLE_NETWORKS
from pyg_equivariant.training.console import keep_quiet
from pyg_equivariant.training.motion import MotionRun, particle_data, particle_settings
from pyg_equivariant.training.schedules import SCHEDULES

CHOSEN = ("seed", "epochs", "batch_size", "lr", "schedule", "ema", "clip")
CHOSEN += ("num_train", "num_val")
NETWORK = ("hidden_channels", "num_layers", "coulomb")


def parse_flags() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", choices=PARTICLE_NETWORKS, default="egnn")
    add("--root", default="data/nbody", help="where the trajectories are kept")
    add("--folder", type=Path, help="of this run (default: runs/nbody-MODEL-SEED)")
    add("--resume", action="store_true", help="go on with the run of that folder")
    add("--seed", type=int, default=0)
    add("--max-time", help="of training, DD:HH:MM:SS")
    add("--accelerator", default="cpu", help="cpu, gpu or auto")
    text = "faster steps after a minute or two: torch.compile, which needs a compiler"
    add("--compile", action="store_true", help=text)
    add("--num-test", type=int, help="only so many test systems")
    group = parser.add_argument_group("in place of the paper's settings")
    for name in ("epochs", "batch-size", "num-train", "num-val"):
        group.add_argument(f"--{name}", type=int)
    text = "of a system (default: 5); no paper has larger ones"
    group.add_argument("--num-particles", type=int, default=5, help=text)
    for name in ("hidden-channels", "num-layers"):
        group.add_argument(f"--{name}", type=int)
    for name, text in (("lr", None), ("clip", None), ("ema", "of averaged weights")):
        group.add_argument(f"--{name}", type=float, help=text)
    group.add_argument("--schedule", choices=SCHEDULES)
    told = ("edges", "acceleration", "both")
    text = "tell a SEGNN what Coulomb's law says beforehand, which no paper does"
    group.add_argument("--coulomb", choices=told, help=text)
    return parser.parse_args()


def main() -> None:
    """Train, test and report."""
    flags = parse_flags()
    given = vars(flags)
    network = {name: given[name] for name in NETWORK if given[name] is not None}
    chosen = {name: given[name] for name in CHOSEN}
    if flags.num_particles != 5:
        chosen["split"] = f"{flags.num_particles} particles"
    settings = particle_settings(flags.model, network, **chosen)
    folder = flags.folder or Path(f"runs/nbody-{flags.model}-{flags.seed}")
    with closing(MotionRun(folder, settings, flags.resume)) as run:
        sizes = flags.num_test, flags.num_particles
        data = particle_data(flags.root, settings, *sizes)
        machine = {"accelerator": flags.accelerator}
        run.fit(data, flags.max_time, compiled=flags.compile, **machine)
        print(run.test(data, **machine))


if __name__ == "__main__":
    keep_quiet()
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
