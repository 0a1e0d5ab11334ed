import { type Static, Type } from "typebox";
import { TrafficModeName } from "../control/scalars.ts";
import { LinkSettings } from "./links.ts";

/** Bodies of the agent's local API; the same definitions type the client and check the input. */

export const JoinBody = Type.Object(
  {
    key: Type.String({ minLength: 1, maxLength: 2048 }),
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 63 })),
    /** Network passphrase; stays on this machine. */
    secret: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
    /** Proxy through which this network's server is reached from now on: `http://[user:password@]host:port`, or `none`. */
    proxy: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
    /** Left out: as when this machine last joined the network, else one link that is bound to nothing. */
    links: Type.Optional(LinkSettings),
  },
  { additionalProperties: false },
);
export type JoinBody = Static<typeof JoinBody>;

export const NetworkBody = Type.Object(
  {
    /** Name or id; may be left out where there is only one network. */
    network: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
  },
  { additionalProperties: false },
);
export type NetworkBody = Static<typeof NetworkBody>;

export const ExplainBody = Type.Object(
  {
    /** Name, fully qualified name or overlay address. */
    peer: Type.String({ minLength: 1, maxLength: 255 }),
  },
  { additionalProperties: false },
);
export type ExplainBody = Static<typeof ExplainBody>;

export const ModeBody = Type.Object(
  {
    /** Name, fully qualified name or overlay address. */
    peer: Type.String({ minLength: 1, maxLength: 255 }),
    /** `default` takes the choice back; left out, nothing changes. */
    mode: Type.Optional(Type.Union([TrafficModeName, Type.Literal("default")])),
  },
  { additionalProperties: false },
);
export type ModeBody = Static<typeof ModeBody>;

export const PingBody = Type.Object(
  {
    /** Name, fully qualified name or overlay address. */
    peer: Type.String({ minLength: 1, maxLength: 255 }),
    sequence: Type.Integer({ minimum: 0, maximum: 65_535 }),
    timeoutMs: Type.Integer({ minimum: 1, maximum: 600_000 }),
  },
  { additionalProperties: false },
);
export type PingBody = Static<typeof PingBody>;
