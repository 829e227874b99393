"""Loans: what the facility lends and holds, and what the Reserve lends in material."""
