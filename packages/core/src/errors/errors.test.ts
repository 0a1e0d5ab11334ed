import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AsterismError, isAsterismError } from "./asterism-error.ts";
import { ERROR_CODES, ERROR_TABLE, isErrorCode } from "./error-table.ts";
import { fromProblem, toProblem } from "./problem.ts";

describe("errors", () => {
  it.each(ERROR_CODES)("%s travels over HTTP and comes back the same", (code) => {
    const error = new AsterismError(code, "Do this.", {
      details: { a: 1, b: "x", c: ["y"], d: null },
      cause: new Error("why"),
    });
    const problem = JSON.parse(JSON.stringify(toProblem(error)));
    const back = fromProblem(problem, problem.status);
    expect(back).toMatchObject({ code, message: "Do this.", details: { a: 1, b: "x", c: ["y"], d: null } });
    expect(JSON.stringify(problem)).not.toContain("why");
  });

  it("have an HTTP status of an error and an exit code of the contract", () => {
    for (const code of ERROR_CODES) {
      expect(ERROR_TABLE[code].httpStatus).toBeGreaterThanOrEqual(400);
      expect([1, 2, 3]).toContain(ERROR_TABLE[code].exitCode);
    }
  });

  it("of a newer or other server become the nearest code that is known", () => {
    expect(fromProblem({ code: "quantum-flux", detail: "d" }, 404)).toMatchObject({ code: "not-found", message: "d" });
    expect(fromProblem("<html>", 503).code).toBe("server-unreachable");
    expect(fromProblem(undefined, 418).code).toBe("invalid-input");
    expect(fromProblem({ code: "toString" }, 500).code).toBe("internal");
  });

  it("are read from any body without throwing", () => {
    fc.assert(
      fc.property(fc.anything(), fc.integer({ min: 400, max: 599 }), (body, status) => {
        expect(isErrorCode(fromProblem(body, status).code)).toBe(true);
      }),
    );
  });

  it("are told apart by code", () => {
    const error: unknown = new AsterismError("timeout", "t");
    expect(isAsterismError(error)).toBe(true);
    expect(isAsterismError(error, "timeout")).toBe(true);
    expect(isAsterismError(error, "internal")).toBe(false);
    expect(isAsterismError(new Error("timeout"))).toBe(false);
    expect(error).toMatchObject({ exitCode: 1, httpStatus: 504, retryable: true });
  });
});
