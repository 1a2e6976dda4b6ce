"""The flows that prefect.yaml deploys."""

from reprise.flows.repro import repro
from reprise.flows.retrain import retrain

__all__ = ["repro", "retrain"]
