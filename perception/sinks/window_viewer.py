"""The process behind `perception.sinks.window`: pictures come on standard input, the newest is shown.

Each is a line of JSON (title, height, width) and its RGB bytes; none where the height is 0: the title is
shown instead. At the end of the input the window of a single picture stays, any other closes.
"""

import json
import queue
import sys
import threading
import tkinter

POLL_MS = 10

Message = tuple[str, bytes]  # title, and the picture as PPM; empty: there is none


def main() -> None:
    root = tkinter.Tk()
    label = tkinter.Label(root, background="black", foreground="red", font=("", 24), borderwidth=0)
    label.pack(expand=True, fill="both")
    for key in ("q", "<Escape>"):
        root.bind(key, lambda event: root.destroy())
    sys.stdout.write("open\n")
    sys.stdout.flush()
    messages: queue.Queue[Message | None] = queue.Queue(1)
    threading.Thread(target=read, args=(messages,), daemon=True).start()
    shown = 0

    def poll() -> None:
        nonlocal shown
        try:
            message = messages.get_nowait()
        except queue.Empty:
            root.after(POLL_MS, poll)
            return
        if message is None:
            if shown != 1:
                root.destroy()
            return
        title, picture = message
        root.title(title)
        image = tkinter.PhotoImage(data=picture, format="ppm") if picture else ""
        label.configure(image=image, text=title)
        label.image = image  # type: ignore[attr-defined] # Tk itself keeps no hold of it
        shown += bool(picture)
        root.after(1, poll)

    poll()
    root.mainloop()


def read(messages: "queue.Queue[Message | None]") -> None:
    """Until the input ends. One message waits at a time: what is late, the node's queue drops."""
    stream = sys.stdin.buffer
    while line := stream.readline():
        given = json.loads(line)
        pixels = stream.read(3 * given["height"] * given["width"])
        header = f"P6 {given['width']} {given['height']} 255\n".encode()
        messages.put((given["title"], header + pixels if pixels else b""))
    messages.put(None)


if __name__ == "__main__":
    main()
