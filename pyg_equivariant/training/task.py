"""One property, one network: the loss, the errors and the optimizer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Optimizer
from torch_geometric.data import Data

from pyg_equivariant.networks import find_network

from .data import Target
from .errors import MeanError, Predictions, mean_error
from .scaling import Scaling
from .schedules import SmoothedPlateau, make_schedule
from .settings import Settings


class PropertyTask(L.LightningModule):
    """Train a network on a property of molecules.

    The network predicts in the unit of the data; the loss is in units of the mean
    absolute deviation, errors are in the unit of the papers.

    Args:
        settings: of the run, ``asdict(Settings(...))``.
        scaling: mean, scale and references, ``Scaling(...)._asdict()``.
        target: what is predicted, ``asdict(Target(...))``.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        scaling: dict[str, Any],
        target: dict[str, Any],
    ) -> None:
        super().__init__()
        # With these and the weights, a checkpoint is complete: plain values only
        self.save_hyperparameters()
        self.settings = Settings(**settings)
        self.target = Target(**target)
        self.deviation = scaling["scale"]
        self.network = build_network(self.settings, Scaling(**scaling))
        self.errors = Predictions()
        self.plateau: SmoothedPlateau | None = None
        self._plateau_state: dict[str, Any] | None = None
        self.tested: tuple[Tensor, Tensor, MeanError] | None = None

    def forward(self, data: Data, batch_size: int) -> Tensor:
        """Predict the property of every molecule."""
        prediction: Tensor = self.network(
            data.z,
            data.pos,
            data.batch,
            edge_index=data.edge_index,
            batch_size=batch_size,
        )
        return prediction.squeeze(-1)

    def training_step(self, batch: Data, batch_idx: int) -> Tensor:
        predicted = self(batch, len(batch.y))
        loss_function = F.l1_loss if self.settings.loss == "l1" else F.mse_loss
        loss = loss_function(predicted / self.deviation, batch.y / self.deviation)
        error = (predicted.detach() - batch.y).abs().mean() * self.target.factor
        name = self.named("train")
        self.log(name, error, prog_bar=True, logger=False, batch_size=len(batch.y))
        if self.global_step % self.trainer.log_every_n_steps == 0:
            self._write({"loss": loss.detach(), name: error})
        return loss

    def _write(self, values: dict[str, Tensor]) -> None:
        """Log a step at once.

        Lightning does so after the checkpoint of the step; a run that resumes from
        there would leave it out.
        """
        mean = {key: self.trainer.strategy.reduce(values[key]) for key in values}
        row = {key: float(value) for key, value in mean.items()}
        row["lr"] = self.trainer.optimizers[0].param_groups[0]["lr"]
        row["epoch"] = self.current_epoch
        for logger in self.loggers:
            logger.log_metrics(row, step=self.global_step)

    def validation_step(self, batch: Data, batch_idx: int) -> None:
        self.errors.update(batch.index, self(batch, len(batch.y)), batch.y)

    def on_validation_epoch_end(self) -> None:
        mae = self.collect()[2].mae
        self.log(self.named("val"), mae, prog_bar=True)
        if self.plateau is not None and not self.trainer.sanity_checking:
            self.plateau.step(mae)

    def test_step(self, batch: Data, batch_idx: int) -> None:
        self.errors.update(batch.index, self(batch, len(batch.y)), batch.y)

    def on_test_epoch_end(self) -> None:
        self.tested = self.collect()

    def collect(self) -> tuple[Tensor, Tensor, MeanError]:
        """Predictions, truth and error of all processes, in the unit of the papers."""
        predicted, true = self.errors.compute()
        self.errors.reset()
        predicted = predicted.double() * self.target.factor
        true = true.double() * self.target.factor
        return predicted.cpu(), true.cpu(), mean_error(predicted, true)

    def named(self, stage: str) -> str:
        """The name of an error in logs and progress bars, with its unit."""
        return f"{stage}_mae_{self.target.unit.replace('/', '_per_')}"

    def configure_optimizers(self) -> Any:
        optimizer = make_optimizer(self.settings, self.network)
        # Not trainer.estimated_stepping_batches: it sets the training loader up before
        # a checkpoint has said where to go on in it
        steps = len(self.trainer.datamodule.train_dataloader())
        total_steps = self.settings.epochs * steps
        schedule = make_schedule(self.settings.schedule, optimizer, total_steps)
        if isinstance(schedule, SmoothedPlateau):
            # Lightning moves a plateau forward after the checkpoint of the epoch, and
            # not at all after a resume: it is moved in on_validation_epoch_end instead.
            self.plateau = schedule
            return optimizer
        if schedule is None:
            return optimizer
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.plateau is not None:
            checkpoint["plateau"] = self.plateau.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._plateau_state = checkpoint.get("plateau")

    def on_train_start(self) -> None:
        if self.plateau is not None and self._plateau_state is not None:
            self.plateau.load_state_dict(self._plateau_state)


def build_network(settings: Settings, scaling: Scaling) -> torch.nn.Module:
    """A network that predicts in the unit of the data."""
    atomref = None if scaling.atomref is None else torch.tensor(scaling.atomref)
    return find_network(settings.model).model(
        **settings.network,
        head=settings.head,
        mean=scaling.mean,
        scale=scaling.scale,
        atomref=atomref,
    )


def make_optimizer(settings: Settings, network: torch.nn.Module) -> Optimizer:
    """The optimizer of a run."""
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    if settings.optimizer not in kinds:
        raise ValueError(
            f"got optimizer {settings.optimizer!r}, expected one of {', '.join(kinds)}"
        )
    return kinds[settings.optimizer](
        network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay
    )


def load_task(checkpoint: dict[str, Any], target: Target | None = None) -> PropertyTask:
    """The task of a checkpoint, with its weights: averaged ones if it averages.

    Args:
        checkpoint: as it was written.
        target: of a checkpoint that names its target and no more, as older ones do.
    """
    older = {} if target is None else {"target": asdict(target)}
    task = PropertyTask(**{**older, **checkpoint["hyper_parameters"]})
    task.load_state_dict(checkpoint["state_dict"])
    return task.eval()
