// Whether what is shown may be trusted: the worst that is known.

const UNHEARD_MS = 3000; // the node reports its health each second
const OVERDUE_MS = 1000; // and three periods: no scene is missing sooner

// `health` and `scene` are the newest; `healthAgo` and `sceneAgo` how long ago they were published, in ms;
// `fresh` is the scene's status as of now, see `asOf`.
// Returns { state, word, reasons, forMs, dim }: `forMs` is for how long already, where that is known.
export function judge({ lost, silentMs, health, healthAgo, scene, fresh, sceneAgo, watching }) {
  if (lost) {
    return bad("lost", "CONNECTION LOST", [`connection to the node lost: ${lost}; trying again`], silentMs);
  }
  if (!health) return { ...bad("waiting", "WAITING", ["for the node"]), dim: false };
  if (health.state === "finalized") return bad("lost", "ENDED", ["the node has ended"]);
  if (healthAgo > UNHEARD_MS) {
    return bad("error", "NODE SILENT", ["the node has published no health"], healthAgo);
  }
  const wrong = health.conditions.filter((one) => one.level !== "ok").map((one) => one.reason);
  if (health.state === "error") return bad("error", "ERROR", wrong);
  if (health.state !== "active") return bad("waiting", "WAITING", [`the node is ${health.state}`]);
  if (health.signal === "no signal") {
    const never = health.silent_ms === null;
    const reasons = wrong.length ? wrong : [never ? "no frame has come yet" : "the camera gives no frames"];
    return bad("no-signal", "NO SIGNAL", reasons, never ? undefined : health.silent_ms + healthAgo);
  }
  const overdue = watching && scene && sceneAgo > Math.max(OVERDUE_MS, 3000 / (health.rate_out || Infinity));
  if (health.signal === "stale" || fresh?.status === "stale" || overdue) {
    let why = "the last scene is older than allowed";
    if (health.signal === "stale") why = "no frame has come for two frame periods";
    else if (overdue) why = "no new picture comes";
    return bad("stale", "STALE", [...wrong, ...(scene?.reasons ?? []), why]);
  }
  if (fresh?.status === "unreliable") {
    return { ...bad("unreliable", "UNRELIABLE", scene.reasons.length ? scene.reasons : wrong), dim: false };
  }
  if (fresh?.status === "not_ready") return { ...bad("waiting", "NOT READY", wrong), dim: false };
  if (fresh?.status === "no_signal") return bad("no-signal", "NO SIGNAL", scene.reasons);
  if (health.level === "error") return { ...bad("error", "ERROR", wrong), dim: false };
  if (health.level === "warn") return { state: "warn", word: "WARNING", reasons: wrong, dim: false };
  return { state: "ok", word: "OK", reasons: health.step ? [health.step] : [], dim: false };
}

function bad(state, word, reasons, forMs) {
  return { state, word, reasons: [...new Set(reasons)], forMs, dim: true };
}
