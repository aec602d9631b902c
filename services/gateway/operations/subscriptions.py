"""Operations on subscriptions: rules that are made from templates, and the templates."""

import asyncio
from typing import Annotated, Final

from msgspec import Meta, Struct

from libs.common.conditions.templates import TEMPLATES
from services.gateway.access.scopes import Scope
from services.gateway.alerting.wishes import Address, ChannelName, Symbols, Venues, subscription_of
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.operation import Connection, Example, Freshness, Nothing, Operation, Written
from services.gateway.operations.rules import EXAMPLE, OneRule, RulesWanted, begin, delete, new_id, page
from services.gateway.schemas.alerts import RuleList, RuleView, TemplateList, template_view


class Subscription(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A template, and whom it is to tell."""

    template: Annotated[
        str, Meta(min_length=1, max_length=64, pattern="^[a-z_0-9]+$", description="A name of `/v1/alerts/templates`")
    ]
    recipient: Address
    channel: ChannelName = "telegram"
    symbols: Symbols = ()
    venues: Venues = ()


async def _subscriptions(desk: Desk, caller: Caller, wanted: RulesWanted) -> RuleList:
    return await page(desk, caller, wanted, "alerts.subscriptions.list", of_templates=True)


async def _subscribe(desk: Desk, caller: Caller, connection: Connection, wanted: Subscription) -> Written[RuleView]:
    fields = (wanted.template, wanted.channel, wanted.recipient, wanted.symbols, wanted.venues)
    rule = await asyncio.to_thread(subscription_of, new_id(desk), *fields)
    return await begin(caller, connection, rule)


async def _templates(_desk: Desk, _caller: Caller, _wanted: Nothing) -> TemplateList:
    return TemplateList(data=[template_view(one) for _, one in sorted(TEMPLATES.items())])


SUBSCRIPTIONS: Final = (
    Operation(
        name="alerts.templates.list",
        method="GET",
        path="/v1/alerts/templates",
        params=Nothing,
        answer=TemplateList,
        read=_templates,
        scope=Scope.ALERTS_READ,
        summary="Rules ready to be taken over",
        detail="Every template with its condition, what ends an episode, its times and its meaning.",
        tag="alerts",
        example=Example({}),
        freshness=Freshness(60.0),
    ),
    Operation(
        name="alerts.subscriptions.list",
        method="GET",
        path="/v1/alerts/subscriptions",
        params=RulesWanted,
        answer=RuleList,
        read=_subscriptions,
        scope=Scope.ALERTS_READ,
        summary="Your rules that were made from templates",
        detail="By id, as `/v1/alerts/rules` has them.",
        tag="alerts",
        example=Example({}, given="rule"),
    ),
    Operation(
        name="alerts.subscriptions.create",
        method="POST",
        path="/v1/alerts/subscriptions",
        params=Subscription,
        answer=RuleView,
        write=_subscribe,
        scope=Scope.ALERTS_WRITE,
        summary="Subscribe to a template",
        detail="Makes the template's rule for one of your addresses, for all markets or the named ones.",
        tag="alerts",
        example=Example({"template": "strong_signal", "recipient": "1001"}, given="rule"),
        cost=5,
        status=201,
        problems=("conflict", "invalid_body"),
    ),
    Operation(
        name="alerts.subscriptions.delete",
        method="DELETE",
        path="/v1/alerts/subscriptions/{rule_id}",
        params=OneRule,
        answer=None,
        write=delete,
        scope=Scope.ALERTS_WRITE,
        summary="End a subscription",
        detail="The same as taking its rule away.",
        tag="alerts",
        example=Example({"rule_id": EXAMPLE}, given="rule"),
        status=204,
        problems=("not_found", "conflict"),
    ),
)
