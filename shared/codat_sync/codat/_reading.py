"""Reads the answers in 2xx: each is Codat's own, and answers this very request, or it is an error."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel, JsonValue, ValidationError

from codat_sync.codat._reply import Reply
from codat_sync.codat.errors import UnexpectedAnswer, not_codat
from codat_sync.codat.models import Company

_T = TypeVar("_T")
_Model = TypeVar("_Model", bound=BaseModel)
Reading = Callable[[Reply], _T]
"""Reads an answer in 2xx. Raises ``NotCodat`` or ``UnexpectedAnswer``."""


def reading_of_model(model: type[_Model], company_id: UUID | None) -> Reading[_Model]:
    """Return a reading of a body that shows a field of the model, and this company where it names one.

    An object without any field is accepted, since Codat promises none of them.
    """

    def read(reply: Reply) -> _Model:
        try:
            shown = model.model_validate_json(reply.body)
        except ValidationError as error:
            # Without the error itself: its text repeats what came, and that may hold the key.
            raise _unreadable(reply, model, error) from None
        if not shown.model_fields_set & model.model_fields.keys() and reply.fields:
            raise not_codat(reply)
        _check_company(reply, _company_of(shown), company_id)
        return shown

    return read


def reading_of_acceptance(company_id: UUID) -> Reading[None]:
    """Return a reading of the answer to a write: an empty body, or JSON that concerns no other company."""

    def read(reply: Reply) -> None:
        if reply.is_empty:
            return
        if reply.json is None:
            raise not_codat(reply)
        _check_company(reply, reply.fields.get("companyId"), company_id)

    return read


def _unreadable(reply: Reply, model: type[BaseModel], error: ValidationError) -> Exception:
    names = {field.alias or name for name, field in model.model_fields.items()}
    if not names & reply.fields.keys():
        return not_codat(reply)
    wrong = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in error.errors()[:3])
    return UnexpectedAnswer(reply.conceal(f"{reply.request}: {wrong}"), status=reply.status)


def _company_of(shown: BaseModel) -> JsonValue | UUID:
    return shown.id if isinstance(shown, Company) else (shown.model_extra or {}).get("companyId")


def _check_company(reply: Reply, shown: JsonValue | UUID, company_id: UUID | None) -> None:
    """Raise ``UnexpectedAnswer`` where the answer shows another company: a mix-up on the way, such as a proxy's."""
    if company_id is None or shown is None:
        return
    if str(shown).casefold().replace("-", "") != company_id.hex:
        raise UnexpectedAnswer(f"{reply.request}: the answer is about another company", status=reply.status)
