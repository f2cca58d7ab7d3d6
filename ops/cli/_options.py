"""Options and arguments that several commands have."""

from typing import Annotated, Final
from uuid import UUID

import typer

STACK: Final = "codat-sync"


def _company_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a company's id, which is a UUID") from None


StackName = Annotated[
    str, typer.Option("--stack", envvar="CODAT_SYNC_STACK", metavar="NAME", help="The CloudFormation stack.")
]
Local = Annotated[bool, typer.Option("--local", help="Use the stack of `make local` instead.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Apply = Annotated[bool, typer.Option("--apply", help="Do it. Without this option nothing is changed.")]
CompanyId = Annotated[
    UUID, typer.Argument(metavar="COMPANY", parser=_company_id, help="The company's id at Codat, a UUID.")
]
OptionalCompanyId = Annotated[
    UUID | None, typer.Argument(metavar="COMPANY", parser=_company_id, help="The company's id at Codat, a UUID.")
]
CompanyIds = Annotated[
    list[UUID] | None,
    typer.Argument(
        metavar="COMPANY", parser=_company_id, help="Companies' ids at Codat, UUIDs. Default: all companies."
    ),
]
OfCompany = Annotated[
    UUID | None,
    typer.Option("--company", metavar="ID", parser=_company_id, help="Only events about this company."),
]
OneCompany = Annotated[
    UUID | None,
    typer.Option("--company", metavar="ID", parser=_company_id, help="A company of your own, for --send."),
]
