"""How people come in, for tests: the parts of signing in, a person, a browser."""

from collections.abc import Callable
from typing import Any, Self

import httpx

from services.gateway.access import people
from services.gateway.access.front import Seals, front
from services.gateway.access.guard import Guard
from services.gateway.access.keyring import Keyring
from services.gateway.access.passwords import Passwords
from services.gateway.access.people import User
from services.gateway.access.scopes import Role
from services.gateway.access.sign_in import SignIns
from services.gateway.access.signing import SigningKeys, new_key
from services.gateway.store.latest import Latest
from services.gateway.store.store import Store

PASSWORD = "correct horse battery"
SITE = "http://127.0.0.1:8080"
SEALS = Seals(
    keys=SigningKeys.read(new_key()), secrets=(b"a secret of the tests, long enough",), public_url=SITE, secure=False
)


def sign_ins(
    store: Store, latest: Latest, keyring: Keyring, guard: Guard, clock: Callable[[], int], **more: Any
) -> SignIns:
    async def tell(credential: str) -> None:
        guard.forget(credential)

    return front(
        SEALS,
        pool=lambda: store.pool,
        redis=latest.redis,
        keyring=keyring,
        guard=guard,
        clock=clock,
        monotonic=lambda: clock() / 1e9,
        **{"tell": tell} | more,
    )


async def person(store: Store, name: str = "ada", role: Role = Role.READER, *, at_ns: int = 1) -> User:
    """Somebody who may sign in with PASSWORD."""
    hashed = await Passwords().hash(PASSWORD)
    user = User(user_id=f"usr_{name}", name=name, role=role, password=hashed, created_ns=at_ns)
    assert await people.add(store.pool, user)
    return user


class Browser:
    """A page in a browser: it keeps cookies, and sends the session's word with every change."""

    def __init__(self, app: Any) -> None:
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=SITE)
        self.word = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(path)

    async def post(self, path: str, json: object = None, *, word: str | None = None) -> httpx.Response:
        word = self.word if word is None else word
        headers = {"X-CSRF-Token": word} if word else {}
        return await self.http.post(path, json=json if json is not None else {}, headers=headers)

    async def sign_in(self, **who: str) -> httpx.Response:
        answer = await self.post("/v1/auth/sign-in", who or {"name": "ada", "password": PASSWORD})
        if answer.status_code == 200:
            self.word = answer.json()["csrf"]
        return answer

    async def refresh(self) -> httpx.Response:
        return await self.post("/v1/auth/refresh")

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value or "" for cookie in self.http.cookies.jar}
