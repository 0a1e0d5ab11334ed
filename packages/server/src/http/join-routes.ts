import {
  JOIN_PATH,
  JOIN_PREVIEW_PATH,
  LEAVE_PATH,
  parseJoinPreviewRequest,
  parseJoinRequest,
  parseLeaveRequest,
} from "@asterism/core/control";
import { AsterismError, type ErrorCode, isAsterismError, unwrap } from "@asterism/core/errors";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { ServerContext } from "../context.ts";
import { type BucketLimits, KeyedBuckets, sourceOf } from "../domain/token-bucket.ts";
import { leave } from "../operations/devices.ts";
import { join, previewJoin } from "../operations/join.ts";
import type { StreamHub } from "../streams/hub.ts";

/** Joins, previews and leaves of one source address: a whole office may sit behind one. */
export const DEFAULT_JOIN_LIMITS: BucketLimits = { burst: 300, perSecond: 5 };

/** Guessing costs more than using: what honest machines are seldom refused for. */
const GUESSES: ReadonlySet<ErrorCode> = new Set(["join-key-unknown", "signature-invalid", "invalid-input"]);
const GUESS_COST = 9;

/** What machines ask before and after they have a control stream. */
export function addJoinRoutes(
  app: FastifyInstance,
  context: ServerContext,
  hub: StreamHub,
  limits = DEFAULT_JOIN_LIMITS,
): void {
  const buckets = new KeyedBuckets(limits, performance.now());
  const limited = async <T>(request: FastifyRequest, operation: () => Promise<T>): Promise<T> => {
    const source = sourceOf(request.ip);
    if (!buckets.take(source, performance.now())) {
      throw new AsterismError("rate-limited", "Too many requests from this address. Wait a minute and try again.");
    }
    try {
      return await operation();
    } catch (error) {
      if (isAsterismError(error) && GUESSES.has(error.code)) buckets.take(source, performance.now(), GUESS_COST);
      throw error;
    }
  };

  app.post(JOIN_PREVIEW_PATH, (request) =>
    limited(request, () => previewJoin(context, unwrap(parseJoinPreviewRequest(request.body)))),
  );
  app.post(JOIN_PATH, (request) =>
    limited(request, async () => {
      const outcome = await counted(context, () => join(context, unwrap(parseJoinRequest(request.body))));
      hub.publish(outcome.changes);
      context.log.info({ nodeId: outcome.value.nodeId, networkId: outcome.value.network.id }, "device joined");
      return outcome.value;
    }),
  );
  app.post(LEAVE_PATH, (request, reply) =>
    limited(request, async () => {
      const outcome = await leave(context, unwrap(parseLeaveRequest(request.body)));
      hub.publish(outcome.changes);
      await reply.code(204).send();
    }),
  );
}

async function counted<T>({ metrics }: ServerContext, operation: () => Promise<T>): Promise<T> {
  try {
    const value = await operation();
    metrics.joins.inc({ result: "joined" });
    return value;
  } catch (error) {
    metrics.joins.inc({ result: isAsterismError(error) ? error.code : "internal" });
    throw error;
  }
}
