"""Particles that move: the squared error of where they will be."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_equivariant.networks import find_particle_network
from pyg_equivariant.nn.models import Card, describe_model
from pyg_equivariant.nn.particles import ParticleModel

from ..builders import make_optimizer
from ..schedules import SmoothedPlateau, make_schedule, set_total_steps
from ..settings import Settings
from .particles import TARGET


class MotionTask(L.LightningModule):
    """Train a network of particles on the mean over systems, particles and coordinates.

    Args:
        settings: of the run, ``asdict(Settings(...))``.
    """

    monitor = "val_mse"

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.settings = Settings(**settings)
        row = find_particle_network(self.settings.model)
        self.network: ParticleModel = row.model(**self.settings.network)
        self.errors: list[Tensor] = []

    def forward(self, batch: Data) -> Tensor:
        """Positions a while later."""
        given = batch.pos, batch.extra["vel"], batch.extra["charge"], batch.edge_index
        systems = {"batch": batch.batch, "batch_size": len(batch.index)}
        # a compiled network is for steps; forward() is the network as it is written
        network = self.network if self.training else self.network.forward
        moved: Tensor = network(*given, **systems)
        return moved

    def training_step(self, batch: Data, batch_idx: int) -> Tensor:
        loss = (self(batch) - batch.labels[TARGET.name]).square().mean()
        self.log(
            "train_mse",
            loss.detach(),
            on_step=False,
            on_epoch=True,
            batch_size=len(batch.index),
        )
        return loss

    def _gather(self, batch: Data) -> None:
        """Keep the squared error of every system."""
        square = (self(batch) - batch.labels[TARGET.name]).double().square().mean(-1)
        count = len(batch.index)
        total = square.new_zeros(count).index_add(0, batch.batch, square)
        self.errors.append(total / batch.batch.bincount(minlength=count))

    def validation_step(self, batch: Data, batch_idx: int) -> None:
        self._gather(batch)

    def test_step(self, batch: Data, batch_idx: int) -> None:
        self._gather(batch)

    def on_validation_epoch_end(self) -> None:
        error = float(torch.cat(self.errors).mean())
        self.errors.clear()
        self.log(self.monitor, error, prog_bar=True)

    def configure_optimizers(self) -> Any:
        """The optimizer, and a schedule of all steps if there is one."""
        optimizer = make_optimizer(self.settings, self.network)
        schedule = make_schedule(self.settings.schedule, optimizer, self._total_steps())
        if isinstance(schedule, SmoothedPlateau):
            raise ValueError("schedule 'plateau' is not for particles; take 'cosine'")
        if schedule is None:
            return optimizer
        scheduler = {"scheduler": schedule, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": scheduler}

    def _total_steps(self) -> int:
        trainer: Any = self.trainer
        return self.settings.epochs * len(trainer.datamodule.train_dataloader())

    def on_train_start(self) -> None:
        for config in self.trainer.lr_scheduler_configs:
            set_total_steps(config.scheduler, self._total_steps())

    def card(self) -> Card:
        """What the network predicts."""
        return Card(TARGET.name, "", "", notes={"dataset": TARGET.dataset})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["network"] = describe_model(self.network, self.card())
