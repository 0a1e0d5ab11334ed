import { type CallBody, type CandidateKind, encodedCallBytes, type RemoteCandidate } from "../paths/index.ts";

/**
 * The call as it fits into `maxBytes` before it is sealed. What only explains or hints goes first, then the candidates that are
 * worth the least beside others of their kind.
 */
export function fitCallBody(body: CallBody, maxBytes: number): CallBody {
  if (encodedCallBytes(body) <= maxBytes) return body;
  const { nats: _explanations, ports: _hints, ...needed } = body;
  const ordered = interleaveKinds(body.candidates);
  for (let count = ordered.length; count > 0; count--) {
    const fitted = { ...needed, candidates: ordered.slice(0, count) };
    if (encodedCallBytes(fitted) <= maxBytes) return fitted;
  }
  return { ...needed, candidates: [] };
}

/** The best of each kind, then the second best of each, and so on. */
function interleaveKinds(candidates: readonly RemoteCandidate[]): RemoteCandidate[] {
  const seen = new Map<CandidateKind, number>();
  return [...candidates]
    .sort((a, b) => b.priority - a.priority)
    .map((candidate) => {
      const place = seen.get(candidate.kind) ?? 0;
      seen.set(candidate.kind, place + 1);
      return { candidate, place };
    })
    .sort((a, b) => a.place - b.place)
    .map(({ candidate }) => candidate);
}
