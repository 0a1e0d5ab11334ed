export { AsterismError, type ErrorDetails, type ErrorOptions, isAsterismError } from "./asterism-error.ts";
export { ERROR_CODES, ERROR_TABLE, type ErrorCode, type ErrorTableEntry, isErrorCode } from "./error-table.ts";
export { fromProblem, PROBLEM_CONTENT_TYPE, type Problem, toProblem } from "./problem.ts";
export { fail, ok, type Result, unwrap } from "./result.ts";
