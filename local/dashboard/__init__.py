"""The dashboard of template.yaml as a picture, drawn from metrics that were recorded of a local stack."""
