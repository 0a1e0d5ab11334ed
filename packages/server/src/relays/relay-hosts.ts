import { lookup } from "node:dns/promises";
import { formatIpAddress, parseIpAddress } from "@asterism/core/addresses";
import { MAX_RELAY_ADDRESSES } from "@asterism/core/control";
import { AsterismError } from "@asterism/core/errors";
import type { Logger } from "pino";

/** Numeric addresses of a name; rejects as `dns.lookup` does. */
export type ResolveHost = (host: string) => Promise<readonly string[]>;

/** Names are looked up again after this time, */
const RESOLVE_AGAIN_MS = 10 * 60 * 1000;
/** and after this if that failed. */
const RETRY_MS = 60 * 1000;

interface KnownHost {
  readonly addresses: readonly string[];
  /** Milliseconds since 1970. */
  readonly lookedUpAt: number;
  readonly failed: boolean;
}

/** Knows what addresses the relays' names stand for. Where a name can't be looked up any more, the last answer holds. */
export class RelayHosts {
  readonly #resolve: ResolveHost;
  readonly #wallNow: () => number;
  readonly #log: Logger;
  readonly #known = new Map<string, KnownHost>(); // bounded: names of relays; `refresh` forgets the others

  constructor(wallNow: () => number, log: Logger, resolve: ResolveHost = systemResolve) {
    this.#wallNow = wallNow;
    this.#log = log;
    this.#resolve = resolve;
  }

  /** As far as known at present; a numeric address stands for itself. */
  addressesOf(host: string): readonly string[] {
    return parseIpAddress(host) === undefined ? (this.#known.get(host)?.addresses ?? []) : [host];
  }

  /** Looks a new name up at once. Throws `invalid-input` if there is no such name; another failure may pass. */
  async learn(host: string): Promise<void> {
    if (parseIpAddress(host) !== undefined) return;
    const cause = await this.#lookUp(host);
    if (cause?.code !== "ENOTFOUND") return;
    this.#known.delete(host);
    throw new AsterismError("invalid-input", `The name ${host} has no address in the DNS. Is it spelt right?`, {
      cause,
      details: { field: "host" },
    });
  }

  /** Looks up again what is due, one after the other, and forgets all names but these. True if an address changed. */
  async refresh(hosts: readonly string[]): Promise<boolean> {
    const names = new Set(hosts.filter((host) => parseIpAddress(host) === undefined));
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
    let changed = false;
    for (const name of names) {
      const before = this.#known.get(name);
      if (before !== undefined && !this.#isDue(before)) continue;
      await this.#lookUp(name);
      changed ||= (before?.addresses ?? []).join() !== this.addressesOf(name).join();
    }
    return changed;
  }

  #isDue({ lookedUpAt, failed }: KnownHost): boolean {
    // The clock may have been set back.
    return Math.abs(this.#wallNow() - lookedUpAt) >= (failed ? RETRY_MS : RESOLVE_AGAIN_MS);
  }

  async #lookUp(host: string): Promise<NodeJS.ErrnoException | undefined> {
    const before = this.#known.get(host);
    try {
      const addresses = usableAddresses(host, await this.#resolve(host));
      this.#known.set(host, { addresses, lookedUpAt: this.#wallNow(), failed: false });
      if (addresses.length === 0) this.#log.warn({ host }, "relay name has no address that members could use");
      return undefined;
    } catch (error) {
      const addresses = before?.addresses ?? [];
      this.#known.set(host, { addresses, lookedUpAt: this.#wallNow(), failed: true });
      if (before?.failed !== true) this.#log.warn({ host, err: error }, "relay name can't be looked up");
      return error as NodeJS.ErrnoException; // SAFETY: rejections of lookup are system errors
    }
  }
}

/**
 * In an order of their own, so that a server that rotates its answers changes nothing. What only means something on this
 * machine or its link (as 127.0.1.1, which Debian gives to the machine's own name) is left out.
 */
function usableAddresses(host: string, answers: readonly string[]): string[] {
  const isLocalName = host === "localhost" || host.endsWith(".localhost");
  const addresses = answers.flatMap((answer) => {
    const bytes = parseIpAddress(answer);
    return bytes === undefined || (isHostLocal(bytes) && !isLocalName) ? [] : [formatIpAddress(bytes)];
  });
  const byFamily = (a: string, b: string) => Number(a.includes(":")) - Number(b.includes(":")) || (a < b ? -1 : 1);
  return [...new Set(addresses)].toSorted(byFamily).slice(0, MAX_RELAY_ADDRESSES);
}

function isHostLocal(bytes: Uint8Array): boolean {
  const [first = 0, second = 0] = bytes;
  if (bytes.length === 4) return first === 0 || first === 127 || (first === 169 && second === 254) || first >= 224;
  // ::, ::1 and IPv4-mapped; fe80::/10; ff00::/8
  return bytes.subarray(0, 10).every((byte) => byte === 0) || (first === 0xfe && second >= 0x80) || first === 0xff;
}

async function systemResolve(host: string): Promise<string[]> {
  return (await lookup(host, { all: true, order: "verbatim" })).map((answer) => answer.address);
}
