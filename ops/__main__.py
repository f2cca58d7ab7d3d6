"""The same as the console script: python -m ops."""

from ops.cli.main import main

if __name__ == "__main__":
    main()
