"""Settings to what signing in needs of them: keys, secrets and addresses."""

import logging
from collections.abc import Sequence
from typing import Final

from services.gateway.access.fetching import Fetcher
from services.gateway.access.front import Seals
from services.gateway.access.oidc import Elsewhere, Roles
from services.gateway.access.provider import Client, Provider
from services.gateway.access.signing import SigningKeys, new_key
from services.gateway.perimeter.transport import Transport
from services.gateway.settings import Settings

log = logging.getLogger(__name__)

CALLBACK: Final = "/v1/auth/oidc/callback"


def seals_of(settings: Settings, secrets: Sequence[bytes]) -> Seals:
    """Return what signs and seals; a local gateway without keys makes one, and its sessions end with it."""
    text = settings.signing_keys.get_secret_value()
    if not text:
        log.info("sessions end with this process: CSX_GATEWAY_SIGNING_KEYS is empty")
    return Seals(
        keys=SigningKeys.read(text or new_key()),
        secrets=secrets,
        public_url=settings.url,
        secure=settings.transport is not Transport.PLAIN,
    )


def elsewhere_of(settings: Settings, secrets: Sequence[bytes], fetcher: Fetcher) -> Elsewhere:
    """Return the sign-ins of the provider that the settings name."""
    client = Client(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret.get_secret_value(),
        redirect_uri=settings.url.rstrip("/") + CALLBACK,
    )
    roles = Roles(claim=settings.oidc_role_claim, traders=frozenset(settings.oidc_traders))
    return Elsewhere(Provider(client, fetcher), secrets, roles)
