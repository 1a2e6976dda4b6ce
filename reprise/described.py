"""Give the members of an enumeration a description each."""

from enum import StrEnum
from typing import Self


class DescribedEnum(StrEnum):
    """Holds texts that name things, each with what it means: `NAME = "value", "description"`.

    A member is its value, as of any StrEnum. description: says what it means.
    """

    description: str

    def __new__(cls, value: str, description: str = "") -> Self:
        """Make a member. Called with a value alone, the class looks its member up."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member
