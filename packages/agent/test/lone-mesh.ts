import { Mesh } from "@asterism/core/mesh";
import type { RandomBytes } from "@asterism/core/random";
import { nobleCrypto } from "../../core/test/noble-crypto.ts";

/** Of a machine that knows no other member and no server. */
export function loneMesh(random: RandomBytes): Mesh {
  return new Mesh({
    networkId: "net-1",
    crypto: nobleCrypto,
    random,
    nodePrivateKey: new Uint8Array(32).fill(7),
    stretchedSecret: null,
    pins: new Map(),
    overlayRanges: [],
    overlayMtuBytes: 1_408,
    aeads: [],
  });
}
