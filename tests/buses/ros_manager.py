"""A program of its own that knows rclpy alone: it asks a managed node for the transitions that it reads.

python ros_manager.py NODE
"""

import json
import sys

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

rclpy.init(args=[])
node = rclpy.create_node("manager")
client = node.create_client(ChangeState, f"{sys.argv[1]}/change_state")
client.wait_for_service()
for line in sys.stdin:
    transition = line.strip()
    number = getattr(Transition, f"TRANSITION_{transition.upper()}")
    asked = client.call_async(ChangeState.Request(transition=Transition(id=number)))
    rclpy.spin_until_future_complete(node, asked, timeout_sec=2)  # Jazzy does not answer a wrong request
    print(json.dumps({transition: asked.done() and asked.result().success}), flush=True)
