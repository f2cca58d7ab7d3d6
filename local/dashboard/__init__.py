"""The dashboard of template.yaml as a picture, drawn from metrics that were recorded from a local stack.

Door: `__main__.main`, the command `python -m local.dashboard`. The tests of the template use `widgets.widgets`, too.
The same template and the same recording make the same bytes on every machine. A query that the drawing does not
understand raises an error.
It stands on cfn-lint, which reads the template, and on `local.aws` for the recording. It needs neither AWS nor Codat.
"""
