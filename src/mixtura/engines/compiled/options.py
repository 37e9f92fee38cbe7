"""How functions are compiled."""

OPTIONS = {"nogil": True, "error_model": "numpy"}

INNER = {**OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Of functions that only compiled code calls: what Python would need takes a fifth of the time."""

INLINED = {**INNER, "forceinline": True}
"""Of those whose call would cost as much as what they do."""
