"""Records a company's desired plan, converges Codat to its preset, and confirms it.

Door: `converge.Convergence`. The newest plan wins in any order of arrival, and a redelivery repairs any crash. Records
and the pause are in DynamoDB, written under conditions only.
"""
