import { RELAY_HYSTERESIS_MS, RELAY_HYSTERESIS_RATIO } from "./timings.ts";

export interface RelayOption {
  readonly id: string;
  /** Null before the first answer. */
  readonly rttMs: number | null;
  /** Allocations fail there at present. */
  readonly isFailing: boolean;
}

/**
 * The relay for new allocations: the nearest, with hysteresis for the one in use. Failing ones only if all fail. While
 * none has been measured the first in the list, or undefined with `mayWait`.
 */
export function chooseRelay(
  options: readonly RelayOption[],
  currentId: string | undefined,
  mayWait: boolean,
): string | undefined {
  const working = options.filter(({ isFailing }) => !isFailing);
  const eligible = working.length > 0 ? working : options;
  const current = eligible.find(({ id }) => id === currentId);
  const nearest = eligible.reduce<RelayOption | undefined>(
    (best, option) =>
      distance(option) < (best === undefined ? Number.POSITIVE_INFINITY : distance(best)) ? option : best,
    undefined,
  );
  if (nearest === undefined) {
    if (current !== undefined) return current.id;
    return mayWait && eligible.length > 1 ? undefined : eligible[0]?.id;
  }
  if (current === undefined) return nearest.id;
  if (current.rttMs === null) return current.id;
  const gainMs = current.rttMs - distance(nearest);
  const isNearer = gainMs >= RELAY_HYSTERESIS_MS && gainMs >= current.rttMs * RELAY_HYSTERESIS_RATIO;
  return isNearer ? nearest.id : current.id;
}

function distance({ rttMs }: RelayOption): number {
  return rttMs ?? Number.POSITIVE_INFINITY;
}
