"""Compares all companies with Codat and hands over those that have drifted.

Door: `reconcile.Reconciliation`. A run checks each company at least once, at a pace and within a share of Codat's
quota, and continues after any crash. It only reads at Codat.
"""
