"""The adapter at work: sending, receiving, acknowledging."""

from adapters.agent.agent import Agent, Companion, Depot, Inward
from adapters.agent.tuning import Tuning

__all__ = ["Agent", "Companion", "Depot", "Inward", "Tuning"]
