import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../test/seeded-random.ts";
import { type RandomBytes, randomUnit } from "../random.ts";
import type { Instant } from "../time.ts";
import {
  learnPorts,
  middlePort,
  type PortPattern,
  type PortRange,
  type PortSample,
  PortSequence,
  predictPorts,
  type SequentialPattern,
} from "./index.ts";

const LOCAL_PORT = 41_641;
const ADDRESS = "203.0.113.7";
const NOW = 10_000 as Instant;

/** One mapping each 20 ms. */
function samplesOf(ports: readonly number[], localPort = LOCAL_PORT): PortSample[] {
  return ports.map((port, index) => ({
    localPort,
    mapped: { address: ADDRESS, port },
    at: (index * 20) as Instant,
  }));
}

function patternOf(ports: readonly number[]): PortPattern {
  return learnPorts(samplesOf(ports)).pattern;
}

/** How many probes it takes to hit one of the ports. */
function probesToHit(pattern: PortPattern, open: readonly number[], now: Instant, seed = 1): number {
  const targets = new Set(open);
  const sequence = new PortSequence(predictPorts(pattern, { now, mappings: open.length }), seededRandom(seed));
  for (let port = sequence.next(); port !== undefined; port = sequence.next())
    if (targets.has(port)) return sequence.drawn;
  throw new Error("never");
}

function drawPorts(range: PortRange, count: number, random: RandomBytes): number[] {
  const ports = new PortSequence([{ kind: "ranges", ranges: [range] }], random);
  return Array.from({ length: count }, () => ports.next() ?? 0);
}

function portsIn(first: number, sizePorts: number, count: number): fc.Arbitrary<number[]> {
  return fc.uniqueArray(fc.integer({ min: first, max: first + sizePorts - 1 }), { minLength: count, maxLength: count });
}

describe("port pattern", () => {
  it.each<[number[], object]>([
    [[], { kind: "unknown" }],
    [[41641], { kind: "preserving", ports: [{ first: 41641, last: 41641 }] }],
    [[41641, 2000, 7777], { kind: "preserving" }],
    [[2000, 2001], { kind: "unknown" }],
    [[2000, 2000, 2000], { kind: "unknown" }],
    [[2000, 2001, 2002], { kind: "sequential", step: 1, last: 2002, at: 40, othersPerSecond: 0 }],
    [[2000, 2002, 2004], { kind: "sequential", step: 2, last: 2004 }],
    [[2004, 2002, 2000], { kind: "sequential", step: -2, last: 2000 }],
    [[65_534, 65_535, 1024, 1025], { kind: "sequential", step: 1, last: 1025 }],
    [[2000, 2001, 2002, 2004, 2003, 2005, 2007, 2006], { kind: "sequential", step: 1, last: 2007 }],
    [[24_094, 24_095, 20_000, 20_001, 20_002, 20_003], { kind: "sequential", step: 1, last: 20_003 }],
    [[2000, 62_300, 2100, 31_150], { kind: "random" }],
    [[1100, 1500, 1030, 1300], { kind: "block", ranges: [{ first: 1024, last: 2047 }] }],
  ])("of %j", (ports, expected) => {
    expect(patternOf(ports)).toMatchObject(expected);
  });

  it("holds at the address that most mappings have, the newest if there are as many", () => {
    const samples = samplesOf([2000, 2001, 2002, 2003]);
    const elsewhere = { address: "203.0.113.8", port: 9999 };
    expect(learnPorts([...samples, { localPort: 1, mapped: elsewhere, at: NOW }])).toMatchObject({
      address: ADDRESS,
      pattern: { kind: "sequential", last: 2003 },
    });
    expect(learnPorts([...samples.slice(0, 1), { localPort: 1, mapped: elsewhere, at: NOW }]).address).toBe(
      "203.0.113.8",
    );
  });

  it("has the step that earlier samples have shown, where others hide it in the latest ones", () => {
    const earlier = samplesOf([2000, 2002, 2004, 2008, 2010]);
    const latest = samplesOf([2600, 2604, 2608]).map((sample) => ({ ...sample, at: (sample.at + 60_000) as Instant }));
    const pattern = { kind: "sequential", step: 2, last: 2608, at: 60_040 };
    expect(learnPorts([...earlier, ...latest])).toMatchObject({ pattern });
  });

  it("is preserving if most new sockets keep their port", () => {
    const samples = [50_000, 50_001, 50_002].flatMap((port) => samplesOf([port, port + 700], port));
    const { pattern } = learnPorts([...samples, ...samplesOf([7777], 50_003)]);
    expect(pattern).toMatchObject({ kind: "preserving" });
    expect(probesToHit(pattern, [50_001], NOW)).toBeLessThanOrEqual(3);
  });

  it("is that of a counter, whatever the step, the direction, the place and the other hosts", () => {
    const counter = fc.record({
      start: fc.integer({ min: 1024, max: 65_535 }),
      step: fc.integer({ min: 1, max: 6 }),
      isDown: fc.boolean(),
      others: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 8, maxLength: 8 }),
      laterOthers: fc.integer({ min: 0, max: 3 }),
      sockets: fc.integer({ min: 1, max: 32 }),
    });
    fc.assert(
      fc.property(counter, ({ start, step, isDown, others, laterOthers, sockets }) => {
        let count = 0;
        const next = (skipped: number): number => {
          count += 1 + skipped;
          const offset = ((isDown ? -1 : 1) * step * count) % 64_512;
          return 1024 + ((((start - 1024 + offset) % 64_512) + 64_512) % 64_512);
        };
        const pattern = patternOf(others.map((skipped) => next(skipped)));
        expect(pattern.kind).toBe("sequential");
        const open = Array.from({ length: sockets }, (_, index) => next(index === 0 ? laterOthers : 0));
        const probes = probesToHit(pattern, open, 160 as Instant);
        // A step that the others' mappings have hidden costs a second pass.
        expect(probes).toBeLessThanOrEqual(600);
      }),
    );
  });

  it.each([64, 128, 500, 512, 1000, 1024, 2016, 4096])("of a block of %i ports leads to it", (sizePorts) => {
    let misjudged = 0;
    let probes = 0;
    const runs = 200;
    const blocks = Math.floor(64_512 / sizePorts);
    const random = seededRandom(sizePorts);
    const draws = Array.from({ length: runs }, () => {
      const first = 1024 + sizePorts * Math.floor(randomUnit(random) * blocks);
      return drawPorts({ first, last: first + sizePorts - 1 }, 8 + 16, random);
    });
    for (const [index, ports] of draws.entries()) {
      const pattern = patternOf(ports.slice(0, 8));
      if (pattern.kind !== "block") misjudged += 1;
      probes += probesToHit(pattern, ports.slice(8), NOW, index);
    }
    expect(misjudged).toBeLessThanOrEqual(runs * 0.05);
    // With 16 sockets open out of the block it takes a 17th of it on average, plus what the range is too wide.
    expect(probes / runs).toBeLessThan((2.5 * sizePorts) / 17 + 16);
  });

  it("of two blocks leads to both", () => {
    const twoBlocks = fc.tuple(portsIn(5120, 512, 5 + 8), portsIn(40_960, 512, 5 + 8));
    fc.assert(
      fc.property(twoBlocks, ([low, high]) => {
        const mixed = low.slice(0, 5).flatMap((port, index) => [port, high[index] ?? port]);
        const pattern = patternOf(mixed);
        if (pattern.kind !== "block") throw new Error(pattern.kind);
        expect(pattern.ranges.length).toBe(2);
        expect(probesToHit(pattern, low.slice(5), NOW)).toBeLessThan(4_000);
        expect(probesToHit(pattern, high.slice(5), NOW)).toBeLessThan(4_000);
      }),
    );
  });

  it("of random ports is hardly ever anything else", () => {
    const runs = 1_000;
    const random = seededRandom(1);
    for (const count of [4, 8, 16]) {
      const draws = Array.from({ length: runs }, () => drawPorts({ first: 1024, last: 65_535 }, count, random));
      const narrow = draws.filter((ports) => patternOf(ports).kind !== "random").length;
      expect(narrow).toBeLessThan(runs * 0.03);
    }
  });

  it("that is misjudged never hides a port", () => {
    const anyPorts = fc.array(fc.integer({ min: 1, max: 65_535 }), { maxLength: 12 });
    fc.assert(
      fc.property(anyPorts, fc.integer({ min: 1024, max: 65_535 }), fc.nat(100_000), (ports, open, ageMs) => {
        const pattern = patternOf(ports);
        expect(probesToHit(pattern, [open], (NOW + ageMs) as Instant)).toBeLessThanOrEqual(64_512);
      }),
      { numRuns: 30 },
    );
  });
});

