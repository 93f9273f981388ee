"""Scenes as messages of ROS 2, built without ROS."""
