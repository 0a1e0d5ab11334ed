/** One TCP connection inside the tunnel for the whole run: a line every 200 ms, which the other side sends back. */
import { fileURLToPath } from "node:url";
import type { LabProcess } from "../../net/lab-process.ts";
import type { RealMember } from "./real-stage.ts";

const PROGRAM = fileURLToPath(new URL("./tcp-echo.ts", import.meta.url));
const PORT = 4_321;

export class TcpFlow {
  readonly #server: LabProcess;
  readonly #client: LabProcess;
  /** Lines that have come back. */
  echoes = 0;

  constructor(from: RealMember, to: RealMember) {
    // On every address: the tunnel's is gone while the agent is.
    this.#server = to.agent.host.spawn([process.execPath, PROGRAM, "listen", String(PORT)]);
    this.#client = from.agent.host.spawn([process.execPath, PROGRAM, "connect", String(PORT), to.overlayIpv4]);
    this.#client.stdoutStream.on("data", (text: string) => {
      this.echoes += text.split("echo").length - 1;
    });
  }

  describe(): string {
    return `${this.#server.describe()}\n${this.#client.describe()}`;
  }
}
