"""Faults put into real processes: the node as a child, and what it says, loses and recovers."""
