"""The gateway's settings, from the environment."""

from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from libs.common.runtime.settings import ServiceSettings
from services.gateway.access.checking import is_loopback, keys_fault, url_fault
from services.gateway.access.keys import well_formed
from services.gateway.limits.policy import Quotas
from services.gateway.perimeter import checking
from services.gateway.perimeter.perimeter import Rules
from services.gateway.perimeter.transport import Transport

_SECRET_BYTES: Final = 32
_SECRETS: Final = 2
T = TypeVar("T")

_ANY: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  (compared, not bound)


class Settings(ServiceSettings, env_prefix="CSX_GATEWAY_"):
    """Where it listens and whom it lets in; the order of the fields is the order of their checks."""

    host: str = "127.0.0.1"
    """Where it listens."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Its port; 0 takes any free one."""
    feed: Literal["live", "recorded", "sandbox"] = "live"
    """What the ingest is fed from; only the sandbox may be read without a key."""
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Host names that requests may name; on loopback the loopback's own names, elsewhere any, where empty."""
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins of other web pages that may ask: `https://desk.example`; `*` any, which then send no cookies."""
    credentials: bool = False
    """Browsers may send cookies with what the pages of these origins ask."""
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Networks of the proxies before it (`10.0.0.0/24`): what they say of the client's address and scheme is taken."""
    transport: Transport = Field(default=Transport.PLAIN, validate_default=True)
    """`plain`: for this machine alone; `proxy`: a proxy before it speaks HTTPS; `tls`: it speaks HTTPS itself."""
    tls_cert: Path | None = None
    """With the transport `tls`: a PEM file with the certificate and its chain."""
    tls_key: Path | None = Field(default=None, validate_default=True)
    """With the transport `tls`: a PEM file with the certificate's key."""
    max_in_flight: int = Field(default=512, ge=1)
    """Requests that may be answered at once."""
    heartbeat_s: float = Field(default=15.0, gt=0)
    """Seconds between two heartbeats of the stream."""
    stale_after_s: float = Field(default=15.0, gt=0)
    """A price, book or feed that is older is marked stale."""
    max_clients: int = Field(default=1000, ge=1)
    """WebSocket clients at once."""
    queue_size: int = Field(default=1000, ge=1)
    """Signals that may wait for one slow client before it is cut."""
    max_connections_per_address: int = Field(default=20, ge=1)
    """Streams that one address may have open."""
    limit_second: int = Field(default=20, ge=1, le=100_000)
    """Requests a second of one credential."""
    limit_minute: int = Field(default=600, ge=100, le=6_000_000)
    """Cost of one credential's requests a minute."""
    limit_day: int = Field(default=0, ge=0, le=1_000_000_000)
    """Cost of one credential's requests a day, where its key has no quota of its own; 0: no limit by day."""
    limit_address: int = Field(default=300, ge=1, le=6_000_000)
    """Requests a minute of one address that shows no credential."""
    limit_address_known: int = Field(default=3_000, ge=1, le=6_000_000)
    """Requests a minute of one address that shows credentials."""
    limit_failures: int = Field(default=10, ge=1, le=6_000_000)
    """Refused credentials a minute of one address; then it is locked out."""
    replicas: int = Field(default=1, ge=1)
    """Gateways that share one Redis: without it each admits its part of every limit."""
    cache_mib: int = Field(default=16, ge=0)
    """Memory for answers that are kept a moment for all who ask the same; 0 keeps none."""
    mcp_writes: bool = False
    """Tools of assistants may also change what their key may change: rules, subscriptions, keys."""
    chats: Annotated[tuple[str, ...], NoDecode] = ()
    """Telegram chats that anybody with an account may name as theirs; others wait for an administrator."""
    lag_s: float = Field(default=30.0, gt=0)
    """A projection that is further behind its topic makes this process not ready."""
    secret: SecretStr = Field(default=SecretStr(""), validate_default=True)
    """32 bytes at least, the same for all replicas: signs cursors and the page's words, seals answers that hold a
    secret. Two with a comma between while it is rotated, the new one first. Production does not start without it."""
    signing_keys: SecretStr = Field(default=SecretStr(""), validate_default=True)
    """Ed25519 keys in PEM that sign the tokens of who signs in, the same for all replicas: the first signs, all verify.
    `openssl genpkey -algorithm ed25519` makes one. Production does not start without it."""
    public_url: str = Field(default="", validate_default=True)
    """Where browsers reach it: `https://desk.example`; issues the tokens. Production does not start without it."""
    oidc_issuer: str = ""
    """An OpenID Connect provider that people may sign in with: its address, as it writes it; empty: none."""
    oidc_client_id: str = ""
    """What the provider calls us."""
    oidc_client_secret: SecretStr = SecretStr("")
    """Our secret with the provider; empty for a public client."""
    oidc_role_claim: str = ""
    """The claim of the provider's tokens that says what people are; without it all of them read."""
    oidc_traders: Annotated[tuple[str, ...], NoDecode] = ()
    """Values of that claim that make a trader."""
    bootstrap_key: SecretStr = SecretStr("")
    """An API key that needs no row in the database: `csx up` makes one for its page. Local environment only."""
    anonymous: bool = False
    """Reading without a key: the sandbox market on loopback, local environment, nothing else."""

    @field_validator("allowed_hosts", "allowed_origins", "trusted_proxies", "chats", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().lower().rstrip("/") for part in value.split(",") if part.strip())
        return value

    @field_validator("secret")
    @classmethod
    def _secret_is_long(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        words = _words(value)
        if not words and info.data.get("environment") != "local":
            raise ValueError(f"is missing: make one with `openssl rand -hex {_SECRET_BYTES}`")
        if any(len(word) < _SECRET_BYTES for word in words):
            raise ValueError(f"has {_SECRET_BYTES} bytes at least, as `openssl rand -hex {_SECRET_BYTES}` makes")
        if len(words) > _SECRETS or len(set(words)) < len(words):
            raise ValueError("is one secret, or the new and the old one with a comma between")
        return value

    @field_validator("oidc_traders", mode="before")
    @classmethod
    def _values(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("signing_keys")
    @classmethod
    def _keys_sign(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        return _unless(keys_fault(value.get_secret_value(), production=info.data.get("environment") != "local"), value)

    @field_validator("public_url", "oidc_issuer")
    @classmethod
    def _addresses_are_safe(cls, value: str, info: ValidationInfo) -> str:
        production, needed = info.data.get("environment") != "local", info.field_name == "public_url"
        plain = not production or info.data.get("transport") is Transport.PLAIN
        return _unless(url_fault(value, needed=production and needed, plain=plain), value)

    @field_validator("allowed_origins")
    @classmethod
    def _origins_are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _unless(checking.origins_fault(value), value)

    @field_validator("credentials")
    @classmethod
    def _credentials_are_for_named_origins(cls, value: bool, info: ValidationInfo) -> bool:
        return _unless(checking.credentials_fault(info.data.get("allowed_origins", ())) if value else None, value)

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_few(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _unless(checking.proxies_fault(value), value)

    @field_validator("transport")
    @classmethod
    def _transport_is_safe(cls, value: Transport, info: ValidationInfo) -> Transport:
        names = info.data.get("allowed_hosts", ())
        fault = checking.transport_fault(
            value,
            production=info.data.get("environment") == "production",
            local=is_loopback(str(info.data.get("host"))) or (bool(names) and all(map(is_loopback, names))),
            proxies=info.data.get("trusted_proxies", ()),
        )
        return _unless(fault, value)

    @field_validator("tls_key")
    @classmethod
    def _tls_has_its_files(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        files = (info.data.get("tls_cert"), value)
        if info.data.get("transport") is Transport.TLS and not all(file and file.is_file() for file in files):
            raise ValueError("the transport tls needs CSX_GATEWAY_TLS_CERT and CSX_GATEWAY_TLS_KEY, files of PEM")
        return value

    @field_validator("bootstrap_key")
    @classmethod
    def _bootstrap_is_local(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        if not value.get_secret_value():
            return value
        if info.data.get("environment") != "local":
            raise ValueError("a bootstrap key is for the local environment: make one with `csx gateway keys create`")
        if not well_formed(value.get_secret_value()):
            raise ValueError("this is no API key: its form or its checksum is wrong")
        return value

    @field_validator("anonymous")
    @classmethod
    def _anonymous_is_harmless(cls, value: bool, info: ValidationInfo) -> bool:
        if not value:
            return value
        faults = [
            fault
            for fault, harmless in (
                ("CSX_GATEWAY_FEED must be sandbox", info.data.get("feed") == "sandbox"),
                ("CSX_GATEWAY_HOST must be loopback", is_loopback(str(info.data.get("host")))),
                ("CSX_ENVIRONMENT must be local", info.data.get("environment") == "local"),
            )
            if not harmless
        ]
        if faults:
            raise ValueError(f"reading without a key is refused: {', '.join(faults)}")
        return value

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """What seals and signs: the first does, all are tried; none in a local environment that has none."""
        return _words(self.secret)

    @property
    def url(self) -> str:
        """Where browsers reach it."""
        return self.public_url or f"http://{'127.0.0.1' if self.host in _ANY else self.host}:{self.port}"

    @property
    def quotas(self) -> Quotas:
        """How much anybody may ask; who needs no key, on this machine, as much as who has one."""
        return Quotas(
            per_second=self.limit_second,
            per_minute=self.limit_minute,
            per_day=self.limit_day,
            address=self.limit_address_known if self.anonymous else self.limit_address,
            address_known=self.limit_address_known,
            failures=self.limit_failures,
        )

    @property
    def rules(self) -> Rules:
        """What the perimeter lets in."""
        return Rules(
            hosts=self.hosts,
            origins=frozenset(self.allowed_origins),
            credentials=self.credentials,
            proxies=self.trusted_proxies,
            transport=self.transport,
            max_in_flight=self.max_in_flight,
        )

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """The certificate and its key, where the gateway speaks HTTPS itself."""
        if self.transport is not Transport.TLS or self.tls_cert is None or self.tls_key is None:
            return None
        return self.tls_cert, self.tls_key

    @property
    def hosts(self) -> frozenset[str]:
        """Host names that requests may name; empty means any."""
        if self.allowed_hosts:
            return frozenset(self.allowed_hosts)
        return frozenset({"127.0.0.1", "localhost", "::1"}) if is_loopback(self.host) else frozenset()


def _words(value: SecretStr) -> tuple[bytes, ...]:
    return tuple(word.strip().encode() for word in value.get_secret_value().split(",") if word.strip())


def _unless(fault: str | None, value: T) -> T:
    if fault:
        raise ValueError(fault)
    return value
