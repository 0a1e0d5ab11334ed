const MAX_LABEL_CHARACTERS = 63;

/** True for a DNS label in lower case (RFC 1123 §2.1). */
export function isLabel(text: string): boolean {
  return text.length <= MAX_LABEL_CHARACTERS && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text);
}

/** The device name that comes nearest to a host name: its first label, in lower case. `device` if nothing is left. */
export function toDeviceName(hostname: string): string {
  const label = (hostname.split(".")[0] ?? "")
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .slice(0, MAX_LABEL_CHARACTERS)
    .replace(/^-+|-+$/g, "");
  return label === "" ? "device" : label;
}

/** `<device>.<user>.<network>.internal` (ICANN reserved `.internal` for private use). */
export function deviceFqdn(device: string, user: string, network: string): string {
  return `${device}.${user}.${network}.internal`;
}
