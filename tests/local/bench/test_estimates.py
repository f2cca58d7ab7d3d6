"""The estimates follow from the usage of one company."""

import pytest

from local.bench.estimates import CompanyUsage, estimate_run


class TestEstimateRun:
    USAGE = CompanyUsage(
        run_calls=1,
        repair_calls=0.03,
        handed_over=0.01,
        read_units=0.12,
        write_units=0.05,
        sqs_requests=0.01,
        bus_events=0.02,
        logged_bytes=50,
    )

    def test_a_million_companies_take_more_than_two_days_at_the_default_pace(self) -> None:
        run = estimate_run(self.USAGE, 1_000_000, 300)
        assert run.hours == pytest.approx(55.56, abs=0.01)
        assert run.invocations == 233  # Each makes calls for 861.6 s of its 900.
        assert run.gb_seconds == pytest.approx(100_000)
        assert run.runs_a_month == pytest.approx(13.14)
        assert run.calls == 1_030_000

    def test_the_quota_is_compared_with_the_calls_of_one_day(self) -> None:
        run = estimate_run(self.USAGE, 1_000_000, 300)
        assert run.calls_a_day == pytest.approx(1_030_000 * 24 / 55.56, rel=0.001)
        assert run.quota_share == pytest.approx(0.000445, rel=0.01)

    def test_a_run_of_less_than_a_day_is_made_every_day(self) -> None:
        run = estimate_run(self.USAGE, 100_000, 1000)
        assert run.runs_a_month == 30
        assert run.calls_a_day == run.calls == 103_000

    def test_the_pace_tells_how_fast_codat_has_to_answer(self) -> None:
        assert estimate_run(self.USAGE, 1_000_000, 300).slowest_answer_seconds == pytest.approx(0.8)
        assert estimate_run(self.USAGE, 1_000_000, 1000).slowest_answer_seconds == pytest.approx(0.24)

    def test_the_cost_is_the_sum_over_the_services(self) -> None:
        run = estimate_run(self.USAGE, 1_000_000, 300)
        assert run.usd == pytest.approx(
            {
                "Lambda": (100_000 + 5_000) * 0.0000133334 + (233 + 1_000) / 1e6 * 0.20,
                "DynamoDB reads": 0.12 * 0.125,
                "DynamoDB writes": 0.05 * 0.625,
                "SQS": 0.01 * 0.40,
                "EventBridge": 0.02,
                "CloudWatch Logs": 0.05 * 0.50,
            }
        )
        assert run.usd_a_run == pytest.approx(sum(run.usd.values()))
        assert run.usd_a_month == pytest.approx(run.usd_a_run * run.runs_a_month)
