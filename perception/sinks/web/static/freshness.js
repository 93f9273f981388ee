// The one rule of freshness, the same as `Scene.as_of` of the node: what a scene is worth at a time.

// `nowMs` is by the node's clock, `signal` of the camera at that time. Returns { ageMs, status, known }: where
// nothing is `known` any more, nothing of the scene may be shown.
export function asOf(scene, nowMs, signal) {
  const ageMs = nowMs - scene.captured_ms;
  if (signal === "no signal" || scene.status === "no_signal") return { ageMs, status: "no_signal", known: false };
  if (scene.status === "not_ready") return { ageMs, status: "not_ready", known: false };
  const late = scene.max_age_ms !== null && ageMs > scene.max_age_ms;
  return { ageMs, status: late ? "stale" : scene.reasons.length ? "unreliable" : "ok", known: true };
}
