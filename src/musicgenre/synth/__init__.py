"""A small software synthesiser: instruments, patterns, effects. NumPy and SciPy only.

Everything is mono float32 at `signal.RATE`, deterministic in the generator it is given.
"""
