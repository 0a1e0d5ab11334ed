import { describe, expect, test } from "vitest";
import { isOfGateway } from "./upnp-search.ts";

describe("a router's URL", () => {
  test.each([
    ["http://192.168.1.1:5000/rootDesc.xml", true],
    ["http://192.168.1.1/", true],
    ["https://192.168.1.1/", false],
    ["http://192.168.1.10/", false],
    ["http://192.168.1.1@203.0.113.5/", false],
    ["http://192.168.1.1.example/", false],
    ["file:///etc/passwd", false],
    ["rootDesc.xml", false],
  ])("%s leads to the router: %s", (url, expected) => {
    expect(isOfGateway(url, "192.168.1.1")).toBe(expected);
  });
});
