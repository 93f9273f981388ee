"""Networks learn: needs torch, which only the modules import that compute."""

CHECKPOINT = "checkpoint.pt"  # of a run's folder
