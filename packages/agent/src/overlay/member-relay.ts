import type { OfferedRelay } from "@asterism/core/control";
import { AsterismError, isAsterismError } from "@asterism/core/errors";
import { classifyAddress } from "@asterism/core/paths";
import {
  type ListenAddress,
  loadOrCreateSecret,
  parseListenAddress,
  type RunningRelay,
  startRelay,
} from "@asterism/relay";
import type { Logger } from "pino";

export interface RelayOfferOptions {
  /** `HOST:PORT` to relay at, with a numeric host; `:PORT` stands for every address. */
  readonly listen: string;
  /** Public IPv4 address of a host behind a one-to-one NAT. */
  readonly externalIpv4: string | undefined;
}

/** As many as an offer may have. */
const MAX_ADDRESSES = 8;

/** The relay that this agent runs for the members of its networks. */
export class MemberRelay {
  readonly #relay: RunningRelay;
  readonly #options: RelayOfferOptions;
  readonly #listen: ListenAddress;
  readonly #secret: string;

  private constructor(relay: RunningRelay, options: RelayOfferOptions, listen: ListenAddress, secret: string) {
    this.#relay = relay;
    this.#options = options;
    this.#listen = listen;
    this.#secret = secret;
  }

  /** Starts it with the secret that the state folder keeps. Throws `AsterismError` with what to do about it. */
  static async start(options: RelayOfferOptions, stateDir: string, logger: Logger): Promise<MemberRelay> {
    const listen = parseListenAddress(options.listen, "--offer-relay");
    const secret = await loadOrCreateSecret(stateDir);
    try {
      const relay = await startRelay({
        listen: [listen],
        secret,
        ...(options.externalIpv4 === undefined ? {} : { externalIpv4: options.externalIpv4 }),
        log: (level, message, details) => logger[level](details ?? {}, message),
      });
      return new MemberRelay(relay, options, listen, secret);
    } catch (cause) {
      if (!isAsterismError(cause, "address-in-use")) throw cause;
      const message = `The relay's port is taken by another program (${options.listen}). Choose another: --offer-relay HOST:PORT`;
      throw new AsterismError("address-in-use", message, { cause });
    }
  }

  /** What to tell a network's server; null while this host has no public address. `hostAddresses`: numeric. */
  offer(hostAddresses: readonly string[]): OfferedRelay | null {
    const addresses = this.#addresses(hostAddresses).slice(0, MAX_ADDRESSES);
    if (addresses.length === 0) return null;
    const { udp, tcp, alternateUdp } = this.#relay.addresses;
    return {
      addresses,
      ports: { udp: udp[0]?.port ?? null, tcp: tcp[0]?.port ?? null },
      alternateUdpPort: alternateUdp[0]?.port ?? null,
      secret: this.#secret,
      realm: this.#relay.realm,
    };
  }

  close(): Promise<void> {
    return this.#relay.close();
  }

  #addresses(hostAddresses: readonly string[]): readonly string[] {
    const { externalIpv4 } = this.#options;
    if (externalIpv4 !== undefined) return [externalIpv4];
    const { host } = this.#listen;
    if (host !== "::" && host !== "0.0.0.0") return [host];
    const ofFamily = hostAddresses.filter((address) => host === "::" || !address.includes(":"));
    return [...new Set(ofFamily.filter((address) => classifyAddress(address) === "global"))].toSorted();
  }
}
