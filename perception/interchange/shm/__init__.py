"""Frames in shared memory: a ring that one process writes and others read in place; see docs/shm.md."""
