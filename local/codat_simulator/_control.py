"""The control API, with which a demo or a test in another process changes the account.

The control API needs no API key, costs no quota and is hit by no fault. Its JSON is in camelCase. It answers a bad
request with 400 and ``{"error": "<a sentence>"}``, and an unknown id with 404. Inside the simulator's process, use
``account.Account`` instead.

| request, under /_simulator   | effect and answer                                                           |
|------------------------------|-----------------------------------------------------------------------------|
| GET /state                   | flags, quota, the account's settings, faults, counters, peakInFlight and    |
|                              | companies (`?companies=false` leaves those out)                             |
| POST /account                | changes the named fields of account.AccountFlags: apiKey (the new key       |
|                              | replaces the old), clientId, dialect, free, expired, omittedTypes,          |
|                              | withoutOverride, retryAfterFormat, rateLimitResetFormat, concurrentRequests |
| POST /account/locked         | {dataTypes}: locks exactly these types, for every company                   |
| POST /quota                  | {limit, remaining}, each optional: the daily quota, and what is left of it  |
| POST /companies              | {companies: [{id, name, description, tags, products, connections, settings, |
|                              | locked, inProgress}]}, each field optional: creates all of them or none;    |
|                              | answers {ids}                                                               |
| GET /companies/{id}          | the company, its effectiveSettings, its writes (the last 100 accepted, as   |
|                              | posted), its writeCount, its pulls                                          |
| POST /companies/{id}         | changes the named fields, as above: connections are added, or replaced by   |
|                              | id; `settings: null` removes the override                                   |
| DELETE /companies/{id}       | removes the company: Codat then answers 404                                 |
| GET /faults                  | {faults: [{id, struck, ...}]}: the armed faults, and the hits of each       |
| POST /faults                 | {faults: [...]} of faults.Fault: method, pathPrefix, companyId, count,      |
|                              | probability, moment, holdSeconds, drop, status, body, error,                |
|                              | retryAfterSeconds, wire, dripSeconds; answers {ids}                         |
| DELETE /faults, /faults/{id} | disarms all, or one                                                         |
| GET /calls                   | {calls: [...]}, oldest first; `?companyId=`, `?method=`, `?limit=` (newest) |
| DELETE /calls                | empties the log and the counters                                            |
| POST /reset                  | restores the state of the start                                             |
"""

import json
from typing import Annotated, Final, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic.alias_generators import to_camel

from local.codat_simulator._refusals import sentence_of
from local.codat_simulator.account import Account, AccountFlags
from local.codat_simulator.company import Company, NewConnection, Tags, Uuid, Write, canonical_uuid
from local.codat_simulator.faults import Fault
from local.codat_simulator.sync_settings import Settings

CONTROL_PATH: Final = "/_simulator"

Body = TypeVar("Body", bound=BaseModel)


