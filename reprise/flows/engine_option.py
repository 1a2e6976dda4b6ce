"""Define what an engine's settings are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineOption:
    """Describes a setting of an engine: an option of `reprise run`, and a parameter of the flow.

    It is None where it is not given. `metavar` and `help`, one after the other, say what it is.
    """

    name: str
    help: str
    metavar: str
    type: type = str

    @property
    def flag(self) -> str:
        """Return the option as it is written on the command line."""
        return "--" + self.name.replace("_", "-")
