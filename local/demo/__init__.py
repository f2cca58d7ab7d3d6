"""The demo: sample events through the whole local system, and a check of every result.

Door: `runner.run_demo`; `python -m local.demo` on the command line.
It finds no problem only if each event had its expected outcome and each company is at its preset.
It stands on `local.aws`, `local.codat_simulator`, `local.presets`, and on `ops` for what an operator sees.
"""
