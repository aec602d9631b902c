"""Passwords: hashed with Argon2id and compared in a thread, one at a time, known name or not.

19 MiB and two passes (the OWASP password storage guide's second row) cost a guess some thirty milliseconds; one at a
time, so that guesses from everywhere together never take more than one thread and one hash's memory.
"""

import asyncio
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

LEAST: Final = 12
"""Characters of a password at least (NIST SP 800-63B asks for eight); no rule of what kind they are."""
MOST: Final = 256

_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
_NOBODYS: Final = _HASHER.hash("the password of nobody")


class Passwords:
    """Hashes and compares, one at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def hash(self, password: str) -> str:
        """Return what is stored of a password: Argon2id in PHC form.

        Raises:
            ValueError: it is too short or too long.
        """
        check(password)
        async with self._turn:
            return await asyncio.to_thread(_HASHER.hash, password)

    async def fits(self, password: str, stored: str | None) -> bool:
        """Tell whether `password` is the stored one; takes as long where nothing is stored."""
        async with self._turn:
            right = await asyncio.to_thread(_verify, stored or _NOBODYS, password)
        return right and stored is not None


def check(password: str) -> None:
    """Refuse what is no good password.

    Raises:
        ValueError: it is too short or too long.
    """
    if not LEAST <= len(password) <= MOST:
        raise ValueError(f"a password has {LEAST} to {MOST} characters")


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
