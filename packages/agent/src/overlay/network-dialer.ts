import { chooseProxies, Dialer } from "@asterism/client";
import type { Logger } from "pino";

/**
 * How a network's server and its relays' streams are reached: through the proxy of `setting`, or those that the
 * environment names. Throws `invalid-input` if the setting is no proxy.
 */
export function networkDialer(setting: string | undefined, logger: Logger): Dialer {
  const choice = chooseProxies(setting, (text) => logger.warn(text));
  return new Dialer(choice, ({ proxy, problem }) => {
    if (problem === null) logger.info({ proxy }, "going through a proxy");
    else logger.warn({ proxy, problem }, "the proxy can't be used; the direct way is tried instead");
  });
}
