"""JSON Schemas of what producers send, written from the contracts themselves: python -m local.event_schemas."""

import json
from pathlib import Path

from codat_sync.events import NewConnection, PlanCancelled, PlanChanged

FOLDER = Path(__file__).parent.parent / "events" / "schemas"
CONTRACTS = (PlanChanged, PlanCancelled, NewConnection)


def schemas() -> dict[str, str]:
    """The text of each schema file, by its name."""
    return {
        f"{contract.__name__}.json": json.dumps(contract.model_json_schema(), indent=2) + "\n" for contract in CONTRACTS
    }


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (FOLDER / name).write_text(text, "utf-8")
        print(f"wrote {FOLDER / name}")


if __name__ == "__main__":
    main()
