"""What a preset means, and what it would change for one company at Codat. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from codat_sync.codat.differences import Difference, differences
from codat_sync.codat.models import DATA_TYPES, Frequency
from codat_sync.companies.converge import Convergence
from codat_sync.presets.file import Presets
from codat_sync.presets.preset import PresetSetting

_TWO_COMPANIES: Final = (UUID(int=0), UUID(int=1))
"""Whose hours of day differ where a preset spreads them."""


@dataclass(frozen=True)
class PresetInWords:
    """What a plan stands for. ``data_types`` are listed by what is wanted of them, the most frequent first."""

    plan: str
    use_account_defaults: bool
    data_types: Mapping[str, tuple[str, ...]]
    on_payment_required: str | None


@dataclass(frozen=True)
class CompanyPreview:
    """What a plan's preset would change at Codat for a company as it is there now.

    ``refused_narrowing`` are data types whose history the preset would cut short, which is left out; ``locked`` those
    that Codat lets nobody change. ``stay`` counts the data types of which nothing would change.
    """

    company_id: UUID
    plan: str
    differences: tuple[Difference, ...]
    stay: int
    refused_narrowing: tuple[str, ...]
    locked: tuple[str, ...]


def preview(presets: Presets, plan: str, company_id: UUID, convergence: Convergence) -> CompanyPreview:
    """Two calls to Codat at most. Raises ``UnknownPlan``, and ``CodatError`` where Codat does not answer."""
    preset = presets.for_company(plan, company_id)
    current = convergence.current(company_id, may_call=lambda: None)
    target = preset.over(current)
    found = differences(current, target)
    changing = {difference.data_type for difference in found}
    return CompanyPreview(
        company_id=company_id,
        plan=plan,
        differences=found,
        stay=sum(setting.data_type not in changing for setting in target.settings),
        refused_narrowing=preset.refused_narrowing(current),
        locked=tuple(setting.data_type for setting in current.settings if setting.is_locked),
    )


def in_words(presets: Presets, plan: str) -> PresetInWords:
    """A plan's preset for the data types that Codat documents, and those that it names. Raises ``UnknownPlan``."""
    preset, other = (presets.for_company(plan, company_id) for company_id in _TWO_COMPANIES)
    listed: dict[tuple[int, str], list[str]] = {}
    for data_type in sorted(DATA_TYPES | preset.exceptions.keys()):
        asked, others = (each.exceptions.get(data_type, each.default) for each in (preset, other))
        hours = Frequency.OFF if asked.schedule is None else asked.schedule.interval_hours
        spread = asked.hour_of_day != others.hour_of_day
        listed.setdefault((hours or len(Frequency) * Frequency.MONTHLY, _words(asked, spread=spread)), []).append(
            data_type
        )
    return PresetInWords(
        plan,
        preset.use_account_defaults,
        {words: tuple(listed[hours, words]) for hours, words in sorted(listed)}
        if not preset.use_account_defaults
        else {},
        None if preset.fallback is None else str(preset.fallback),
    )


def _words(asked: PresetSetting, *, spread: bool) -> str:
    """Such as "daily at 02:00, 24 months of history"."""
    schedule = asked.schedule
    if schedule is None:
        words = "as it is"
    elif schedule.has_hour and spread:
        words = f"{schedule.interval_hours} at the company's own hour"
    else:
        words = str(schedule)
    first = {None: "", True: "fetched at first link", False: "not fetched at first link"}[asked.fetch_on_first_link]
    months = f"{asked.months_to_sync} months of reports" if asked.months_to_sync else ""
    window = f"{asked.sync_from_window} months of history" if asked.sync_from_window else ""
    since = f"history from {asked.sync_from_utc}" if asked.sync_from_utc else ""
    return ", ".join(filter(None, (words, first, months, window, since)))
