import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { AsterismError } from "@asterism/core/errors";
import { type DialTarget, type HttpProxy, openTunnel } from "./http-proxy.ts";
import type { ProxyChoice } from "./proxy-choice.ts";

/** Makes the connection, inside the tunnel if there is one, until the signal ends it. */
export type OpenConnection<T> = (tunnel: Socket | undefined, signal: AbortSignal) => Promise<T>;

export interface ProxyUse {
  /** Without user and password. */
  readonly proxy: string;
  /** Why it could not be used the last time, in words that follow "the proxy"; null if it could. */
  readonly problem: string | null;
}

export interface DialOptions {
  /** Further names of the target, which may need no proxy. */
  readonly names?: readonly string[];
  readonly signal?: AbortSignal;
}

/** So long the proxy has for itself, before the direct way is tried beside it. */
const PROXY_HEAD_START_MS = 1_500;
/** For the proxy to make the way. */
const TUNNEL_TIMEOUT_MS = 8_000;

/**
 * Makes connections through a proxy where one is named; directly as well if the proxy fails or takes long: a proxy in
 * the environment that was meant for other programs, or for another network, must not cut a machine off. The first
 * connection that stands is kept.
 */
export class Dialer {
  readonly #choose: ProxyChoice;
  readonly #onChange: (use: ProxyUse) => void;
  #lastUse: ProxyUse | null = null;

  /** `onChange` hears when a proxy is used for the first time, begins to fail, or works again. */
  constructor(choose: ProxyChoice, onChange: (use: ProxyUse) => void = () => undefined) {
    this.#choose = choose;
    this.#onChange = onChange;
  }

  /** The proxy that was asked last, and what came of it; null while there was none to ask. */
  get lastUse(): ProxyUse | null {
    return this.#lastUse;
  }

  /** If both ways fail, rejects with what went wrong directly, and says what went wrong through the proxy. */
  async dial<T extends { destroy(): unknown }>(
    target: DialTarget,
    open: OpenConnection<T>,
    { names = [], signal = new AbortController().signal }: DialOptions = {},
  ): Promise<T> {
    const choices = [target.host, ...names].map((host) => this.#choose({ ...target, host }));
    const [proxy = null] = choices;
    if (proxy === null || choices.includes(null)) return await open(undefined, signal);
    const proxyEnd = new AbortController();
    const directEnd = new AbortController();
    const viaProxy = this.#dialThrough(proxy, target, open, AbortSignal.any([signal, proxyEnd.signal]));
    const directly = dialBeside(viaProxy, open, AbortSignal.any([signal, directEnd.signal]));
    // The one that comes second is of no use.
    void viaProxy.then(() => directEnd.abort(), ignore);
    void directly.then(() => {
      this.#note({ proxy: proxy.name, problem: this.#problemOf(proxy) ?? "does not answer in time" });
      proxyEnd.abort();
    }, ignore);
    try {
      const connection = await Promise.any([viaProxy, directly]);
      for (const other of [viaProxy, directly])
        void other.then((late) => late !== connection && late.destroy(), ignore);
      return connection;
    } catch {
      const [first, second] = await Promise.allSettled([viaProxy, directly]);
      throw explain(proxy.name, reasonOf(first), reasonOf(second));
    }
  }

  async #dialThrough<T>(
    proxy: HttpProxy,
    target: DialTarget,
    open: OpenConnection<T>,
    signal: AbortSignal,
  ): Promise<T> {
    try {
      const tunnel = await openTunnel(proxy, target, { timeoutMs: TUNNEL_TIMEOUT_MS, signal });
      const connection = await open(tunnel, signal).catch((error: unknown) => {
        throw error instanceof AsterismError && error.code === "fingerprint-mismatch"
          ? error
          : new Error(`leads nowhere (${messageOf(error)})`, { cause: error });
      });
      this.#note({ proxy: proxy.name, problem: null });
      return connection;
    } catch (error) {
      if (!signal.aborted) this.#note({ proxy: proxy.name, problem: messageOf(error) });
      throw error;
    }
  }

  #problemOf({ name }: HttpProxy): string | undefined {
    return this.#lastUse?.proxy === name ? (this.#lastUse.problem ?? undefined) : undefined;
  }

  #note(use: ProxyUse): void {
    const before = this.#lastUse;
    this.#lastUse = use;
    if (before?.proxy !== use.proxy || before.problem !== use.problem) this.#onChange(use);
  }
}

/** Connects directly when the other way has failed, or has had its head start. */
async function dialBeside<T>(other: Promise<T>, open: OpenConnection<T>, signal: AbortSignal): Promise<T> {
  const failed = new AbortController();
  other.catch(() => failed.abort());
  try {
    await delay(PROXY_HEAD_START_MS, undefined, { signal: AbortSignal.any([failed.signal, signal]) });
  } catch {
    // the other one has failed, or nobody wants a connection any more
  }
  signal.throwIfAborted();
  return await open(undefined, signal);
}

/** A certificate that is not the expected one is what a person has to hear of first. */
function explain(proxy: string, viaProxy: unknown, directly: unknown): Error {
  const isIntercepted = viaProxy instanceof AsterismError && viaProxy.code === "fingerprint-mismatch";
  const main = isIntercepted ? viaProxy : directly;
  const text = isIntercepted
    ? `${viaProxy.message} That was through the proxy ${proxy}: it may open TLS connections to look inside, and has to let this one pass untouched. Directly: ${messageOf(directly)}`
    : `${messageOf(directly)} The proxy ${proxy} ${messageOf(viaProxy)}.`;
  if (main instanceof AsterismError) return new AsterismError(main.code, text, { details: main.details, cause: main });
  return new Error(text, { cause: main });
}

/** Whoever waits for the promise gets the error. */
function ignore(): void {}

function reasonOf(result: PromiseSettledResult<unknown>): unknown {
  return result.status === "rejected" ? result.reason : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
