import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { PathMode } from "@asterism/engine";
import type { Host } from "../net/host.ts";
import type { Lab } from "../net/lab.ts";
import type { LabProcess } from "../net/lab-process.ts";
import type { Link } from "../net/link.ts";
import type { LinkOptions } from "../net/link-options.ts";
import type { EndCommand, EndOptions } from "./engine-end.ts";

const PROGRAM = fileURLToPath(new URL("./engine-end.ts", import.meta.url));
const MTU_BYTES = 1420;

/** Two machines joined by several cables, and one tunnel over all or some of them. */
export class Bundle {
  readonly a: Host;
  readonly b: Host;
  readonly addressB = "100.64.0.2";
  readonly links: readonly Link[];
  readonly #ends: readonly End[];

  private constructor(a: Host, b: Host, links: readonly Link[], ends: readonly End[]) {
    this.a = a;
    this.b = b;
    this.links = links;
    this.#ends = ends;
  }

  static async open(lab: Lab, options: readonly LinkOptions[]): Promise<Bundle> {
    const [a, b] = await Promise.all([lab.host("a"), lab.host("b")]);
    const links: Link[] = [];
    for (const [index, link] of options.entries()) {
      const wire = await lab.wire(a, b, { seed: index + 1, ...link });
      await a.ip([`addr add ${addressOf(1, index)}/24 dev ${wire.a.interfaceName}`]);
      await b.ip([`addr add ${addressOf(2, index)}/24 dev ${wire.b.interfaceName}`]);
      links.push(wire);
    }
    const ends = await Promise.all([End.start(a, 1, options.length), End.start(b, 2, options.length)]);
    return new Bundle(a, b, links, ends);
  }

  /** Uses only the links with these indices, in this mode, with fresh sessions. */
  async use(indices: readonly number[], mode: PathMode): Promise<void> {
    const [one, two] = this.#ends;
    if (one === undefined || two === undefined) return;
    await Promise.all([one.connect(two, indices, mode), two.connect(one, indices, mode)]);
    const { received } = await this.a.ping(this.addressB, { count: 5, intervalMs: 20, timeoutMs: 3_000 });
    if (received === 0) throw new Error(`nothing passes through the tunnel (${mode}, links ${indices.join()})`);
  }

  /** What both engines count, for a closer look. */
  describe(): Promise<unknown> {
    return Promise.all(
      this.#ends.map(async (end) => ({
        paths: await end.ask({ read: "paths" }),
        drops: await end.ask({ read: "drops" }),
      })),
    );
  }
}

function addressOf(number: number, link: number): string {
  return `10.77.${link}.${number}`;
}

class End {
  readonly #process: LabProcess;
  readonly #answers: Interface;
  readonly #number: number;
  #ports: readonly number[] = [];

  private constructor(started: LabProcess, number: number) {
    this.#process = started;
    this.#number = number;
    this.#answers = createInterface({ input: started.stdoutStream });
  }

  static async start(host: Host, number: number, links: number): Promise<End> {
    const options: EndOptions = {
      number,
      interfaceName: "ast0",
      mtuBytes: MTU_BYTES,
      localAddresses: Array.from({ length: links }, (_, link) => addressOf(number, link)),
      peerPrefix: `100.64.0.${3 - number}/32`,
    };
    const end = new End(host.spawn([process.execPath, PROGRAM, JSON.stringify(options)], { keepStdin: true }), number);
    // SAFETY: the program prints its ports first.
    end.#ports = ((await end.#answer()) as { ports: number[] }).ports;
    await host.ip([`addr add 100.64.0.${number}/24 dev ast0`, "link set ast0 up"]);
    return end;
  }

  async connect(other: End, indices: readonly number[], mode: PathMode): Promise<void> {
    const paths = indices.map((link) => ({
      link,
      address: addressOf(other.#number, link),
      port: other.#ports[link] ?? 0,
    }));
    await this.ask({ paths, mode });
  }

  ask(command: EndCommand): Promise<unknown> {
    const answer = this.#answer();
    this.#process.write(`${JSON.stringify(command)}\n`);
    return answer;
  }

  #answer(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#answers.once("line", (line) => resolve(JSON.parse(line)));
      void this.#process.exited.then(() => reject(new Error(this.#process.describe())));
    });
  }
}
