"""The command line `codat-sync`: one module for each command or group of commands, with its rendering beside it.

Door: `main.main`; tests and documents use `main.app`. Each command returns one of the `exit_codes`. Results go to
standard output, everything else to standard error, and every expected error is one line. A command's module is imported
when the command runs. Stands on the use cases in `ops`.
"""
