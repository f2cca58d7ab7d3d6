"""JSON Schemas of the events that producers send and subscribers receive, from the models: make schemas."""

import json
from pathlib import Path

from codat_sync.announcements import (
    SyncSettingsApplied,
    SyncSettingsDegraded,
    SyncSettingsDrifted,
    SyncSettingsParked,
)
from codat_sync.events.company_events import CompanyReconciliation, NewConnection, PlanCancelled, PlanChanged
from codat_sync.events.requests import Reconciliation, Redrive

FOLDER = Path(__file__).parent.parent / "events" / "schemas"
CONTRACTS = (PlanChanged, PlanCancelled, NewConnection, CompanyReconciliation, Reconciliation, Redrive)
ANNOUNCEMENTS = (SyncSettingsApplied, SyncSettingsDegraded, SyncSettingsParked, SyncSettingsDrifted)


def schemas() -> dict[str, str]:
    """Return the text of each schema file, by its name."""
    received = {contract: contract.model_json_schema() for contract in CONTRACTS}
    announced = {contract: contract.model_json_schema(mode="serialization") for contract in ANNOUNCEMENTS}
    return {
        f"{contract.__name__}.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for contract, schema in (received | announced).items()
    }


def main() -> None:
    """Write every schema into `FOLDER`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (FOLDER / name).write_text(text, "utf-8")
        print(f"wrote {FOLDER / name}")


if __name__ == "__main__":
    main()
