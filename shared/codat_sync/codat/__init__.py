"""Codat's API as this project uses it. Knows HTTP; knows nothing of AWS, plans or presets."""
