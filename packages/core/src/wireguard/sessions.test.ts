import { expect, test } from "vitest";
import type { Instant } from "../time.ts";
import { PeerSessions, type Session } from "./sessions.ts";

const instant = (ms: number) => ms as Instant;
const session = (localIndex: number, createdAt = 0, role: Session["role"] = "initiator"): Session => ({
  localIndex,
  remoteIndex: 1_000 + localIndex,
  role,
  createdAt: instant(createdAt),
  rekeyDelayMs: 0,
});
const indices = (sessions: readonly Session[] | undefined) => sessions?.map(({ localIndex }) => localIndex);

test("sessions of ours move from current to previous to their end", () => {
  const sessions = new PeerSessions();
  expect(sessions.installInitiated(session(1), instant(0))).toEqual([]);
  expect(sessions.installInitiated(session(2), instant(0))).toEqual([]);
  expect(indices(sessions.installInitiated(session(3), instant(0)))).toEqual([1]);
  expect(indices(sessions.all())).toEqual([3, 2]);
});

test("a session of the peer's sends only after it was confirmed; an unconfirmed one gives way to a newer one", () => {
  const sessions = new PeerSessions();
  expect(sessions.installResponded(session(1))).toEqual([]);
  expect(sessions.current).toBeUndefined();
  expect(indices(sessions.installResponded(session(2)))).toEqual([1]);
  expect(sessions.confirm(1)).toBeUndefined();
  expect(sessions.confirm(2)).toEqual([]);
  expect(sessions.current?.localIndex).toBe(2);
  expect(sessions.confirm(2)).toBeUndefined();
});

test("a stale unconfirmed session ends with our own", () => {
  const sessions = new PeerSessions();
  sessions.installInitiated(session(1, 50), instant(0));
  sessions.installResponded(session(2, 100, "responder"));
  expect(indices(sessions.installInitiated(session(3, 300), instant(200)))).toEqual([2]);
  expect(indices(sessions.all())).toEqual([3, 1]);
});

test("a simultaneous one stays to receive", () => {
  const sessions = new PeerSessions();
  sessions.installInitiated(session(1, 50), instant(0));
  sessions.installResponded(session(2, 400, "responder"));
  expect(indices(sessions.installInitiated(session(3, 500), instant(350)))).toEqual([1]);
  expect(indices(sessions.all())).toEqual([3, 2]);
  expect(sessions.confirm(2)).toBeUndefined();
});

test("answering the peer ends what only received", () => {
  const sessions = new PeerSessions();
  sessions.installInitiated(session(1), instant(0));
  sessions.installInitiated(session(2), instant(0));
  expect(indices(sessions.installResponded(session(3, 0, "responder")))).toEqual([1]);
  expect(indices(sessions.confirm(3))).toEqual([]);
  expect(indices(sessions.all())).toEqual([3, 2]);
});

test("sessions end at their own age", () => {
  const sessions = new PeerSessions();
  sessions.installInitiated(session(1, 0), instant(0));
  sessions.installInitiated(session(2, 1_000), instant(1_000));
  expect(sessions.nextExpiryAt()).toBe(180_000);
  expect(sessions.expire(instant(179_999))).toEqual([]);
  expect(indices(sessions.expire(instant(180_000)))).toEqual([1]);
  sessions.installResponded(session(3, 2_000, "responder"));
  expect(indices(sessions.expire(instant(182_000)))).toEqual([2, 3]);
  expect(sessions.all()).toEqual([]);
  expect(sessions.nextExpiryAt()).toBeUndefined();
});
