// The WebSocket to the node, which reconnects by itself.

import { Clock } from "./clock.js";
import { parseScene } from "./protocol.js";

const SILENT_MS = 1000; // the node gives a sign of life more often than twice a second
const HOPELESS_MS = 5000; // after so long, a new connection is quicker than this one
const RETRY_MS = [300, 600, 1200, 2400];

export class Connection {
  clock = new Clock();
  #socket = null;
  #heard = performance.now();
  #ended = "";
  #tries = 0;
  #camera = "";

  // `on` holds what is called: hello(message), health(message), tick(message), scene(scene, picture, labels).
  constructor(on) {
    this.on = on;
    this.#open();
    setInterval(() => {
      if (this.#socket && this.silentMs > HOPELESS_MS) this.#lose(this.#socket);
    }, 1000);
  }

  get silentMs() {
    return performance.now() - this.#heard;
  }

  // Why nothing comes; empty: all is well.
  get lost() {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      return this.silentMs > SILENT_MS ? "the node has gone silent" : "";
    }
    return this.#ended || "the node cannot be reached";
  }

  // From now on, pictures of this camera; of none where it is "".
  watch(camera) {
    this.#camera = camera;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(camera);
  }

  #open() {
    const url = new URL("live", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = location.search; // the token
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#tries = 0;
      this.#heard = performance.now();
      this.clock = new Clock(); // another node, maybe, on a machine that was restarted
      if (this.#camera) socket.send(this.#camera);
    };
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = ({ code, reason }) => this.#lose(socket, code === 1001 ? reason : "");
    this.#socket = socket;
  }

  #lose(socket, why = "") {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.#ended = why;
    socket.close();
    const wait = RETRY_MS[Math.min(this.#tries++, RETRY_MS.length - 1)];
    setTimeout(() => this.#open(), wait);
  }

  #take(data) {
    this.#heard = performance.now();
    if (data instanceof ArrayBuffer) {
      const { scene, picture, labels } = parseScene(data);
      this.clock.observe(scene.published_ms);
      this.on.scene(scene, picture, labels);
      return;
    }
    const message = JSON.parse(data);
    if (message.type !== "health") this.clock.observe(message.now_ms); // a health may be one of the last minute
    this.on[message.type](message);
  }
}
