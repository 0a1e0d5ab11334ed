/** Version of this release; the same in every room. */
export const VERSION = "0.1.0";
