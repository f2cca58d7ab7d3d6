"""Codat's API over HTTP, as an aiohttp application, with the control API beside it."""

import asyncio
import json
from datetime import timedelta
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import JsonValue

from local.codat_simulator._calls import Call
from local.codat_simulator._control import CONTROL_PATH, control_application
from local.codat_simulator._operations import Operations
from local.codat_simulator._refusals import RefusalError, malformed_query, not_valid, problem
from local.codat_simulator._wire import Hold, about_another_company, break_answer
from local.codat_simulator.account import Account
from local.codat_simulator.faults import Fault
from local.codat_simulator.rate_limits import spelled

_JSON = "application/json; charset=utf-8"


def application(account: Account, *, hold: Hold = asyncio.sleep) -> web.Application:
    """Return Codat's API and the control API for this account. ``hold`` waits for a fault's ``hold_seconds``."""
    api = _Api(account, hold)
    app = web.Application(middlewares=[api.answer], client_max_size=0)
    company = "/companies/{companyId}"
    app.add_routes(
        [
            web.get("/companies", api.list_companies),
            web.post("/companies", api.create_company),
            web.get(company, api.get_company),
            web.get(f"{company}/syncSettings", api.get_sync_settings),
            web.post(f"{company}/syncSettings", api.set_sync_settings),
            web.get(f"{company}/connections", api.list_connections),
            web.get(f"{company}/connections/{{connectionId}}", api.get_connection),
            web.post(f"{company}/data/all", api.refresh_all),
            web.post(f"{company}/data/queue/{{dataType}}", api.queue_pull),
            web.get("/profile/syncSettings", api.get_profile_sync_settings),
            web.post("/profile/syncSettings", api.set_profile_sync_settings),
        ]
    )
    app.add_subapp(CONTROL_PATH, control_application(account))
    return app


