"""One identity provider: its documents and keys, a code's token, and a token's claims, verified; nothing else is asked.

What its documents name must be https as well. A token is verified with the provider's keys, by the one algorithm of the
key's kind, whatever the token's header says.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

import jwt
from msgspec import Struct

from libs.common.runtime.clock import now_ns
from services.gateway.access.fetching import Fetcher, FetchError
from services.gateway.problems import Problem, field_problem

log = logging.getLogger(__name__)

ALGORITHMS: Final = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
"""The only algorithm that each kind of key is used with."""

_KEPT_NS: Final = 3_600 * 1_000_000_000
_AGAIN_NS: Final = 30 * 1_000_000_000
"""Keys are asked for anew at most so often, however many tokens name a key that is not known."""
_LEEWAY_S: Final = 30
_LONGEST_TOKEN: Final = 16 * 1024
_TOLD: Final = ("exp", "iat", "iss", "aud", "sub")


class Client(Struct, frozen=True, kw_only=True):
    """What we are to the provider of our settings."""

    issuer: str
    client_id: str
    client_secret: str = ""
    """Empty for a public client: PKCE alone."""
    redirect_uri: str


class Documents(Struct, frozen=True, kw_only=True):
    """What the provider says of itself."""

    at_ns: int
    authorization: str
    token: str
    jwks: str


class Provider:
    """Asks one provider."""

    def __init__(self, client: Client, fetcher: Fetcher, *, clock: Callable[[], int] = now_ns) -> None:
        self.client = client
        self._fetcher = fetcher
        self._clock = clock
        self._documents: Documents | None = None
        self._jwks: tuple[int, dict[str, jwt.PyJWK]] = (-_AGAIN_NS, {})

    async def exchange(self, code: str, verifier: str) -> str:
        """Return the ID token of a code.

        Raises:
            Problem: `unauthenticated`, or the provider does not answer.
        """
        provider, mine = await self.documents(), self.client
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": mine.redirect_uri,
            "code_verifier": verifier,
        }
        auth = (mine.client_id, mine.client_secret) if mine.client_secret else None
        if auth is None:
            form["client_id"] = mine.client_id
        try:
            answer = await self._fetcher.post(provider.token, form, auth=auth)
        except FetchError as e:
            log.warning("a provider gave no token", extra={"error": str(e)})
            raise field_problem("unauthenticated", "code", "the provider did not take the code: begin again") from e
        token = answer.get("id_token")
        if not isinstance(token, str) or len(token) > _LONGEST_TOKEN:
            raise forged("there is none")
        return token

    async def claims(self, token: str) -> dict[str, Any]:
        """Return what an ID token for us says.

        Raises:
            Problem: `unauthenticated`, or the provider does not answer.
        """
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(header.get("kid"))
            if "crit" in header or header.get("alg") != ALGORITHMS.get(key.key_type or ""):
                raise forged("its algorithm is not the key's")
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHMS[key.key_type or ""]],
                audience=self.client.client_id,
                issuer=self.client.issuer,
                leeway=_LEEWAY_S,
                options={"require": list(_TOLD), "strict_aud": False},
            )
        except (jwt.PyJWTError, ValueError) as e:
            raise forged("it is not the provider's, or not for us, or not of now") from e
        audience, party = claims["aud"], claims.get("azp")
        if (isinstance(audience, list) and len(audience) > 1 and party is None) or party not in {
            None,
            self.client.client_id,
        }:
            raise forged("it was made for another client")
        return dict(claims)

    async def _key(self, kid: object) -> jwt.PyJWK:
        at_ns, known = self._jwks
        missing = kid not in known if kid is not None else not known
        if self._clock() - at_ns >= (_AGAIN_NS if missing else _KEPT_NS):
            known = await self._fetched_keys()
            self._jwks = (self._clock(), known)
        found = known.get(str(kid)) if kid is not None else (next(iter(known.values())) if len(known) == 1 else None)
        if found is None:
            raise forged("its key is not the provider's")
        return found

    async def _fetched_keys(self) -> dict[str, jwt.PyJWK]:
        document = await self._fetch((await self.documents()).jwks)
        found = {}
        for one in document.get("keys") or ():
            if not isinstance(one, dict) or one.get("kty") not in ALGORITHMS or one.get("use", "sig") != "sig":
                continue
            try:
                found[str(one.get("kid"))] = jwt.PyJWK(one, algorithm=ALGORITHMS[one["kty"]])
            except (jwt.PyJWTError, ValueError, TypeError) as e:
                log.warning("a provider's key cannot be read", extra={"error": repr(e)})
        return found

    async def documents(self) -> Documents:
        """Return where the provider is asked what; kept for an hour.

        Raises:
            Problem: it does not answer as it should.
        """
        known, now = self._documents, self._clock()
        if known is not None and now - known.at_ns < _KEPT_NS:
            return known
        issuer = self.client.issuer
        document = await self._fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != issuer:
            log.warning("a provider calls itself by another name", extra={"issuer": issuer})
            raise _away()
        try:
            found = Documents(
                at_ns=now,
                authorization=self._fetcher.check(str(document.get("authorization_endpoint", ""))),
                token=self._fetcher.check(str(document.get("token_endpoint", ""))),
                jwks=self._fetcher.check(str(document.get("jwks_uri", ""))),
            )
        except FetchError as e:
            log.warning("a provider names an address that is not asked", extra={"error": str(e)})
            raise _away() from e
        self._documents = found
        return found

    async def _fetch(self, url: str) -> dict[str, Any]:
        try:
            return await self._fetcher.get(url)
        except FetchError as e:
            log.warning("a provider does not answer", extra={"error": str(e)})
            raise _away() from e


def forged(why: str) -> Problem:
    """Return the problem of a token that is not what it should be."""
    return field_problem("unauthenticated", "id_token", f"the provider's token opens nothing: {why}")


def _away() -> Problem:
    return Problem("dependency_down", "the provider does not answer as it should; try again")
