"""One network in training: steps, errors, optimizer and schedule of any task."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_equivariant.nn.models import Card, describe_model

from .builders import build_network, make_optimizer
from .data import Target
from .errors import MeanError, Predictions, Quantity, mean_error
from .losses import masked_loss
from .references import Scaling
from .schedules import SmoothedPlateau, make_schedule, set_total_steps
from .settings import Settings

Pairs = dict[Quantity, tuple[Tensor, Tensor]]  # predictions beside the truth


class Task(L.LightningModule):
    """Train a network: what all tasks share.

    A task says what it measures (:meth:`measured`), what the network predicts of a
    batch (:meth:`forward`) and what that is to be compared with (:meth:`compare`).

    Args:
        settings: of the run, ``asdict(Settings(...))``.
        scaling: mean, scale and references, ``Scaling(...)._asdict()``.
        target: what is predicted, ``asdict(Target(...))``.
        species: atomic numbers of the training set.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        scaling: dict[str, Any],
        target: dict[str, Any],
        species: list[int] | None = None,
    ) -> None:
        super().__init__()
        # With these and the weights, a checkpoint is complete: plain values only
        self.save_hyperparameters()
        self.settings = Settings(**settings)
        self.target = Target(**target)
        self.scaling = Scaling(**scaling)
        self.species = species or []
        self.network = build_network(self.settings, self.scaling)
        self.plateau: SmoothedPlateau | None = None
        self._plateau_state: dict[str, Any] | None = None
        self.quantities = self.measured()
        self.gathered = torch.nn.ModuleDict(
            {quantity.key: Predictions() for quantity in self.quantities}
        )
        self.tested: dict[Quantity, tuple[Tensor, Tensor, MeanError]] = {}

    def measured(self) -> tuple[Quantity, ...]:
        """What errors are reported of."""
        raise TypeError(f"{type(self).__name__} does not define measured()")

    def compare(self, batch: Data, predicted: dict[str, Tensor]) -> Pairs:
        """Predictions beside the labels of a batch, which are NaN where unknown."""
        raise TypeError(f"{type(self).__name__} does not define compare()")

    def loss(self, pairs: Pairs) -> Tensor:
        """The sum of the losses of all quantities that have a weight."""
        losses = [
            quantity.weight
            * masked_loss(self.settings.loss, *pair, quantity.scale, self._count(*pair))
            for quantity, pair in pairs.items()
            if quantity.weight
        ]
        return torch.stack(losses).sum()

    def _count(self, predicted: Tensor, true: Tensor) -> Tensor | None:
        """How many labels a process has: the mean, as gradients are averaged, too."""
        if self._trainer is None or self._trainer.world_size == 1:
            return None
        count = (~true.isnan()).sum().to(predicted)
        mean: Tensor = self._trainer.strategy.reduce(count, reduce_op="mean")
        return mean

    def training_step(self, batch: Data, batch_idx: int) -> Tensor:
        pairs = self.compare(batch, self(batch))
        loss = self.loss(pairs)
        trainer: Any = self.trainer
        if self.global_step % trainer.log_every_n_steps == 0:
            self._show(pairs, loss.detach(), len(batch.index))
        return loss

    def _show(self, pairs: Pairs, loss: Tensor, size: int) -> None:
        """The errors of a step, in the progress bar and in the curve."""
        values = {"loss": loss}
        for quantity, (predicted, true) in pairs.items():
            error = masked_loss("l1", predicted.detach(), true) * quantity.factor
            name = quantity.named("train")
            values[name] = error
            shown = bool(quantity.weight)
            self.log(name, error, prog_bar=shown, logger=False, batch_size=size)
        self._write(values)

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

    def gather(self, batch: Data) -> None:
        """Predict a batch, and keep that beside its labels."""
        for quantity, (predicted, true) in self.compare(batch, self(batch)).items():
            each = len(true) != len(batch.index)
            index = batch.index[batch.batch] if each else batch.index
            self._gathered(quantity).update(index, predicted, true)

    def _gathered(self, quantity: Quantity) -> Predictions:
        metric = self.gathered[quantity.key]
        assert isinstance(metric, Predictions)
        return metric

    def validation_step(self, batch: Data, batch_idx: int) -> None:
        self.gather(batch)

    def test_step(self, batch: Data, batch_idx: int) -> None:
        self.gather(batch)

    def on_validation_epoch_end(self) -> None:
        pairs = self.collect()
        for quantity, pair in pairs.items():
            error = mean_error(*pair)
            mae, rmse = (quantity.named("val", kind) for kind in ("mae", "rmse"))
            shown = bool(quantity.weight)
            self.log(mae, error.mae * quantity.factor, prog_bar=shown)
            if quantity.name:
                self.log(rmse, error.rmse * quantity.factor)
        monitored = self._monitored(pairs)
        if self.monitor == "val_loss":
            self.log(self.monitor, monitored)
        if self.plateau is not None and not self.trainer.sanity_checking:
            self.plateau.step(monitored)

    @property
    def monitor(self) -> str:
        """What is lowest of the best weights."""
        first, *others = self.quantities
        return "val_loss" if others else first.named("val")

    def _monitored(self, pairs: Pairs) -> float:
        if self.monitor == "val_loss":
            return float(self.loss(pairs))
        (quantity,) = pairs
        return mean_error(*pairs[quantity]).mae * quantity.factor

    def on_test_epoch_end(self) -> None:
        for quantity, pair in self.collect().items():
            predicted, true = (quantity.factor * value.cpu() for value in pair)
            self.tested[quantity] = predicted, true, mean_error(predicted, true)

    def collect(self) -> Pairs:
        """What was gathered by all processes, in float64; it is forgotten."""
        found = {}
        for quantity in self.quantities:
            metric = self._gathered(quantity)
            if metric.predicted:
                predicted, true = metric.compute()
                found[quantity] = predicted.double(), true.double()
            metric.reset()
        return found

    def configure_optimizers(self) -> Any:
        # Lightning clips no fused optimizer where precisions are mixed
        fused = self.trainer.precision in ("32-true", "64-true")
        optimizer = make_optimizer(self.settings, self.network, fused)
        schedule = make_schedule(self.settings.schedule, optimizer, self._total_steps())
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

    def _total_steps(self) -> int:
        # Not trainer.estimated_stepping_batches: it sets the training loader up before
        # a checkpoint has said where to go on in it
        trainer: Any = self.trainer
        return self.settings.epochs * len(trainer.datamodule.train_dataloader())

    def card(self) -> Card:
        """What the network predicts, in which unit, for which atoms."""
        species = tuple(self.species) or None
        notes = {"dataset": self.target.dataset}
        target = self.target
        return Card(target.name, target.own_unit, species=species, notes=notes)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["network"] = describe_model(self.network, self.card())
        if self.plateau is not None:
            checkpoint["plateau"] = self.plateau.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._plateau_state = checkpoint.get("plateau")

    def on_train_start(self) -> None:
        if self.plateau is not None and self._plateau_state is not None:
            self.plateau.load_state_dict(self._plateau_state)
        for config in self.trainer.lr_scheduler_configs:
            set_total_steps(config.scheduler, self._total_steps())
