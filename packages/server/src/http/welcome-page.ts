import { formatFingerprint } from "@asterism/core/control";
import { VERSION } from "@asterism/core/version";
import type { FastifyInstance } from "fastify";
import type { ServerIdentity } from "../context.ts";

const STYLE = `
:root{color-scheme:light dark;--bg:#f6f7fb;--card:#fff;--ink:#1b2033;--dim:#5d6480;--line:#dfe3f0;--accent:#4453c8;--code:#eef0f8}
@media(prefers-color-scheme:dark){:root{--bg:#0c1020;--card:#141a30;--ink:#e9ecf8;--dim:#9aa3c4;--line:#262e4d;--accent:#9aa8ff;--code:#0c1124}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.6 system-ui,sans-serif}
main{max-width:46rem;margin:0 auto;padding:3.5rem 1.25rem}header{display:flex;gap:1rem;align-items:center;margin-bottom:2rem}
svg{width:4.25rem;height:4.25rem;color:var(--accent);flex:none}h1{margin:0;font-size:2rem;letter-spacing:-.02em}
h2{font-size:1.05rem;margin:0 0 .5rem}p{margin:.4rem 0}.dim{color:var(--dim)}
section{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:1.25rem 1.5rem;margin:1rem 0}
pre{background:var(--code);border-radius:9px;padding:.7rem .9rem;margin:.6rem 0;overflow-x:auto}
code{font:.92em ui-monospace,monospace}.wrap{overflow-wrap:anywhere}ol{margin:.5rem 0;padding-left:1.3rem}li{margin:.6rem 0}
footer{margin-top:2rem;font-size:.87rem}`;

const STARS = `<svg viewBox="0 0 64 64" fill="none" stroke="currentColor" aria-hidden="true">
<path d="M12 44 26 18 44 30 54 12M26 18 12 44 34 52 44 30" stroke-width="1.6" opacity=".55"/>
<g fill="currentColor" stroke="none"><circle cx="12" cy="44" r="4"/><circle cx="26" cy="18" r="5"/><circle cx="44" cy="30" r="4"/>
<circle cx="54" cy="12" r="3"/><circle cx="34" cy="52" r="3"/></g></svg>`;

/** A page without scripts or anything from elsewhere: what this address is and how to join. */
export function renderWelcomePage(identity: ServerIdentity): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Asterism server</title><style>${STYLE}</style></head><body><main>
<header>${STARS}<div><h1>Asterism</h1><p class="dim">The server of a private peer-to-peer network.</p></div></header>
<section><h2>What this is</h2>
<p>This server introduces machines to each other. Their traffic goes straight between them, encrypted with WireGuard.
Where there is no straight way it takes a relay, which may run here; nobody on the way could read it.</p></section>
<section><h2>Join a machine</h2><ol>
<li>Ask whoever runs this server for a join key. On the server itself they make one with
<pre><code>asterism admin key create</code></pre></li>
<li>Install Asterism on your machine and start its agent, as root:
<pre><code>asterism agent</code></pre></li>
<li>Join, and see who is there:
<pre><code>asterism join ast1_…
asterism status</code></pre></li></ol></section>
<section><h2>Is it the right server?</h2>
<p>Machines that join verify its certificate by this SHA-256 fingerprint, which is part of the join key. Your browser
does not know the certificate, so its warning is expected.</p>
<pre class="wrap"><code>${formatFingerprint(identity.fingerprint)}</code></pre></section>
<footer class="dim">Asterism ${escapeHtml(VERSION)} · ${escapeHtml(identity.url)}</footer>
</main></body></html>
`;
}

export function addWelcomePage(app: FastifyInstance, identity: ServerIdentity): void {
  app.get("/", (_request, reply) => {
    reply
      .headers({
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
      })
      .type("text/html; charset=utf-8")
      .send(renderWelcomePage(identity));
  });
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
