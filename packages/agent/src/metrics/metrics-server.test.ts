import { Counter, Registry } from "prom-client";
import { expect, it } from "vitest";
import { MetricsServer } from "./metrics-server.ts";

function registry(): Registry {
  const made = new Registry();
  new Counter({ name: "things_total", help: "Things", registers: [made] }).inc(3);
  return made;
}

it("serves the metrics and nothing else, until it is stopped", async () => {
  const server = await MetricsServer.start("127.0.0.1:0", registry());
  const url = `http://127.0.0.1:${server.port}`;
  const answer = await fetch(`${url}/metrics`);
  expect(answer.headers.get("content-type")).toContain("text/plain");
  expect(await answer.text()).toContain("things_total 3");
  expect((await fetch(`${url}/`)).status).toBe(404);
  await server.stop();
  await expect(fetch(`${url}/metrics`)).rejects.toThrow();
});

it.each(["9465", ":9465", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:x"])("%s is no address", async (text) => {
  await expect(MetricsServer.start(text, registry())).rejects.toMatchObject({ code: "invalid-input" });
});

it("a port that is taken is said to be", async () => {
  const first = await MetricsServer.start("[::1]:0", registry());
  await expect(MetricsServer.start(`[::1]:${first.port}`, registry())).rejects.toMatchObject({
    code: "address-in-use",
  });
  await first.stop();
});
