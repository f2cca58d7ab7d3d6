"""What a reconciliation and a live event cost, measured: see `__main__`."""
