"""Compiled graphs and recordings of the calls that drawing is made of."""
