"""Passwords: Argon2id by its own parameters, compared in the same time for known and unknown names."""

import time

import argon2
import pytest

from services.gateway.access.passwords import LEAST, MOST, Passwords


async def test_what_is_stored_is_argon2id_with_the_stated_cost_and_a_salt_of_its_own():
    passwords = Passwords()
    first, second = await passwords.hash("correct horse battery"), await passwords.hash("correct horse battery")
    found = argon2.extract_parameters(first)
    assert (found.type, found.memory_cost, found.time_cost, found.parallelism) == (argon2.Type.ID, 19 * 1024, 2, 1)
    assert first != second
    assert argon2.PasswordHasher().verify(first, "correct horse battery")  # by the library alone


async def test_only_the_password_fits_and_nothing_fits_nobody():
    passwords = Passwords()
    stored = await passwords.hash("correct horse battery")
    assert await passwords.fits("correct horse battery", stored)
    assert not await passwords.fits("correct horse batterz", stored)
    assert not await passwords.fits("", stored)
    assert not await passwords.fits("the password of nobody", None)
    assert not await passwords.fits("anything", "no hash at all")


@pytest.mark.parametrize("password", ["", "x" * (LEAST - 1), "x" * (MOST + 1)])
async def test_a_password_that_is_too_short_or_too_long_is_refused(password):
    with pytest.raises(ValueError, match="12 to 256"):
        await Passwords().hash(password)


async def test_a_name_that_is_not_known_takes_as_long():
    passwords = Passwords()
    stored = await passwords.hash("correct horse battery")
    known = min([await _took(passwords, stored) for _ in range(5)])
    unknown = min([await _took(passwords, None) for _ in range(5)])
    assert unknown > 0.3 * known


async def _took(passwords: Passwords, stored: str | None) -> float:
    began = time.perf_counter()
    await passwords.fits("wrong horse battery", stored)
    return time.perf_counter() - began
