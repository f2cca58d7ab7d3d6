"""Every process derives the same companies."""

from collections import Counter

from codat_sync.reconciliation.findings import Finding
from local.bench.population import Population


class TestPopulation:
    def test_one_in_a_hundred_has_drifted_whatever_its_plan(self) -> None:
        drifted = [each for each in Population(2_000) if each.finding is Finding.CHANGED_AT_CODAT]
        assert len(drifted) == 20
        assert len({each.plan for each in drifted}) == len({each.plan for each in Population(2_000)})

    def test_every_process_derives_the_same_companies(self) -> None:
        assert list(Population(500)) == list(Population(500))
        assert len({each.company_id for each in Population(500)}) == 500

    def test_the_findings_add_up_to_those_of_the_companies(self) -> None:
        assert Population(500).findings == Counter(each.finding for each in Population(500))
