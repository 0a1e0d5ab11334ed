import { describe, expect, it } from "vitest";
import { renderWelcomePage } from "./welcome-page.ts";

describe("welcome page", () => {
  const page = renderWelcomePage({
    url: 'https://x"><script>',
    fingerprint: new Uint8Array(32).fill(0xab),
    startedAt: 0,
  });

  it("says how to join and by what the server is known", () => {
    expect(page).toContain("asterism join");
    expect(page).toContain("asterism admin key create");
    expect(page).toContain("ab".repeat(32));
  });

  it("needs nothing from elsewhere, runs nothing, and repeats nothing raw", () => {
    expect(page).not.toMatch(/<script|src=|href=|url\(|@import/);
    expect(page).toContain("https://x&#34;&#62;&#60;script&#62;");
  });
});
