"""Features: one front-end spec, the fast implementation of it, and the store. No librosa or TensorFlow at run time.

`frontend.FrontEnd` defines and computes, `store` keeps, `extract` fills the
store, `segments` cuts model inputs. Import the module you need: this package
imports none of them, so that a spec can be read without SciPy.
"""
