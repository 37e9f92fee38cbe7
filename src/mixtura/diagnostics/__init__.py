"""Judgements of a fit from arrays alone: nothing here sees rows or runs anything."""
