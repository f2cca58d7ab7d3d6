"""The command line ``codat-sync``: one module for each command or group of commands, with its rendering beside it.

Door: ``main.main``, and ``main.app`` for tests. Each command returns its exit code (``exit_codes``).
Guarantees: results go to standard output and everything else to standard error; every expected error is one line.
Stands on: the use cases in ``ops``, Typer and Rich. A command's module is imported when the command runs.
"""
