"""The live page: what the node sees, how old that is and whether to trust it, in a browser."""
