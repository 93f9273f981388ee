"""Scenes as messages of Foxglove."""
