"""Keeps Codat's sync settings in step with the plan that each company pays for."""
