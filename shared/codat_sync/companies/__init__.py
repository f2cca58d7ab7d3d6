"""Brings one company to the preset of its newest plan: record, converge, confirm.

Door: `converge.Convergence`. The newest plan wins in any order of arrival, and a redelivery repairs any crash. Records
and the pause are in DynamoDB, written under conditions only.
"""
