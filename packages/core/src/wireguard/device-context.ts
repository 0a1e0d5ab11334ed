import { type Crypto, clampX25519, KEY_SIZE_BYTES } from "../identity/index.ts";
import type { PathAddress } from "../net/index.ts";
import { type RandomBytes, randomUnit } from "../random.ts";
import { REKEY_TIMEOUT_JITTER_MAX_MS } from "./constants.ts";
import type { WireGuardEvent, WireGuardTransmit } from "./events.ts";
import type { NoiseIdentity, TransportKeys } from "./noise.ts";
import type { Peer } from "./peer.ts";
import { SessionIndices } from "./session-index.ts";
import { expiryOf, type Session } from "./sessions.ts";

/** What the parts of one device share: who we are, the indices in use, and what waits to be taken away. */
export class DeviceContext {
  readonly identity: NoiseIdentity;
  readonly crypto: Crypto;
  readonly random: RandomBytes;
  readonly indices: SessionIndices<Peer>;
  transmits: WireGuardTransmit[] = []; // bounded: drained after every input, which adds at most one per peer
  events: WireGuardEvent[] = []; // bounded: likewise, with a few per peer

  constructor(identity: NoiseIdentity, crypto: Crypto, random: RandomBytes) {
    this.identity = identity;
    this.crypto = crypto;
    this.random = random;
    this.indices = new SessionIndices(random);
  }

  newPrivateKey(): Uint8Array {
    const privateKey = this.random(KEY_SIZE_BYTES).slice();
    clampX25519(privateKey);
    return privateKey;
  }

  jitterMs(): number {
    return Math.floor(randomUnit(this.random) * REKEY_TIMEOUT_JITTER_MAX_MS);
  }

  announceSession(peer: Peer, session: Session, keys: TransportKeys, from: PathAddress): void {
    const { localIndex, remoteIndex, role } = session;
    peer.lastHandshakeFrom = from;
    this.events.push(
      {
        kind: "session",
        peer: peer.handle,
        localIndex,
        remoteIndex,
        ...keys,
        role,
        expiresAt: expiryOf(session),
        from,
      },
      { kind: "authenticated", peer: peer.handle, from },
    );
  }

  endSessions(peer: Peer, ended: readonly Session[]): void {
    for (const { localIndex } of ended) {
      this.indices.release(localIndex);
      this.events.push({ kind: "session-ended", peer: peer.handle, localIndex });
    }
  }
}
