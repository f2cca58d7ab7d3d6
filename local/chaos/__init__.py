"""The storm: thousands of events through the whole local system, with faults and killed workers, and a ledger of them.

Door: `runner.run_storm`; `python -m local.chaos` on the command line.
The ledger balances only if no event is missing, none is parked without need, and each company is at its newest plan.
It stands on `local.aws`, `local.codat_simulator` and `local.presets`. The expected plans are computed independently of
`codat_sync`.
"""
