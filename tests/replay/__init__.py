"""The shipped `drive` bundle on a few short drives, compared with stored references, field by field.

Rewrite the references after an intended change: `pytest -n 0 -s tests/replay --update`, then look at the
differences that it prints and commit `tests/replay/references`.
"""
