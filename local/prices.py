"""What AWS charges on demand in us-east-1, in USD: first tier, without the free tier. Prices change."""

from typing import Final

AS_OF: Final = "June 2026"
"""Read from articles that cite AWS's pages as of then, and not from the live pages."""
HOURS_OF_A_MONTH: Final = 730
MILLION: Final = 1_000_000
GIGABYTE: Final = 10**9

LAMBDA_GB_SECOND: Final = 0.0000133334
"""On arm64. https://aws.amazon.com/lambda/pricing/"""
LAMBDA_REQUESTS: Final = 0.20
"""A million. The same page."""
DYNAMODB_READ_UNITS: Final = 0.125
"""A million. https://aws.amazon.com/dynamodb/pricing/on-demand/"""
DYNAMODB_WRITE_UNITS: Final = 0.625
"""A million. The same page."""
DYNAMODB_GB: Final = 0.25 + 0.20
"""A month of storage, and of the continuous backup for a restore to any point in time. The same page."""
SQS_REQUESTS: Final = 0.40
"""A million. https://aws.amazon.com/sqs/pricing/"""
EVENTBRIDGE_EVENTS: Final = 1.00
"""A million custom events. Deliveries to targets in the same account are free. https://aws.amazon.com/eventbridge/pricing/"""
CLOUDWATCH_LOGS_GB: Final = 0.50
"""Ingested. https://aws.amazon.com/cloudwatch/pricing/"""
CLOUDWATCH_STORED_GB: Final = 0.03
"""A month of log storage. The same page."""
CLOUDWATCH_SCANNED_GB: Final = 0.005
"""Read by a query of Logs Insights. The same page."""
CLOUDWATCH_METRIC: Final = 0.30
"""A month of a custom metric; an hour in which none is sent is not charged. The same page."""
CLOUDWATCH_ALARM_METRIC: Final = 0.10
"""A month of each metric that an alarm reads, at standard resolution. The same page."""
CLOUDWATCH_COMPOSITE_ALARM: Final = 0.50
"""A month. The same page."""
CLOUDWATCH_DASHBOARD: Final = 3.00
"""A month. The same page."""
SECRET: Final = 0.40
"""A month. https://aws.amazon.com/secrets-manager/pricing/"""
SECRET_READS: Final = 5.00
"""A million. The same page."""
KMS_KEY: Final = 1.00
"""A month of a customer-managed key. https://aws.amazon.com/kms/pricing/"""
KMS_REQUESTS: Final = 3.00
"""A million. The same page."""
