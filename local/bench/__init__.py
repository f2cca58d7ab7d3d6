"""The benchmark: what a reconciliation run over many companies costs, and what a live event costs.

Door: `__main__.main`, the command `python -m local.bench`. Nothing else imports this package.
The functions run as they are wired in Lambda, with the presets of `local/presets.toml`. The simulated Codat, Moto for
AWS and the functions have a process each, so that the CPU and the memory of each can be measured. A benchmark that
finds anything else than what it set up fails.
It stands on the layer, on `local.codat_simulator` and on Moto.
"""
