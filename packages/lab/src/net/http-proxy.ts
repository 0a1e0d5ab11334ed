import { writeFile } from "node:fs/promises";
import type { Host } from "./host.ts";
import type { LabProcess } from "./lab-process.ts";

export interface HttpProxyOptions {
  /** Asked for by Basic authentication; without it everybody may use the proxy. */
  readonly user?: string;
  readonly password?: string;
}

const PORT = 8888;

/** Debian's tinyproxy on a machine of the lab, a router for instance: leads on to port 443 by CONNECT, and nowhere else. */
export class HttpProxy {
  /** Without user and password. */
  readonly url: string;
  readonly #process: LabProcess;

  private constructor(url: string, started: LabProcess) {
    this.url = url;
    this.#process = started;
  }

  /** `address`: of this machine, at which clients reach it. */
  static async start(host: Host, address: string, options: HttpProxyOptions = {}): Promise<HttpProxy> {
    const folder = await host.folder("tinyproxy");
    const { user, password } = options;
    const login = user === undefined ? [] : [`BasicAuth ${user} ${password ?? ""}`];
    const settings = [`Port ${PORT}`, `Listen ${address}`, "Timeout 600", "LogLevel Info", "ConnectPort 443", ...login];
    await writeFile(`${folder}/conf`, `${settings.join("\n")}\n`);
    const started = host.spawn(["tinyproxy", "-d", "-c", `${folder}/conf`]);
    await started.waitForOutput(/Accepting connections/);
    return new HttpProxy(`http://${address}:${PORT}`, started);
  }

  /** Targets that clients have asked for since the start, `host:port`. */
  get asked(): string[] {
    return [...this.#process.stdout.matchAll(/CONNECT (\S+) HTTP/g)].map(([, target = ""]) => target);
  }

  /** As a process that is stopped: it accepts connections and never answers. */
  hang(): void {
    this.#process.kill("SIGSTOP");
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }
}
