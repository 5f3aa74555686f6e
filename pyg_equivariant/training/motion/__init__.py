"""Train the rows of the table of charged particles, as their papers do."""

from .particles import particle_data, particle_settings
from .run import MotionRun
from .task import MotionTask

__all__ = ["particle_settings", "particle_data", "MotionRun", "MotionTask"]
