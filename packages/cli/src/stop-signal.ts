/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. */
export function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    const onSignal = (signal: NodeJS.Signals): void => {
      for (const name of ["SIGTERM", "SIGINT"] as const) {
        process.off(name, onSignal);
        process.on(name, () => process.exit(signal === "SIGINT" ? 130 : 143));
      }
      resolve();
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
}
