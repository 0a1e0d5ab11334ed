/**
 * The allow-list of what the pure room may use beyond the language itself.
 * Anything else (timers, process, Buffer, console, crypto) does not exist here.
 */
declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>;
}
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes: Uint8Array): string;
}
