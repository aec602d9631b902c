"""The keys that sign access tokens: Ed25519 in PEM in, signatures and the public set (RFC 7517) out.

The first private key signs, all keys verify: a new key is put before the old one, and the old one is taken out when
the last token it signed has expired. A key is known by its thumbprint (RFC 7638), which nobody chooses.
"""

import base64
import hashlib
import re
from typing import Any, Final

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)
from msgspec import Struct

ALGORITHM: Final = "EdDSA"
TYPE: Final = "at+jwt"
"""RFC 9068: an access token, and nothing else that we might ever sign."""

_BLOCK: Final = re.compile(r"-----BEGIN (?P<kind>[A-Z ]+)-----(?P<body>.*?)-----END (?P=kind)-----", re.DOTALL)
_BREAK: Final = re.compile(r"\s|\\n")
"""Line breaks of PEM, which one line of an environment file cannot have: there they may be spaces, or written out."""


class PublicKey(Struct, frozen=True, kw_only=True):
    """One key of the public set: a JSON Web Key (RFC 8037)."""

    kid: str
    x: str
    """The key: base64url of its 32 bytes."""
    kty: str = "OKP"
    crv: str = "Ed25519"
    alg: str = ALGORITHM
    use: str = "sig"


class PublicKeys(Struct, frozen=True):
    """The public set."""

    keys: list[PublicKey]


class SigningKeys:
    """Signs with the newest key, verifies with each."""

    def __init__(self, signer: Ed25519PrivateKey, verifiers: tuple[Ed25519PublicKey, ...] = ()) -> None:
        self._signer = signer
        everyone = (signer.public_key(), *verifiers)
        self._by_kid = {thumbprint(key): key for key in everyone}
        self._kid = thumbprint(signer.public_key())

    @classmethod
    def read(cls, text: str) -> "SigningKeys":
        """Return the keys of `text`: PEM blocks, the private key that signs first, then others or their public halves.

        Raises:
            ValueError: no private key comes first, or a block is no Ed25519 key.
        """
        blocks = list(_BLOCK.finditer(text))
        if not blocks:
            raise ValueError("there is no PEM block: make a key with `openssl genpkey -algorithm ed25519`")
        keys = [_key(block["body"], block["kind"]) for block in blocks]
        signer = keys[0]
        if not isinstance(signer, Ed25519PrivateKey):
            raise ValueError("the first PEM block must be the private key that signs")  # noqa: TRY004  (a setting's value)
        return cls(signer, tuple(key.public_key() if isinstance(key, Ed25519PrivateKey) else key for key in keys[1:]))

    def sign(self, claims: dict[str, Any]) -> str:
        """Return a signed token of `claims`."""
        return jwt.encode(claims, self._signer, algorithm=ALGORITHM, headers={"typ": TYPE, "kid": self._kid})

    def verifier(self, kid: str) -> Ed25519PublicKey | None:
        """Return the key of that thumbprint, from our own set alone."""
        return self._by_kid.get(kid)

    def public(self) -> PublicKeys:
        """Return the public set."""
        return PublicKeys([PublicKey(kid=kid, x=_b64(_raw(key))) for kid, key in self._by_kid.items()])


def new_key() -> str:
    """Return a fresh private key as PEM."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def thumbprint(key: Ed25519PublicKey) -> str:
    """Return the key's name (RFC 7638): sha256 of its required members in lexical order."""
    members = msgspec.json.encode({"crv": "Ed25519", "kty": "OKP", "x": _b64(_raw(key))})
    return _b64(hashlib.sha256(members).digest())


def _key(body: str, kind: str) -> Ed25519PrivateKey | Ed25519PublicKey:
    found: object
    try:
        der = base64.b64decode(_BREAK.sub("", body), validate=True)
        found = load_der_public_key(der) if kind == "PUBLIC KEY" else load_der_private_key(der, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:
        raise ValueError(f"a PEM block ({kind}) cannot be read: it must be unencrypted PKCS 8") from e
    if not isinstance(found, Ed25519PrivateKey | Ed25519PublicKey):
        raise ValueError(f"a PEM block ({kind}) is no Ed25519 key")  # noqa: TRY004  (a setting's value)
    return found


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
