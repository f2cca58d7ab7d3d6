"""Keeps Codat's sync settings in step with the plan that each company pays for."""

__version__ = "0.1.0"
