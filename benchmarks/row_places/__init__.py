"""Fits of rows wherever they lie: in files larger than memory, on workers of Dask and of Spark.

Each module is a script, ``python -m benchmarks.row_places.NAME``, that prints one line of JSON for
each measurement. Sizes are options, so that each can be tried small first.
"""
