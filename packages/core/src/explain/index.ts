export { type NetcheckFacts, netcheckReport } from "./netcheck-report.ts";
