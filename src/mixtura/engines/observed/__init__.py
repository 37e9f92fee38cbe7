"""Rows as they were observed: what is missing, and errors, integrated out of the potentials."""