describe("predicted ports", () => {
  const sequence: SequentialPattern = { kind: "sequential", step: 2, last: 3000, at: NOW, othersPerSecond: 10 };

  it("follow the last one, further away the more time has passed", () => {
    const middles = [0, 1000, 5000].map((ms) => middlePort(sequence, { now: (NOW + ms) as Instant, mappings: 9 }));
    expect(middles).toEqual([3010, 3030, 3110]);
    const windows = [0, 1000, 5000].map((ms) => {
      const [likely] = predictPorts(sequence, { now: (NOW + ms) as Instant, mappings: 1 });
      return likely?.kind === "list" ? likely.ports : [];
    });
    expect(windows[0]).toEqual([3002, 3004, 3006]);
    expect(windows.map(({ length }) => length)).toEqual([3, 23, 91]);
  });

  it("wrap around at the end", () => {
    const [likely] = predictPorts({ ...sequence, last: 65_534, othersPerSecond: 0 }, { now: NOW, mappings: 1 });
    expect(likely).toEqual({ kind: "list", ports: [1024, 1026, 1028] });
    const [down] = predictPorts({ ...sequence, step: -1, last: 1024, othersPerSecond: 0 }, { now: NOW, mappings: 1 });
    expect(down).toEqual({ kind: "list", ports: [65_535, 65_534, 65_533] });
  });

  it("are drawn once each, all of them in the end", () => {
    const guesses = predictPorts({ kind: "block", ranges: [{ first: 2048, last: 2559 }] }, { now: NOW, mappings: 1 });
    const sequenceOfPorts = new PortSequence(guesses, seededRandom(7));
    const ports: number[] = [];
    for (let port = sequenceOfPorts.next(); port !== undefined; port = sequenceOfPorts.next()) ports.push(port);
    expect(new Set(ports).size).toBe(64_512);
    expect(ports.length).toBe(64_512);
    expect(Math.max(...ports.slice(0, 512))).toBe(2559);
    expect(Math.min(...ports.slice(0, 512))).toBe(2048);
    expect(ports.slice(0, 512)).not.toEqual(ports.slice(0, 512).toSorted((a, b) => a - b));
  });
});
