// One scene as the node sends it: 4 bytes of length, JSON, JPEG, PNG.

export function parseScene(data) {
  const length = new DataView(data).getUint32(0);
  const scene = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const start = 4 + length;
  const between = start + scene.picture_bytes;
  return {
    scene,
    picture: new Blob([new Uint8Array(data, start, scene.picture_bytes)], { type: "image/jpeg" }),
    labels: new Blob([new Uint8Array(data, between, scene.labels_bytes)], { type: "image/png" }),
  };
}
