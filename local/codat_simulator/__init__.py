"""A simulator of Codat's Platform API: what this project calls of it, with state, limits and faults on demand.

`running.running_simulator` serves it inside a process, `python -m local.codat_simulator` on its own;
`server` has the table of its control API.
"""
