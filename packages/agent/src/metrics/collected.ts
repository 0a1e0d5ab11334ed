import { Counter, Gauge, type Registry } from "prom-client";

/** A gauge that is read when somebody looks. */
export function addGauge<L extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly L[],
  read: (gauge: Gauge<L>) => void,
): void {
  const gauge: Gauge<L> = new Gauge<L>({
    name,
    help,
    labelNames,
    registers: [registry],
    collect: () => {
      gauge.reset();
      read(gauge);
    },
  });
}

/** Counted elsewhere, read when somebody looks. */
export function addCounter<L extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly L[],
  read: (counter: Counter<L>) => void,
): void {
  const counter: Counter<L> = new Counter<L>({
    name,
    help,
    labelNames,
    registers: [registry],
    collect: () => {
      counter.reset();
      read(counter);
    },
  });
}
