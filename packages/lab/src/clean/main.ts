/** `npm run lab:clean`: removes namespaces, processes and folders of labs whose process is gone. */
import { whyLabCannotRun } from "../net/lab-error.ts";
import { sweepLeftovers } from "../net/namespace.ts";

const reason = whyLabCannotRun();
if (reason !== undefined) {
  console.error(reason);
  process.exitCode = 1;
} else {
  const { namespaces, processes } = sweepLeftovers();
  console.log(`removed ${namespaces.length} namespaces and ended ${processes} processes`);
}
