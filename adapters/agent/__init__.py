"""The adapter at work: sending, receiving, acknowledging."""

from adapters.agent.agent import Agent, Broker, Depot
from adapters.agent.pace import Pace

__all__ = ["Agent", "Broker", "Depot", "Pace"]
