"""Connections to ROS 2 and Zenoh, shared by sources and sinks."""
