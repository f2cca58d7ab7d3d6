"""JSON Schemas of what producers send and subscribers get, from the contracts themselves: make schemas."""

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
    """The text of each schema file, by its name."""
    taken = {contract: contract.model_json_schema() for contract in CONTRACTS}
    said = {contract: contract.model_json_schema(mode="serialization") for contract in ANNOUNCEMENTS}
    return {
        f"{contract.__name__}.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for contract, schema in (taken | said).items()
    }


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (FOLDER / name).write_text(text, "utf-8")
        print(f"wrote {FOLDER / name}")


if __name__ == "__main__":
    main()
