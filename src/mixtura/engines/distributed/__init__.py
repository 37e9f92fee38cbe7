"""Rows on several machines: statistics come back, rows stay where they are."""
