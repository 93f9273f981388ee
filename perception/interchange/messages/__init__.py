"""Typed messages of robotics software: channels, and what others' messages hold."""
