"""The stages that build the sample, one module each; `build.py` runs them in order."""
