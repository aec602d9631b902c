"""The errors of this system, by what is to be done about them.

CsxError                  ends a command with its `exit_code` and its message as the one line a person reads
├── CheckFailed       1   something was checked and is not so
├── InputError        2   usage, or an input that cannot be read
├── ConfigurationError 3  settings that cannot work
├── DependencyDown    5   a broker, database or venue that does not answer
└── Mismatch          7   a verification that came out different
Retry                     try again, not before `after_s`
"""

from typing import ClassVar


class CsxError(Exception):
    """An error that a person can act on; its message says how."""

    exit_code: ClassVar[int] = 1


class CheckFailed(CsxError):
    """Something was checked and is not so."""


class InputError(CsxError):
    """Wrong usage, or an input that cannot be read."""

    exit_code = 2


class ConfigurationError(CsxError):
    """Settings that cannot work; the message names the key."""

    exit_code = 3


class DependencyDown(CsxError):
    """A broker, database or venue that does not answer."""

    exit_code = 5


class Mismatch(CsxError):
    """A verification that came out different."""

    exit_code = 7


class Retry(Exception):
    """Try again; not before `after_s` where the other side said so."""

    def __init__(self, message: str, *, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s
