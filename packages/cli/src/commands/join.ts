import { Command } from "commander";
import { type AgentOptions, connectAgent, jsonOption, proxyOption, socketOption } from "../agent-options.ts";
import { type LinkOptions, linkCapOption, linkCostOption, linkSettings, linksOption } from "../link-options.ts";
import { counted, printJson, printLine } from "../output.ts";

interface JoinOptions extends AgentOptions, LinkOptions {
  readonly name?: string;
  readonly secret?: string;
  readonly proxy?: string;
}

export function createJoinCommand(): Command {
  return new Command("join")
    .description("join a network with a join key")
    .argument("<key>", "join key, as `asterism admin key create` prints it (ast1_…)")
    .option("--name <name>", "name of this device in the network (default: the host's name)")
    .option("--secret <passphrase>", "network passphrase; never leaves this machine (also ASTERISM_SECRET)")
    .addOption(proxyOption())
    .addOption(linksOption())
    .addOption(linkCostOption())
    .addOption(linkCapOption())
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (key: string, options: JoinOptions) => {
      const secret = options.secret ?? process.env["ASTERISM_SECRET"];
      const links = linkSettings(options);
      const { network } = await connectAgent(options).join({
        key,
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(secret === undefined ? {} : { secret }),
        ...(options.proxy === undefined ? {} : { proxy: options.proxy }),
        ...(links === undefined ? {} : { links }),
      });
      if (options.json === true) {
        printJson({ network });
        return;
      }
      const { self } = network;
      printLine(`joined ${network.name} as ${self.name} (${[self.ipv4, self.ipv6].filter(Boolean).join(", ")})`);
      printLine(`interface ${network.interface ?? "–"}, ${counted(network.peers.length, "other member")}`);
    });
}