class _Api:
    """The HTTP side of an account: faults, admission, the call log, and one handler for each operation."""

    def __init__(self, account: Account, hold: Hold) -> None:
        self._account = account
        self._operations = Operations(account)
        self._hold = hold

    @web.middleware
    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(CONTROL_PATH):
            return await handler(request)
        calls = self._account.calls
        call = None
        calls.begin()
        try:
            response = await self._response(request, handler)
            call = self._call(request, response)
        finally:
            calls.end(call)
        if response is None:
            # The client sees its connection end. The response below is never sent.
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        return response

    def _call(self, request: web.Request, response: web.StreamResponse | None) -> Call:
        resource = request.match_info.route.resource
        company_id = request.match_info.get("companyId")
        return Call(
            method=request.method,
            path=request.path,
            route=resource.canonical if resource is not None else "unknown",
            status=response.status if response is not None else None,
            company_id=company_id.lower() if company_id is not None else None,
            at=self._account.clock(),
        )

    async def _response(self, request: web.Request, handler: Handler) -> web.StreamResponse | None:
        """Answer the request, with a fault if one hits it. Return None to drop the connection."""
        company_id = request.match_info.get("companyId")
        fault = self._account.faults.next_for(
            request.method, request.path, company_id.lower() if company_id is not None else None
        )
        if fault is None:
            return await self._effect(request, handler)
        # The body is read now, so that the request takes effect even if its client leaves during the hold.
        await request.read()
        if fault.moment == "before" and fault.wire != "other-company":
            await self._wait(fault)
            return await self._effect(request, handler) if fault.lets_through else await self._struck(request, fault)
        response = await self._effect(request, handler)
        await self._wait(fault)
        if fault.wire == "other-company":
            return about_another_company(response, self._account.ids())
        return response if fault.lets_through else await self._struck(request, fault)

    async def _wait(self, fault: Fault) -> None:
        if fault.hold_seconds:
            await self._hold(fault.hold_seconds)

    async def _struck(self, request: web.Request, fault: Fault) -> web.Response | None:
        if fault.wire is not None:
            await break_answer(request, fault.wire, fault.drip_seconds, self._hold)
        if fault.status is None:
            return None
        wait = None if fault.retry_after_seconds is None else timedelta(seconds=fault.retry_after_seconds)
        refusal = RefusalError(fault.status, fault.error, retry_after=wait)
        if fault.body == "json":
            return self._refused(refusal)
        # What stands before Codat, such as a firewall, knows nothing of Codat's quota.
        headers = {"Retry-After": self._headers(wait)["Retry-After"]} if wait is not None else {}
        if fault.body == "html":
            page = f"<html><head><title>{fault.status}</title></head><body><h1>{refusal.error}</h1></body></html>\n"
            headers |= {"Content-Type": "text/html; charset=utf-8"}
            return web.Response(status=fault.status, body=page.encode(), headers=headers)
        return web.Response(status=fault.status, headers=headers)

    async def _effect(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            self._operations.admit(request.headers.get("Authorization"))
            return await handler(request)
        except RefusalError as refusal:
            return self._refused(refusal)
        except web.HTTPException as not_routed:
            # The router's 404 and 405, in the shape of Codat's errors.
            return self._refused(RefusalError(not_routed.status))

    def _refused(self, refusal: RefusalError) -> web.Response:
        body = refusal.body(self._account.ids().replace("-", ""))
        return self._json(body, status=refusal.status, wait=refusal.retry_after)

    def _json(self, body: JsonValue, *, status: int = HTTPStatus.OK, wait: timedelta | None = None) -> web.Response:
        return web.Response(
            status=status,
            body=json.dumps(body, separators=(",", ":")).encode(),
            headers=self._headers(wait) | {"Content-Type": _JSON},
        )

    def _no_content(self) -> web.Response:
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=self._headers())

    def _headers(self, wait: timedelta | None = None) -> dict[str, str]:
        flags, quota, now = self._account.flags, self._account.quota, self._account.clock()
        quota.roll_over(now)
        headers = {
            "X-Rate-Limit-Limit": str(quota.limit),
            "X-Rate-Limit-Remaining": str(max(0, quota.remaining)),
            "X-Rate-Limit-Reset": spelled(quota.resets_at(now), flags.rate_limit_reset_format, now=now),
        }
        if wait is not None:
            headers["Retry-After"] = spelled(now + wait, flags.retry_after_format, now=now)
        return headers

    async def list_companies(self, request: web.Request) -> web.Response:
        query = request.query
        if query.get("query"):
            raise malformed_query("The simulator does not know the query parameter; use tags.")
        return self._json(
            self._operations.list_companies(
                page=query.get("page"),
                page_size=query.get("pageSize"),
                order_by=query.get("orderBy"),
                tags=query.get("tags"),
            )
        )

    async def create_company(self, request: web.Request) -> web.Response:
        return self._json(self._operations.create_company(await _body(request)))

    async def get_company(self, request: web.Request) -> web.Response:
        return self._json(self._operations.get_company(request.match_info["companyId"]))

    async def get_sync_settings(self, request: web.Request) -> web.Response:
        return self._json(self._operations.get_sync_settings(request.match_info["companyId"]))

    async def set_sync_settings(self, request: web.Request) -> web.Response:
        self._operations.set_sync_settings(request.match_info["companyId"], await _body(request))
        return self._no_content()

    async def get_profile_sync_settings(self, _request: web.Request) -> web.Response:
        return self._json(self._operations.get_profile_sync_settings())

    async def set_profile_sync_settings(self, request: web.Request) -> web.Response:
        self._operations.set_profile_sync_settings(await _body(request))
        return self._no_content()

    async def list_connections(self, request: web.Request) -> web.Response:
        return self._json(
            self._operations.list_connections(
                request.match_info["companyId"],
                page=request.query.get("page"),
                page_size=request.query.get("pageSize"),
            )
        )

    async def get_connection(self, request: web.Request) -> web.Response:
        ids = request.match_info
        return self._json(self._operations.get_connection(ids["companyId"], ids["connectionId"]))

    async def refresh_all(self, request: web.Request) -> web.Response:
        self._operations.refresh_all(request.match_info["companyId"])
        return self._no_content()

    async def queue_pull(self, request: web.Request) -> web.Response:
        ids = request.match_info
        return self._json(
            self._operations.queue_pull(
                ids["companyId"], ids["dataType"], connection_id=request.query.get("connectionId")
            )
        )


async def _body(request: web.Request) -> JsonValue:
    try:
        body: JsonValue = json.loads(await request.read())
    except ValueError as failure:
        raise not_valid(problem("body", "The body should be JSON in UTF-8.", "Body")) from failure
    return body
