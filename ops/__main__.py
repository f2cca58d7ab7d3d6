"""The console script ``codat-sync`` as a module: ``python -m ops``."""

from ops.cli.main import main

if __name__ == "__main__":
    main()
