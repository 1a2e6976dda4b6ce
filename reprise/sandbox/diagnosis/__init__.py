"""Find out from what a failed command printed which undeclared inputs it lacked."""

from reprise.sandbox.diagnosis.diagnose import diagnose

__all__ = ["diagnose"]