class _Control(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


class CompanyChange(_Control):
    """A change to the fields that the body names."""

    name: Annotated[str, Field(min_length=1)] = "Technicalium"
    description: str = ""
    tags: Tags = {}
    products: list[str] = []
    connections: list[NewConnection] = []
    settings: list[dict[str, object]] | None = None
    locked: list[str] = []
    in_progress: list[str] = []


class NewCompany(CompanyChange):
    id: Uuid | None = None


class NewCompanies(_Control):
    companies: list[NewCompany]


class NewFaults(_Control):
    faults: list[Fault]


class DataTypes(_Control):
    data_types: list[str]


class QuotaChange(_Control):
    limit: Annotated[int, Field(ge=0)] | None = None
    remaining: Annotated[int, Field(ge=0)] | None = None


class CallQuery(_Control):
    company_id: Uuid | None = None
    method: str | None = None
    limit: Annotated[int, Field(ge=1)] | None = None


class StateQuery(_Control):
    companies: bool = True


def control_application(account: Account) -> web.Application:
    control = _ControlApi(account)
    app = web.Application(middlewares=[_sentences])
    app.add_routes(
        [
            web.get("/state", control.state),
            web.post("/account", control.change_account),
            web.post("/account/locked", control.lock_defaults),
            web.post("/quota", control.change_quota),
            web.post("/companies", control.create_companies),
            web.get("/companies/{id}", control.company),
            web.post("/companies/{id}", control.change_company),
            web.delete("/companies/{id}", control.remove_company),
            web.get("/faults", control.faults),
            web.post("/faults", control.add_faults),
            web.delete("/faults", control.clear_faults),
            web.delete("/faults/{id}", control.remove_fault),
            web.get("/calls", control.calls),
            web.delete("/calls", control.clear_calls),
            web.post("/reset", control.reset),
        ]
    )
    return app


@web.middleware
async def _sentences(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ValidationError as failure:
        return web.json_response({"error": sentence_of(failure)}, status=400)
    except ValueError as failure:
        return web.json_response({"error": f"{failure}."}, status=400)
    except web.HTTPException as not_routed:
        text = f"{request.method} {request.path}: {not_routed.reason}."
        return web.json_response({"error": text}, status=not_routed.status)


async def _parsed(request: web.Request, model: type[Body]) -> Body:
    return model.model_validate(await _json_object(request))


async def _json_object(request: web.Request) -> dict[str, JsonValue]:
    try:
        body = json.loads(await request.read())
    except ValueError as failure:
        raise ValueError(f"the body should be JSON: {failure}") from failure
    if not isinstance(body, dict):
        raise ValueError("the body should be a JSON object")  # noqa: TRY004 - a bad request, not a bad caller.
    return body


class _ControlApi:
    def __init__(self, account: Account) -> None:
        self._account = account

    async def state(self, request: web.Request) -> web.Response:
        query = StateQuery.model_validate(dict(request.query))
        account = self._account
        state: dict[str, JsonValue] = {
            "account": account.flags.model_dump(mode="json", by_alias=True, exclude={"api_key"}),
            "quota": {"limit": account.quota.limit, "remaining": account.quota.remaining},
            "settings": account.in_dialect(account.settings, account.locked),
            "faults": account.faults.report(),
            "counters": account.calls.counters(),
            "peakInFlight": account.calls.peak_in_flight,
            "totalCompanies": len(account.companies),
        }
        if query.companies:
            state["companies"] = [self._company(company) for company in list(account.companies.values())]
        return web.json_response(state)

    async def change_account(self, request: web.Request) -> web.Response:
        now = self._account.flags.model_dump(by_alias=True)
        self._account.flags = AccountFlags.model_validate(now | await _json_object(request))
        return web.json_response(self._account.flags.model_dump(mode="json", by_alias=True, exclude={"api_key"}))

    async def lock_defaults(self, request: web.Request) -> web.Response:
        self._account.lock_defaults(*(await _parsed(request, DataTypes)).data_types)
        return web.json_response({"locked": list(self._account.locked)})

    async def change_quota(self, request: web.Request) -> web.Response:
        change = await _parsed(request, QuotaChange)
        quota = self._account.quota
        if change.limit is not None:
            quota.limit = change.limit
        if change.remaining is not None:
            quota.remaining = change.remaining
        return web.json_response({"limit": quota.limit, "remaining": quota.remaining})

    async def create_companies(self, request: web.Request) -> web.Response:
        wanted = (await _parsed(request, NewCompanies)).companies
        added: list[Company] = []
        try:
            for new in wanted:
                added.append(self._added(new))  # noqa: PERF401 - companies that were added before a refusal are removed again.
        except ValueError:
            for company in added:
                self._account.remove_company(company.id)
            raise
        return web.json_response({"ids": [company.id for company in added]})

    def _added(self, new: NewCompany) -> Company:
        return self._account.add_company(
            new.id,
            name=new.name,
            description=new.description,
            tags=new.tags,
            products=new.products,
            connections=new.connections,
            settings=new.settings,
            locked=new.locked,
            in_progress=new.in_progress,
        )

    async def company(self, request: web.Request) -> web.Response:
        company = self._named(request)
        return web.json_response(
            self._company(company)
            | {
                "effectiveSettings": self._settings(company, self._account.effective_settings(company)),
                "writes": [self._write(company, write) for write in company.writes],
                "pulls": list(company.pulls),
            }
        )

    async def change_company(self, request: web.Request) -> web.Response:
        company = self._named(request)
        change = await _parsed(request, CompanyChange)
        # Settings come first, since only they can be refused: a refused request changes nothing.
        if "settings" in change.model_fields_set:
            company.override = None if change.settings is None else self._account.parsed(change.settings)
        for plain in ("name", "description", "tags", "products"):
            if plain in change.model_fields_set:
                setattr(company, plain, getattr(change, plain))
        for connection in change.connections:
            self._account.connect(company, connection)
        if "locked" in change.model_fields_set:
            self._account.lock(company, *change.locked)
        if "in_progress" in change.model_fields_set:
            self._account.put_in_progress(company, *change.in_progress)
        return web.json_response(self._company(company))

    async def remove_company(self, request: web.Request) -> web.Response:
        self._account.remove_company(self._named(request).id)
        return web.Response(status=204)

    async def faults(self, _request: web.Request) -> web.Response:
        return web.json_response({"faults": self._account.faults.report()})

    async def add_faults(self, request: web.Request) -> web.Response:
        faults = (await _parsed(request, NewFaults)).faults
        return web.json_response({"ids": [self._account.faults.add(fault) for fault in faults]})

    async def clear_faults(self, _request: web.Request) -> web.Response:
        self._account.faults.clear()
        return web.Response(status=204)

    async def remove_fault(self, request: web.Request) -> web.Response:
        if not self._account.faults.remove(request.match_info["id"]):
            raise web.HTTPNotFound
        return web.Response(status=204)

    async def calls(self, request: web.Request) -> web.Response:
        query = CallQuery.model_validate(dict(request.query))
        calls = self._account.calls.select(method=query.method, company_id=query.company_id, limit=query.limit)
        return web.json_response({"calls": [call.as_json() for call in calls]})

    async def clear_calls(self, _request: web.Request) -> web.Response:
        self._account.calls.clear()
        return web.Response(status=204)

    async def reset(self, _request: web.Request) -> web.Response:
        self._account.reset()
        return web.Response(status=204)

    def _named(self, request: web.Request) -> Company:
        try:
            return self._account.companies[canonical_uuid(request.match_info["id"])]
        except KeyError:
            raise web.HTTPNotFound from None

    def _company(self, company: Company) -> dict[str, JsonValue]:
        override = company.override
        return company.as_json() | {
            "overridesDefaults": override is not None,
            "settings": None if override is None else self._settings(company, override),
            "locked": list(self._account.locked_settings(company)),
            "inProgress": dict(company.in_progress),
            "writeCount": company.write_count,
        }

    def _settings(self, company: Company, settings: Settings) -> list[JsonValue]:
        return self._account.in_dialect(settings, self._account.locked_settings(company))

    def _write(self, company: Company, write: Write) -> JsonValue:
        return {
            "at": write.at.isoformat(),
            "overridesDefaults": write.overrides_defaults,
            "settings": self._settings(company, write.settings),
        }
