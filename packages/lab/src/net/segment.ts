import type { Attachment, AttachOptions } from "./attachment.ts";
import type { Host } from "./host.ts";

/** A network that machines can be plugged into. */
export interface Segment {
  readonly name: string;
  attach(host: Host, options?: AttachOptions): Promise<Attachment>;
  /** Routes a fresh /48 (from the internet) or /64 to the attached router: its leading groups, e.g. `2001:db8:1001`. */
  delegateIpv6(to: Attachment): Promise<string | undefined>;
}
