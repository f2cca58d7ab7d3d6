"""Reconciles all companies: finds those that have drifted from their presets, and hands them over.

Door: `reconcile.Reconciliation`. A run checks each company at least once, at a pace and within a share of Codat's
quota, and continues after any crash. It only reads at Codat.
"""
