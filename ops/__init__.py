"""Explains and repairs what a deployed stack did with companies' plans, for the on-call. Not part of the layer.

Door: `cli.main.main`, the command line. Below it stands one module for each use case, which the command line and a web
page share. A dry run changes nothing, and no output shows the API key. Stands on `codat_sync`; `stack.Stack` leads to
the parts of a deployed stack.
"""
