"""The whole system on one machine: emulated AWS, simulated Codat, and what demonstrates and measures the system there.

Door: `python -m local`, which runs the system until Ctrl-C; `aws.stack.local_stack` in Python.
It needs no AWS account, no Codat account and no Docker, and listens on 127.0.0.1 alone. Every process that it starts
ends with it.
It stands on `codat_sync` and `ops`. Nothing that is deployed imports it.
"""
