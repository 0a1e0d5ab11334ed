import { Command, Option } from "commander";
import { printJson, printLine } from "../../output.ts";
import { type AdminOptions, adminCommand, printDone, printList, withAdmin } from "./admin-options.ts";
import { expiresInSeconds, type Lifetime, parseLifetime } from "./lifetime.ts";

interface CreateOptions extends AdminOptions {
  readonly expires?: Lifetime;
}

export function createTokenCommand(): Command {
  return new Command("token")
    .description("tokens for the admin API over HTTPS")
    .addCommand(
      adminCommand("create", "make a token and print it on one line; it is not shown again")
        .argument("<name>", "what it is for")
        .addOption(
          new Option("--expires <time>", "how long it works: 1h, 30d, … (default: never expires)").argParser(
            parseLifetime,
          ),
        )
        .action((name: string, options: CreateOptions) =>
          withAdmin(options, async (client) => {
            const { expires } = options;
            const created = await client.createToken({
              name,
              ...(expires === undefined ? {} : { expiresInSeconds: expiresInSeconds(expires) }),
            });
            if (options.json === true) printJson(created);
            else printLine(created.token);
          }),
        ),
    )
    .addCommand(
      adminCommand("list", "list the tokens (without their secrets)").action((options: AdminOptions) =>
        withAdmin(options, async (client) => {
          printList(await client.listTokens(), options, ["ID", "NAME", "EXPIRES", "LAST USED"], (token) => [
            token.id,
            token.name,
            token.expiresAt ?? "never",
            token.lastUsedAt ?? "never",
          ]);
        }),
      ),
    )
    .addCommand(
      adminCommand("revoke", "make a token useless")
        .argument("<id>", "id of the token, see: asterism admin token list")
        .action((id: string, options: AdminOptions) =>
          withAdmin(options, async (client) => {
            await client.revokeToken(id);
            printDone(`token ${id} revoked`, { revoked: id }, options);
          }),
        ),
    );
}
