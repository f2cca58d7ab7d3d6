"""An event that a source ignores has an outcome, and nothing else happens."""

from datetime import datetime

import pytest

from codat_sync.events.company_events import Ignored
from codat_sync.outcomes.triage import Outcome
from tests.unit.consuming.bench import Bench
