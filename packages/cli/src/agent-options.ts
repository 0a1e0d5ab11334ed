import { AgentClient, DEFAULT_AGENT_SOCKET } from "@asterism/client/agent";
import { Option } from "commander";

/** Options of every command that talks to an agent. */
export interface AgentOptions {
  readonly socket: string;
  readonly json?: boolean;
}

export function socketOption(): Option {
  return new Option("--socket <path>", "socket of the agent to talk to")
    .env("ASTERISM_SOCKET")
    .default(DEFAULT_AGENT_SOCKET);
}

export function proxyOption(): Option {
  return new Option(
    "--proxy <url>",
    "HTTP proxy to the server and to relays: http://[user:password@]host:port, or none (default: HTTPS_PROXY and NO_PROXY of the agent's environment)",
  ).env("ASTERISM_PROXY");
}

export function jsonOption(): Option {
  return new Option("--json", "print JSON");
}

export function connectAgent(options: AgentOptions): AgentClient {
  return new AgentClient(options.socket);
}
