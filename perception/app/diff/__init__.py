"""`perception diff`: what two runs say of the same frames, compared."""
