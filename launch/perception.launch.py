"""Perception as a process of a ROS 2 launch, by the `perception` that is on PATH.

ros2 launch launch/perception.launch.py source:=ros2:/camera/image/compressed sink:=ros2:/car/front
"""

from launch.actions import DeclareLaunchArgument, ExecuteProcess
from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription

ARGUMENTS = {  # with their defaults
    "source": ("ros2:/camera/image/compressed", "what is read: any source of perception run"),
    "sink": ("ros2:/car/front", "where scenes go; with ?managed=1 they wait for a lifecycle manager"),
    "model": ("drive", "a shipped bundle, or a bundle's folder"),
}


def generate_launch_description() -> LaunchDescription:
    source, sink, model = (LaunchConfiguration(name) for name in ARGUMENTS)
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=words)
        for name, (default, words) in ARGUMENTS.items()
    ]
    # SIGINT, by which a launch ends it, finishes the frames in flight.
    process = ExecuteProcess(
        cmd=["perception", "run", source, sink, "--model", model], name="perception", output="screen"
    )
    return LaunchDescription([*declared, process])
