import type { CreateKeyRequest } from "@asterism/core/control";
import { Command, Option } from "commander";
import { printJson, printLine } from "../../output.ts";
import { type AdminOptions, adminCommand, printDone, printList, withAdmin } from "./admin-options.ts";
import { expiresInSeconds, type Lifetime, parseLifetime } from "./lifetime.ts";

interface CreateOptions extends AdminOptions {
  readonly network?: string;
  readonly user?: string;
  readonly reusable?: boolean;
  readonly ephemeral?: boolean;
  readonly tag?: readonly string[];
  readonly expires?: Lifetime;
}

export function createKeyCommand(): Command {
  return new Command("key")
    .description("join keys")
    .addCommand(createCommand())
    .addCommand(
      adminCommand("list", "list the join keys (without their secrets)")
        .option("--network <net>", "only those of this network")
        .action((options: AdminOptions & { readonly network?: string }) =>
          withAdmin(options, async (client) => {
            const header = ["ID", "NETWORK", "USER", "STATE", "REUSABLE", "EPHEMERAL", "EXPIRES"];
            printList(await client.listKeys(options.network), options, header, (key) => [
              key.id,
              key.network,
              key.user,
              key.state,
              key.reusable ? "yes" : "no",
              key.ephemeral ? "yes" : "no",
              key.expiresAt ?? "never",
            ]);
          }),
        ),
    )
    .addCommand(
      adminCommand("revoke", "make a join key useless; devices that joined with it stay")
        .argument("<id>", "id of the key, see: asterism admin key list")
        .action((id: string, options: AdminOptions) =>
          withAdmin(options, async (client) => {
            await client.revokeKey(id);
            printDone(`join key ${id} revoked`, { revoked: id }, options);
          }),
        ),
    );
}

function createCommand(): Command {
  return adminCommand("create", "make a join key and print it on one line")
    .option("--network <net>", "network that it lets into (default: default)")
    .option("--user <user>", "user whose devices they will be (default: admin)")
    .option("--reusable", "for any number of machines, not just one")
    .option("--ephemeral", "devices that join with it are removed after 10 minutes offline")
    .option("--tag <tag>", "tag of the devices that join with it; can be repeated", collect)
    .addOption(
      new Option("--expires <time>", "how long it can be used: 30m, 1h, 7d, … or never (default: 24h)").argParser(
        parseLifetime,
      ),
    )
    .action((options: CreateOptions) =>
      withAdmin(options, async (client) => {
        const created = await client.createKey(toRequest(options));
        if (options.json === true) printJson(created);
        else printLine(created.key);
      }),
    );
}

function toRequest(options: CreateOptions): CreateKeyRequest {
  const { network, user, tag, expires } = options;
  return {
    reusable: options.reusable === true,
    ephemeral: options.ephemeral === true,
    ...(network === undefined ? {} : { network }),
    ...(user === undefined ? {} : { user }),
    ...(tag === undefined ? {} : { tags: [...tag] }),
    ...(expires === undefined ? {} : { expiresInSeconds: expiresInSeconds(expires) }),
  };
}

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}
