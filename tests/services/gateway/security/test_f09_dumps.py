"""Finding 9 and S-12: keys lay in the database as they were; a dump of ours opens nothing."""

import base64
import hashlib

from services.gateway.access.scopes import Role
from tests.services.gateway.entering import PASSWORD, Browser, person
from tests.services.gateway.holding import holder

_TABLES = """
SELECT table_schema || '.' || table_name AS name FROM information_schema.tables
WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'
"""


async def everything(gateway):
    """Return all that the stores hold, as bytes: texts, and what stands in columns of bytes."""
    found = []
    for table in await gateway.store.pool.fetch(_TABLES):
        for row in await gateway.store.pool.fetch(f"SELECT * FROM {table['name']}"):
            found += [one if isinstance(one, bytes) else str(one).encode() for one in row.values()]
    redis = gateway.latest.redis
    async for key in redis.scan_iter("*"):
        found += [key, await redis.dump(key) or b""]
    return b"\n".join(found)


async def test_f09_a_dump_of_the_tables_holds_no_secret(gateway):
    secrets = {PASSWORD, gateway.key, gateway.key[20:63]}
    await person(gateway.store)
    async with await holder(gateway) as client:
        for number in range(3):
            head = {"Idempotency-Key": f"a-key-of-idempotency-{number}"}
            wish = {"name": "desk", "scopes": ["read:market"]}
            made = (await client.post("/v1/keys", json=wish, headers=head)).json()
            turned = (await client.post(f"/v1/keys/{made['key']['key_id']}/rotate", json={}, headers=head)).json()
            secrets |= {head["Idempotency-Key"]}
            for text in (made["secret"], turned["secret"]):
                secrets |= {text, text[20:], text[20:63]}
        spoken = "correct horse battery staple"
        body = {"name": "eve", "role": "reader", "password": spoken}
        created = await client.post("/v1/users", json=body, headers={"Idempotency-Key": "another-key-of-it"})
        assert created.status_code == 201
        changed = {"password": spoken + "!"}
        assert (await client.patch(f"/v1/users/{created.json()['user_id']}", json=changed)).status_code == 200
        secrets |= {spoken, "another-key-of-it"}
    async with Browser(gateway.app) as browser:
        assert (await browser.sign_in()).status_code == 200
        secrets |= {value for value in browser.cookies.values() if len(value) > 8}
    dump = await everything(gateway)
    assert b"keys.rotate" in dump  # it is a dump
    assert len(secrets) > 15
    for secret in secrets:
        raw = secret.encode()
        for spelt in (raw, base64.b64encode(raw)[:-4], raw.hex().encode()):
            assert spelt not in dump, secret
    # nor what a fast guess would be checked against: a password's only trace is slow
    for password in (PASSWORD, spoken):
        for digest in (hashlib.sha256, hashlib.sha1, hashlib.md5):
            word = digest(password.encode())
            assert word.digest() not in dump
            assert word.hexdigest().encode() not in dump
    hashes = await gateway.store.pool.fetch("SELECT password FROM gateway.users WHERE password IS NOT NULL")
    assert len(hashes) == 2
    assert all(row["password"].startswith("$argon2id$") for row in hashes)


async def test_what_a_dump_holds_of_a_key_opens_nothing(gateway):
    row = await gateway.store.pool.fetchrow("SELECT * FROM gateway.api_keys")
    async with gateway.client(Accept="*/*") as client:
        for word in (row["digest"].hex(), base64.b64encode(row["digest"]).decode(), row["key_id"]):
            for text in (word, f"csx_live_{row['key_id']}_{word[:49]}"):
                answer = await client.get("/v1/markets", headers={"Authorization": f"Bearer {text}"})
                assert answer.status_code == 401


async def test_one_key_s_hash_tells_nothing_of_another_s(gateway):
    async with await holder(gateway, Role.READER) as client:
        for _ in range(5):
            await client.post("/v1/keys", json={"name": "same", "scopes": ["read:market"]})
    digests = [row["digest"] for row in await gateway.store.pool.fetch("SELECT digest FROM gateway.api_keys")]
    assert len(set(digests)) == len(digests) == 7
    assert all(len(digest) == 32 for digest in digests)
