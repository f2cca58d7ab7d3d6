"""Simulate days of the functions in seconds: their own code, as wired in Lambda, on one virtual clock.

Door: `python -m local.simulation`, or `run.run` in Python.
The functions are real down to their HTTP connection and their AWS clients. Lambda, SQS, DynamoDB and Codat are
simulated, and nothing waits in real time. Each scenario ends with a ledger of all events. The same seed gives the same
run.
It stands on `codat_sync` and `local.presets`.
"""
